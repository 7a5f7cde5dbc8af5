"""The journal's records in Python: see ``kernel/journal.c`` and ``kernel/records.c``."""

from __future__ import annotations

from collections.abc import Sequence

from byteor.indexbus.abi import RECORD_COMMITTED, RECORD_PADDING
from byteor.indexbus.errors import oversize
from byteor.indexbus.pure.crc32c import crc32c

Buffer = bytes | bytearray | memoryview
HEADER, MOST_HEAD = 8, 256


def _size(length: int) -> int:
    return length + HEADER + 4 + 7 & ~7


def record_write(mapping: object, at: int, data: Buffer) -> int:
    """One record at ``at``: first the bytes, then the flag that makes them a record. Its size."""
    n = len(data)
    with memoryview(mapping).cast("B") as raw, raw.cast("I") as halves:  # type: ignore[arg-type]
        halves[(at >> 2) + 1] = 0
        halves[at >> 2] = n
        raw[at + 8 : at + 8 + n] = data
        raw[at + 8 + n : at + 12 + n] = crc32c(data).to_bytes(4, "little")
        halves[(at >> 2) + 1] = RECORD_COMMITTED
    return _size(n)


def record_join(
    mapping: object, at: int, room: int, head: Buffer, parts: Sequence[Buffer], table: bool
) -> int:
    """One record of ``head``, with ``table`` the length of each part as u32, and the parts. Its size; 0 when
    it takes more than ``room``.
    """
    lengths = b"".join(len(part).to_bytes(4, "little") for part in parts) if table else b""
    whole = b"".join((head, lengths, *parts))
    return record_write(mapping, at, whole) if _size(len(whole)) <= room else 0


def record_sizes(messages: Sequence[Buffer], first: int, head: int, room: int, limit: int) -> tuple[int, int]:
    """How many messages from ``first`` fit into ``room`` bytes, each with ``head`` bytes before it, and their
    bytes. Raises ``E_OVERSIZE`` when any of them is longer than ``limit``.
    """
    fit = total = 0
    full = False
    for i in range(first, len(messages)):
        length = memoryview(messages[i]).nbytes + head
        if length > limit:
            raise oversize(i, length, limit)
        full = full or total + _size(length) > room
        if not full:
            total += _size(length)
            fit += 1
    return fit, total


def record_write_many(
    mapping: object,
    at: int,
    end: int,
    messages: Sequence[Buffer],
    first: int,
    count: int,
    heads: Buffer,
    head: int,
    counter: int,
) -> tuple[int, int]:
    """Records at ``at`` of a prefix and a message each, as long as they fit before ``end``; how many, and
    where the next one goes. ``counter``: where in the one prefix a u64 counts up (-1: nowhere).
    """
    shared = len(heads) == head
    wrong = head > MOST_HEAD or (counter >= 0 and (not shared or counter + 8 > head))
    if wrong or not 0 <= count <= len(messages) - first or (not shared and len(heads) < head * len(messages)):
        raise ValueError("a prefix is at most 256 bytes: one for all messages, or one for each")
    base = int.from_bytes(heads[counter : counter + 8], "little") if counter >= 0 else 0
    for i in range(first, first + count):
        own = bytes(heads) if shared else bytes(heads[i * head : (i + 1) * head])
        if counter >= 0:
            number = (base + i) & 0xFFFFFFFFFFFFFFFF
            own = own[:counter] + number.to_bytes(8, "little") + own[counter + 8 :]
        data = own + bytes(messages[i])
        if _size(len(data)) > end - at:
            return i - first, at
        at += record_write(mapping, at, data)
    return count, at


def record_read(data: Buffer, at: int, position: int, most: int) -> tuple[list[tuple[int, bytes]], int, bool]:
    """See ``record.read_records``."""
    first = at
    records: list[tuple[int, bytes]] = []
    while at + HEADER <= len(data):
        length = int.from_bytes(data[at : at + 4], "little")
        flags = int.from_bytes(data[at + 4 : at + 8], "little")
        if not flags & RECORD_COMMITTED:
            break
        if flags & RECORD_PADDING:
            if length % 8:
                return records, at - first, True
            at += HEADER + length
            continue
        size = _size(length)
        if at + size > len(data):
            break
        payload = bytes(data[at + 8 : at + 8 + length])
        if int.from_bytes(data[at + 8 + length : at + 12 + length], "little") != crc32c(payload):
            return records, at - first, True
        if most >= 0:
            if len(records) >= most:
                break
            records.append((position + at - first, payload))
        at += size
    return records, at - first, False
