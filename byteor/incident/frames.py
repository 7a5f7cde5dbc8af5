"""A capture's records as bytes: one frame holds one batch, so that recording and comparing cost per batch.

    0        1        2          4        6          8        12         16       24
    +--------+--------+----------+--------+----------+--------+----------+--------+-----------+
    | kind   | flags  | endpoint | shard  | ingress  | count  | 0        | first  | at_ns     |
    | u8     | u8     | u16      | u16    | u16      | u32    | u32      | u64    | i64       |
    +--------+--------+----------+--------+----------+--------+----------+--------+-----------+ 32
    | origins u64 x count      unless CONSECUTIVE: first, first + 1, ...                      |
    | ingresses u16 x count    of egress frames, unless ONE_INGRESS: all have ``ingress``     |
    | lengths u32 x count      of the payloads                                                |
    | payloads, one behind the other; with DIGEST the SHA-256 (32 bytes) of each instead      |
    +-----------------------------------------------------------------------------------------+

All little endian; ``at_ns`` is nanoseconds since 1970. A NOTE frame's body is JSON text and its count 0.
"""

from __future__ import annotations

import hashlib
import struct
import sys
from array import array
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

import msgspec

from byteor.incident.errors import IncidentError

assert sys.byteorder == "little", "a capture's arrays are written as they lie in memory"

HEAD: Final = struct.Struct("<BBHHHIIQq")
INGRESS, EGRESS, NOTE = 1, 2, 3
CONSECUTIVE, ONE_INGRESS, DIGEST = 1, 2, 4
DIGEST_BYTES = 32
MAX_COUNT = 1 << 20

Origins = Sequence[int]
Payload = bytes | memoryview


class Frame(msgspec.Struct, frozen=True):
    """One batch. ``endpoint`` is the index of the ingress or egress, ``at_ns`` when it arrived or left.

    ``lengths`` are those of the payloads, also where ``body`` holds digests.
    """

    kind: int
    endpoint: int
    shard: int
    at_ns: int
    origins: Origins
    ingresses: Sequence[int]
    lengths: Sequence[int]
    body: bytes
    digests: bool = False

    @property
    def count(self) -> int:
        return len(self.lengths)

    def payloads(self) -> list[bytes]:
        """The payloads, or the digests that stand for them, each as bytes of its own."""
        body = self.body
        if self.digests:
            return [body[at : at + DIGEST_BYTES] for at in range(0, len(body), DIGEST_BYTES)]
        return [body[start:end] for start, end in pairwise(accumulate(self.lengths, initial=0))]


def ingress_head(ingress: int, shard: int, first: int, at_ns: int, count: int) -> bytes:
    """What stands before lengths and payloads of ``count`` messages with the origins ``first``, + 1, ..."""
    return HEAD.pack(INGRESS, CONSECUTIVE | ONE_INGRESS, ingress, shard, ingress, count, 0, first, at_ns)


def ingress_frame(ingress: int, shard: int, first: int, at_ns: int, messages: Sequence[bytes]) -> bytes:
    """The batch ``messages`` with the origins ``first``, ``first`` + 1, ... as it came in."""
    head = ingress_head(ingress, shard, first, at_ns, len(messages))
    return b"".join((head, array("I", map(len, messages)), *messages))


class Batch(NamedTuple):
    """Outputs as the sink's worker gathers them: u64 origins, u16 ingresses, u32 lengths, the payloads."""

    origins: bytes
    ingresses: bytes
    lengths: bytes
    payload: bytes

    @property
    def size(self) -> int:
        """Messages."""
        return len(self.lengths) >> 2

    @classmethod
    def of(cls, origins: Sequence[int], ingresses: Sequence[int], messages: Sequence[Payload]) -> Batch:
        """A batch of messages that lie apart."""
        lengths = array("I", map(len, messages)).tobytes()
        return cls(
            array("Q", origins).tobytes(), array("H", ingresses).tobytes(), lengths, b"".join(messages)
        )

    def messages(self) -> list[bytes]:
        """Each payload as bytes of its own."""
        starts = accumulate(array("I", self.lengths), initial=0)
        return [self.payload[start:end] for start, end in pairwise(starts)]

    def part(self, start: int, end: int) -> Batch:
        """Messages ``start`` to ``end`` of it."""
        lengths = array("I", self.lengths)
        first, size = sum(lengths[:start]), sum(lengths[start:end])
        return Batch(
            self.origins[8 * start : 8 * end],
            self.ingresses[2 * start : 2 * end],
            self.lengths[4 * start : 4 * end],
            self.payload[first : first + size],
        )

    def digests(self) -> bytes:
        """The SHA-256 of each payload, one behind the other."""
        return b"".join(hashlib.sha256(message).digest() for message in self.messages())


