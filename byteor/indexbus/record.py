"""A journal's records as bytes: sizes and parsing. The same format in shared memory and on disk."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from byteor.indexbus import abi
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.kernel_choice import crc32c

HEAD = struct.Struct("<II")
OVERHEAD = abi.RECORD.size + 4  # header before and checksum behind the payload


def record_bytes(length: int) -> int:
    """What a payload of ``length`` bytes takes."""
    return abi.round_up(OVERHEAD + length, 8)


def parse(data: bytes, position: int) -> Iterator[tuple[int, bytes | None, int]]:
    """``(position, payload, size)`` of every whole committed record at the start of ``data``; padding gives
    ``None``.

    Stops at the first record that is not committed or not wholly in ``data``. Raises ``E_CORRUPT`` when a
    committed record's checksum or length is wrong.
    """
    at = 0
    while at + abi.RECORD.size <= len(data):
        length, flags = HEAD.unpack_from(data, at)
        if not flags & abi.RECORD_COMMITTED:
            return
        if flags & abi.RECORD_PADDING:
            size = abi.RECORD.size + length
            if size % 8:
                raise IndexBusError(
                    "E_CORRUPT", f"padding of {length} bytes at {position + at}", position=position + at
                )
            yield position + at, None, size
            at += size
            continue
        size = record_bytes(length)
        if at + size > len(data):
            return
        payload = data[at + 8 : at + 8 + length]
        if int.from_bytes(data[at + 8 + length : at + 12 + length], "little") != crc32c(payload):
            raise IndexBusError(
                "E_CORRUPT", f"the record at {position + at} fails its checksum", position=position + at
            )
        yield position + at, payload, size
        at += size
