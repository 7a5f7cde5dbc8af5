"""A journal's records as bytes: sizes, reading, batches with prefixes. The same format in shared memory and
on disk.
"""

from __future__ import annotations

import mmap
import struct
from typing import NamedTuple

from byteor.indexbus import abi
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.kernel_choice import kernel

HEAD = struct.Struct("<II")
OVERHEAD = abi.RECORD.size + 4  # header before and checksum behind the payload
MOST_PREFIX = 256

Buffer = bytes | bytearray | memoryview


def record_bytes(length: int) -> int:
    """What a payload of ``length`` bytes takes."""
    return abi.round_up(OVERHEAD + length, 8)


def read_records(
    data: Buffer | mmap.mmap, at: int, position: int, most: int
) -> tuple[list[tuple[int, bytes]], int]:
    """Up to ``most`` ``(position, payload)`` of the whole committed records in ``data`` from offset ``at``,
    which is ``position``, and how many bytes they and padding take (padding at the end may reach beyond
    ``data``); ``most`` -1 only walks.

    Stops at the first record that is not committed or not wholly in ``data``. Raises ``E_CORRUPT`` when a
    committed record's checksum or length is wrong and nothing stands before it.
    """
    records, size, corrupt = kernel().record_read(data, at, position, most)
    if corrupt and not size:
        text = f"the record at {position} fails its checksum"
        raise IndexBusError("E_CORRUPT", text, position=position)
    return records, size


class Prefixes(NamedTuple):
    """What stands before each message of a batch: one prefix for all, in which a u64 may count up, or one
    each.
    """

    heads: Buffer = b""
    #: Bytes before each message.
    size: int = 0
    #: Where in the one prefix a little-endian u64 grows by one from message to message; -1: nowhere.
    counter: int = -1


def prefixes(prefix: Buffer, count_at: int | None, messages: int) -> Prefixes:
    """How to lay ``prefix`` before so many messages. Raises ``E_VALUE``.

    ``count_at`` given: ``prefix`` is one for all and the u64 there counts up. ``None``: ``prefix`` holds one
    prefix a message, of equal sizes, in order; empty for none.
    """
    if count_at is not None:
        if not (0 <= count_at <= len(prefix) - 8 and len(prefix) <= MOST_PREFIX):
            raise IndexBusError("E_VALUE", f"no u64 at {count_at} of a prefix of {len(prefix)} bytes")
        return Prefixes(prefix, len(prefix), count_at)
    each, rest = divmod(len(prefix), messages) if messages else (0, 0)
    if rest or each > MOST_PREFIX:
        raise IndexBusError("E_VALUE", f"{len(prefix)} bytes are no {messages} prefixes of up to 256 bytes")
    return Prefixes(prefix, each)
