"""A journal as a lane of a graph: registered readers, the end of the stream, and handles as jobs want them.

Everybody may still tail the journal as an observer and be overrun. The readers that are *registered* (their
number is fixed at creation) have a cell each, and the writer never passes the slowest of them plus the
window: it is full then, as any lane. A record is a prefix of 16 bytes (origin u64, ingress u16, flags u16,
time of arrival in us modulo 2^32, 0: not sampled) and the message.

Handles are those that ``byteor.indexbus.work`` needs and belong to one thread; nothing in them waits.
"""

from __future__ import annotations

import os
import struct
import time
from typing import Self

from byteor.closing import Closing
from byteor.indexbus import abi
from byteor.indexbus.abi import End, Wait
from byteor.indexbus.errors import IndexBusError, oversize
from byteor.indexbus.journal import WINDOW_AT, Journal, JournalReader, JournalWriter
from byteor.indexbus.metrics import MetricsRow
from byteor.indexbus.peers import Claim, Peer, lock_is_free
from byteor.indexbus.record import record_bytes
from byteor.indexbus.region import Region

PREFIX = struct.Struct("<QHHI")
_SKIP = abi.FILTERED | abi.ABORTED | abi.WATERMARK
_US = 1 << 32


class _End(Closing):
    """What both ends share: the role, the stream's state, dead peers."""

    def __init__(self, lane: JournalLane, role: int, name: str) -> None:
        self._lane = lane
        self._fatal = [0] if role else list(range(1, 1 + lane.readers))
        at = lane.peers_at
        self._claim = Claim(lane.journal.region, at + role * abi.PEER.size, name)
        self._mapping = lane.journal.region.mapping
        self._words = memoryview(self._mapping).cast("Q")
        self._cell = (lane.cells_at + role * abi.LINE) >> 3
        self.ended = End.OK
        self.stopped = False
        self.slot_bytes = lane.slot_bytes

    @property
    def sequence(self) -> int:
        """Messages that this end has handled."""
        return self._words[self._cell + 2]

    def stop(self) -> None:
        """End this handle's work, from any thread."""
        self.stopped = True

    def abort(self, reason: int = 0) -> None:
        self._lane.abort(reason, self.sequence)

    def look_around(self) -> None:
        """Raise ``E_PEER_DEAD`` when a peer has died without which this handle would wait for ever."""
        for role in self._fatal:
            at = self._lane.peers_at + role * abi.PEER.size
            if self._mapping[at : at + 4] != bytes(4) and lock_is_free(self._claim.fd, at):
                self.ended = End.DEAD
                raise IndexBusError("E_PEER_DEAD", f"peer {role} of the lane died without leaving it")

    def attach_row(self, row: MetricsRow | None) -> None:
        """Nothing to do: jobs count for themselves."""

    def _state(self) -> int:
        return int(self._mapping[self._lane.stream_at]) | int(self._mapping[self._lane.stream_at + 1]) << 8

    def close(self) -> None:
        """Leave the role."""
        if self._claim.fd >= 0:
            self._words.release()
        self._claim.leave()

    def __del__(self) -> None:
        claim = getattr(self, "_claim", None)
        if claim is not None:
            claim.leave()