def egress_parts(egress: int, batch: Batch, at_ns: int, *, digests: bool = False) -> tuple[bytes, ...]:
    """The outputs of egress ``egress`` as parts of a frame; with ``digests`` only the SHA-256 of each."""
    count = batch.size
    one = int.from_bytes(batch.ingresses[:2], "little")
    flags = DIGEST if digests else 0
    same = batch.ingresses == batch.ingresses[:2] * count
    if same:
        flags |= ONE_INGRESS
    first = int.from_bytes(batch.origins[:8], "little")
    head = HEAD.pack(EGRESS, flags, egress, 0, one, count, 0, first, at_ns)
    body = batch.digests() if digests else batch.payload
    return head, batch.origins, b"" if same else batch.ingresses, batch.lengths, body


def egress_frame(egress: int, batch: Batch, at_ns: int, *, digests: bool = False) -> bytes:
    """The parts of ``egress_parts`` in one."""
    return b"".join(egress_parts(egress, batch, at_ns, digests=digests))


def note_frame(at_ns: int, facts: object) -> bytes:
    """Something that is no message: the start, a loss, the end. ``facts`` is any JSON value."""
    return HEAD.pack(NOTE, 0, 0, 0, 0, 0, 0, 0, at_ns) + msgspec.json.encode(facts)


def pack_frame(frame: Frame) -> bytes:
    """The record that ``frame`` was read from, or one that reads the same."""
    if frame.kind == NOTE:
        return HEAD.pack(NOTE, 0, 0, 0, 0, 0, 0, 0, frame.at_ns) + frame.body
    first, one = frame.origins[0], frame.ingresses[0]
    flags, parts = DIGEST if frame.digests else 0, []
    if list(frame.origins) == list(range(first, first + frame.count)):
        flags |= CONSECUTIVE
    else:
        parts.append(array("Q", frame.origins).tobytes())
    if all(item == one for item in frame.ingresses):
        flags |= ONE_INGRESS
    else:
        parts.append(array("H", frame.ingresses).tobytes())
    head = HEAD.pack(frame.kind, flags, frame.endpoint, frame.shard, one, frame.count, 0, first, frame.at_ns)
    return b"".join((head, *parts, array("I", frame.lengths).tobytes(), frame.body))


def read_frame(record: bytes) -> Frame:
    """The frame that ``record`` holds. Raises ``E_CAPTURE_FRAME`` for anything that is none."""
    try:
        return _read(record)
    except (struct.error, ValueError, OverflowError) as error:
        raise IncidentError(
            "E_CAPTURE_FRAME",
            f"a record of the journal is no capture frame: {error}",
            hint="byteor journal verify says where; the records before it can still be used",
        ) from None


def _read(record: bytes) -> Frame:
    kind, flags, endpoint, shard, ingress, count, zero, first, at_ns = HEAD.unpack_from(record)
    if kind == NOTE:
        return Frame(NOTE, 0, 0, at_ns, (), (), (), record[HEAD.size :])
    if kind not in (INGRESS, EGRESS) or flags & ~7 or zero or not 0 < count <= MAX_COUNT:
        raise ValueError(f"kind {kind}, flags {flags}, count {count}")
    at = HEAD.size
    origins: Origins = range(first, first + count)
    ingresses: Sequence[int] = _Same(ingress, count)
    if not flags & CONSECUTIVE:
        origins, at = _array("Q", record, at, count)
    if not flags & ONE_INGRESS:
        ingresses, at = _array("H", record, at, count)
    lengths, at = _array("I", record, at, count)
    wanted = DIGEST_BYTES * count if flags & DIGEST else sum(lengths)
    if len(record) - at != wanted:
        raise ValueError(f"{len(record) - at} bytes of payload, not {wanted}")
    return Frame(kind, endpoint, shard, at_ns, origins, ingresses, lengths, record[at:], bool(flags & DIGEST))


def _array(code: str, record: bytes, at: int, count: int) -> tuple[array[int], int]:
    values = array(code)
    end = at + values.itemsize * count
    if end > len(record):
        raise ValueError(f"cut after {len(record)} bytes")
    values.frombytes(record[at:end])
    return values, end


class _Same(Sequence[int]):
    """``count`` times one number, without the memory."""

    __slots__ = ("_count", "_value")

    def __init__(self, value: int, count: int) -> None:
        self._value, self._count = value, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int | slice) -> int | list[int]:  # type: ignore[override]
        if isinstance(index, slice):
            return [self._value] * len(range(*index.indices(self._count)))
        if not -self._count <= index < self._count:
            raise IndexError(index)
        return self._value