class JournalProducer(_End):
    """The writer of a journal lane."""

    def __init__(self, lane: JournalLane) -> None:
        super().__init__(lane, 0, "writer")
        self._writer = JournalWriter(lane.journal, self._claim)
        self._readers = [self._cell + (1 + i) * (abi.LINE >> 3) for i in range(lane.readers)]
        self._row: MetricsRow | None = None

    def attach_lane_row(self, row: MetricsRow | None) -> None:
        """Count what is published, dropped and the high water into the lane's own row."""
        self._row = row

    def _room(self) -> int:
        """Bytes that may be written now; 0 and ``ended`` when the stream is not open."""
        state = self._state()
        if state != abi.OPEN:
            self.ended = End.ABORTED if state & abi.ABORTED_STREAM else End.FINISHED
            return 0
        self.ended = End.STOPPED if self.stopped else End.TIMEOUT
        position = self._writer.position
        slowest = min((self._words[cell] for cell in self._readers), default=position)
        return self._lane.journal.window_bytes - (position - slowest)

    def free(self) -> int:
        """Messages of any size that fit now."""
        largest = record_bytes(PREFIX.size + self.slot_bytes)
        return max(0, self._room() - largest) // largest  # a record may need padding before it

    def put(
        self, payload: bytes | memoryview, ingress: int, origin: int, flags: int = 0, stamp_ns: int = 0
    ) -> bool:
        """One message as given; False when it does not fit now. Raises ``E_OVERSIZE``."""
        if len(payload) > self.slot_bytes:
            raise oversize(0, len(payload), self.slot_bytes)
        size = record_bytes(PREFIX.size + len(payload))
        window = self._lane.journal.window_bytes
        rest = window - self._writer.position % window
        if self._room() < size + (rest if rest < size else 0):
            return False
        stamp_us = stamp_ns // 1000 % _US or 1 if stamp_ns else 0
        self._writer.append(PREFIX.pack(origin, ingress, flags & ~abi.STAMPED, stamp_us) + bytes(payload))
        self._words[self._cell] = self._writer.position
        if not flags & _SKIP:
            self._words[self._cell + 2] += 1
            self._count()
        return True

    def _count(self) -> None:
        if self._row is not None:
            self._row.add("in")
            slowest = min((self._words[cell + 2] for cell in self._readers), default=self.sequence)
            self._row.at_least("high_water", self.sequence - slowest)

    def watermark(self, origin: int, ingress: int = 0) -> bool:
        return self.put(b"", ingress, origin, abi.WATERMARK)

    def dropped(self, cause: str, n: int) -> None:
        """Count messages that this lane will never hold."""
        if self._row is not None:
            self._row.add("dropped", n)
            self._row.add(f"dropped_{cause}", n)

    def close_stream(self) -> None:
        """No more messages will come."""
        self._lane.close_stream()

    def close(self) -> None:
        self._writer.close()
        super().close()


class JournalConsumer(_End):
    """Registered reader ``index`` of a journal lane."""

    def __init__(self, lane: JournalLane, index: int) -> None:
        super().__init__(lane, 1 + index, f"reader {index}")
        self._reader: JournalReader = lane.journal.reader(self._words[self._cell])
        self._records: list[tuple[int, bytes]] = []
        self.peeked = 0  # what the last ``peek`` said

    def peek(self, max: int = 256, timeout_s: float = 0) -> int:
        """How many messages lie there, at most ``max``; 0: see ``ended``."""
        state = self._state()  # before looking: what is published before the end is read
        if state & abi.ABORTED_STREAM:
            self.ended = End.ABORTED
            self.peeked = 0
            return 0
        if len(self._records) < max:
            self._records += self._reader.read(max - len(self._records))
        if not self._records:
            self.ended = End.FINISHED if state else End.TIMEOUT
        self.peeked = min(max, len(self._records))
        return self.peeked

    def describe(self, i: int) -> tuple[int, int, int, int]:
        """``(length, flags, ingress, origin)`` of message ``i``."""
        record = self._records[i][1]
        origin, ingress, flags, stamp_us = PREFIX.unpack_from(record)
        return len(record) - PREFIX.size, flags | (abi.STAMPED if stamp_us else 0), ingress, origin

    def stamp(self, i: int) -> int:
        """When message ``i`` arrived, in ns; 0: not sampled."""
        stamp_us = PREFIX.unpack_from(self._records[i][1])[3]
        now_us = time.monotonic_ns() // 1000
        return (now_us - (now_us - stamp_us) % _US) * 1000 if stamp_us else 0

    def payload(self, i: int) -> bytes:
        return self._records[i][1][PREFIX.size :]

    def advance(self, n: int) -> None:
        """The first ``n`` messages are done: the writer may write over them."""
        done = self._records[:n]
        self._records = self._records[n:]
        messages = sum(not PREFIX.unpack_from(record)[2] & _SKIP for _, record in done)
        self._words[self._cell + 2] += messages
        self._words[self._cell] = self._records[0][0] if self._records else self._reader.position


class JournalLane(Closing):
    """The lane: hands out its ends, and is looked at."""

    def __init__(self, journal: Journal) -> None:
        header = journal.region.header
        if header.lanes < 2:
            journal.close()
            raise IndexBusError("E_REGION_KIND", f"{journal.region.path.name} has no registered readers")
        self.journal = journal
        self.readers = header.lanes - 1
        self.slot_bytes = header.slot_bytes - PREFIX.size
        self.peers_at = WINDOW_AT + journal.window_bytes
        self.stream_at = self.peers_at + header.lanes * abi.PEER.size
        self.cells_at = self.stream_at + abi.LINE

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        capacity: int = abi.DEFAULT_CAPACITY,
        slot_bytes: int = abi.DEFAULT_SLOT_BYTES,
        readers: int,
        spec_hash: bytes = b"",
        kernel: str | None = None,
    ) -> Self:
        """A window for at least ``capacity`` messages of ``slot_bytes`` bytes, and at least eight records.

        Raises ``E_GEOMETRY``, ``E_REGION_EXISTS``, ``E_SHM_SPACE``.
        """
        if readers < 1 or slot_bytes < 1:
            raise IndexBusError("E_GEOMETRY", f"{readers} readers of messages of {slot_bytes} bytes")
        wanted = max(capacity, 8) * record_bytes(PREFIX.size + slot_bytes)
        window = max(4096, 1 << (wanted - 1).bit_length())
        limit = PREFIX.size + slot_bytes
        return cls(
            Journal.create(
                path,
                window_bytes=window,
                record_limit=limit,
                readers=readers,
                spec_hash=spec_hash,
                kernel=kernel,
            )
        )

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, kernel: str | None = None) -> Self:
        """Open to take a role. Raises one ``E_REGION_...`` code a check."""
        return cls(Journal.open(path, kernel=kernel))

    @classmethod
    def observe(cls, path: str | os.PathLike[str]) -> Self:
        """Open to look; survives a truncation."""
        return cls(Journal.observe(path))

    def producer(self, *, wait: Wait = Wait.BACKOFF) -> JournalProducer:
        """The one writer. Raises ``E_ROLE_TAKEN``."""
        return JournalProducer(self)

    def consumer(self, index: int, *, wait: Wait = Wait.BACKOFF) -> JournalConsumer:
        """Registered reader ``index``. Raises ``E_ROLE``, ``E_ROLE_TAKEN``."""
        if not 0 <= index < self.readers:
            raise IndexBusError("E_ROLE", f"no reader {index}; the lane has {self.readers}")
        return JournalConsumer(self, index)

    @property
    def region(self) -> Region:
        return self.journal.region

    @property
    def state(self) -> str:
        """``open``, ``closed`` or ``aborted``."""
        closed, aborted = self.journal.region.read(self.stream_at, 2)
        return "aborted" if aborted else "closed" if closed else "open"

    @property
    def cursor(self) -> int:
        """Messages published."""
        return self._count(0)

    @property
    def gating(self) -> tuple[int, ...]:
        """Messages that each reader has finished."""
        return tuple(self._count(1 + i) for i in range(self.readers))

    def _count(self, role: int) -> int:
        at = self.cells_at + role * abi.LINE + abi.CELL.offset("count")
        return int.from_bytes(self.journal.region.read(at, 8), "little")

    def peers(self) -> list[Peer]:
        return self.journal.peers()

    def abort(self, reason: int = 0, sequence: int = 0) -> None:
        """Abort from outside any role. The first to abort is the cause."""
        mapping, at = self.journal.region.mapping, self.stream_at
        if mapping[at + 1]:
            return
        mapping[at + 4 : at + 12] = struct.pack("<II", reason & 0xFFFFFFFF, 0xFFFFFFFF)
        mapping[at + 16 : at + 24] = (sequence & abi.U64).to_bytes(8, "little")
        mapping[at + 1] = 1

    def close_stream(self) -> None:
        """Mark the end on behalf of a writer that is gone."""
        self.journal.region.mapping[self.stream_at] = 1

    def close(self) -> None:
        self.journal.close()
