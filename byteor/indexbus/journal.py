"""Journal in shared memory: a rolling window of records; readers tail it, replay it, and are told when
overrun.

Positions count bytes from the journal's beginning and only grow. The writer announces what it is about to
overwrite (``claimed``) before it writes and what may be read (``published``) after; a reader copies first and
then looks whether the writer has come round meanwhile, so it never returns bytes that changed under it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Self

from byteor.closing import Closing
from byteor.indexbus import abi
from byteor.indexbus.abi import Capability, Kind
from byteor.indexbus.errors import IndexBusError, oversize
from byteor.indexbus.kernel_choice import kernel
from byteor.indexbus.peers import Claim, Peer, read_peers
from byteor.indexbus.record import HEAD, Buffer, prefixes, read_records, record_bytes
from byteor.indexbus.region import Header, Region, create, open_region

PUBLISHED_AT, CLAIMED_AT, MARKS_AT, WINDOW_AT = 64, 128, 192, 320
MARKS = 16  # where a reader can start again: the first record of each sixteenth of the window
CHUNK = 1 << 16
WRITER_EVERY_S = 0.05  # a reader that waits looks at the writer's lock
MAX_READERS = 62


class JournalWriter(Closing):
    """The one writer. ``append`` never waits: slow readers are overrun, and told."""

    def __init__(self, journal: Journal, claim: Claim) -> None:
        self._claim, self._mapping = claim, journal.region.mapping
        self._window, self._limit = journal.window_bytes, journal.region.header.slot_bytes
        self._words = memoryview(self._mapping).cast("Q")
        self._halves = memoryview(self._mapping).cast("I")
        chosen = kernel(journal.kernel_name)
        self._write, self._sizes = chosen.record_write, chosen.record_sizes
        self._write_many = chosen.record_write_many
        # After a crash between claim and publication the claimed bytes are overwritten again.
        self.position = self._words[PUBLISHED_AT >> 3]

    def append(self, payload: bytes | bytearray | memoryview) -> int:
        """Add a record; its position. Raises ``E_OVERSIZE``, ``E_CLOSED``."""
        if self._claim.fd < 0:
            raise IndexBusError("E_CLOSED", "this handle was closed")
        if len(payload) > self._limit:
            raise oversize(0, len(payload), self._limit)
        size = record_bytes(len(payload))
        rest = self._window - self.position % self._window
        if rest < size:
            self._pad(rest)
        position = self.position
        self._begin(size)
        self._write(self._mapping, WINDOW_AT + position % self._window, payload)
        self._end(size)
        return position

    def append_many(
        self, messages: Sequence[Buffer], prefix: Buffer = b"", count_at: int | None = None
    ) -> int:
        """Add a record for each message, with a prefix before it as in ``DiskJournalWriter.append_many``; the
        position of the first. Raises ``E_OVERSIZE`` (nothing of the batch was added), ``E_CLOSED``,
        ``E_VALUE``.
        """
        if self._claim.fd < 0:
            raise IndexBusError("E_CLOSED", "this handle was closed")
        laid = prefixes(prefix, count_at, len(messages))
        batch = messages if type(messages) in (list, tuple) else list(messages)
        done, count, first = 0, len(batch), -1
        while done < count:
            # At most up to the next sixteenth, whose first record is marked.
            rest = self._window - self.position % self._window
            room = min(rest, self._window // MARKS - self.position % (self._window // MARKS))
            fit, size = self._sizes(batch, done, laid.size, room, self._limit)
            if not fit:
                size = record_bytes(memoryview(batch[done]).nbytes + laid.size)
                if rest < size:
                    self._pad(rest)
                    continue
                fit = 1
            position = self.position
            self._begin(size)
            at = WINDOW_AT + position % self._window
            took, _ = self._write_many(self._mapping, at, at + size, batch, done, fit, *laid)
            if took != fit:
                raise IndexBusError("E_VALUE", "the list of messages changed while it was appended")
            self._end(size)
            first = position if first < 0 else first
            done += took
        return first if first >= 0 else self.position

    def _pad(self, rest: int) -> None:
        self._begin(rest)
        at = WINDOW_AT + self.position % self._window
        self._halves[at >> 2] = rest - abi.RECORD.size
        self._halves[(at >> 2) + 1] = abi.RECORD_COMMITTED | abi.RECORD_PADDING
        self._end(rest)

    def _begin(self, size: int) -> None:
        self._words[CLAIMED_AT >> 3] = self.position + size
        sixteenth = self._window // MARKS
        index = self.position // sixteenth
        mark = (MARKS_AT >> 3) + index % MARKS
        if self._words[mark] // sixteenth != index or self._words[mark] > self.position:
            self._words[mark] = self.position

    def _end(self, size: int) -> None:
        self.position += size
        self._words[PUBLISHED_AT >> 3] = self.position

    def close(self) -> None:
        if self._claim.fd >= 0:
            self._words.release()
            self._halves.release()
        self._claim.leave()

    def __del__(self) -> None:
        self._claim.leave()


class JournalReader:
    """Follows the journal from ``position``; any number of readers, read-only, unknown to the writer."""

    def __init__(self, journal: Journal, position: int) -> None:
        self._journal, self.position = journal, position

    def read(self, max: int = 256, timeout_s: float = 0.0) -> list[tuple[int, bytes]]:
        """Up to ``max`` ``(position, payload)``; empty after ``timeout_s`` without one.

        Raises ``E_OVERRUN`` (``fields``: lost_bytes, resume) once when the writer came round; reading then
        goes on at the oldest record that is still whole. Raises ``E_CORRUPT``, and for who waits
        ``E_PEER_DEAD`` when everything is read and the writer died without leaving.
        """
        deadline = time.monotonic() + timeout_s
        pause, look_at = 1e-5, time.monotonic() + WRITER_EVERY_S
        while True:
            published = self._journal.published
            if published > self.position:
                if records := self._copy(published, max):
                    return records
                continue
            if published < self.position:
                raise IndexBusError("E_VALUE", f"position {self.position} lies beyond the end {published}")
            now = time.monotonic()
            if now >= deadline:
                return []
            if now >= look_at:
                look_at = now + WRITER_EVERY_S
                dead = self._journal.peers()[0].state == "dead"
                if dead and self._journal.published == self.position:
                    raise IndexBusError("E_PEER_DEAD", "the writer of the journal died without leaving it")
            time.sleep(pause)
            pause = min(pause * 2, 1e-3)

    def _copy(self, published: int, most: int) -> list[tuple[int, bytes]]:
        window = self._journal.window_bytes
        offset = self.position % window
        length = min(published - self.position, window - offset)
        if published % 8 or self.position % 8:
            text = f"positions {self.position} and {published} are no records'"
            raise IndexBusError("E_CORRUPT", text, position=self.position)
        first = min(length, CHUNK)
        data = self._journal.region.read(WINDOW_AT + offset, first)
        if self._overrun():
            raise self._lost()
        wanted = record_bytes(HEAD.unpack_from(data)[0])
        if first < wanted <= length:  # one record larger than the chunk
            data = self._journal.region.read(WINDOW_AT + offset, wanted)
            if self._overrun():
                raise self._lost()
        records, size = read_records(data[:length], 0, self.position, most)
        if not 0 < size <= length:
            text = f"no whole record at {self.position}, though {published} is published"
            raise IndexBusError("E_CORRUPT", text, position=self.position)
        self.position += size
        return records

    def _overrun(self) -> bool:
        return self._journal.claimed - self.position > self._journal.window_bytes

    def _lost(self) -> IndexBusError:
        resume = self._journal.oldest()
        lost = resume - self.position
        self.position = resume
        text = f"the writer overtook this reader by {lost} bytes"
        return IndexBusError("E_OVERRUN", text, lost_bytes=lost, resume=resume)


class Journal(Closing):
    """A window of ``window_bytes``; a record may take up to a quarter of it."""

    def __init__(self, region: Region, kernel_name: str | None = None) -> None:
        self.region, self.kernel_name = region, kernel_name
        self.window_bytes = region.header.capacity

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        window_bytes: int = 1 << 20,
        record_limit: int | None = None,
        readers: int = 0,
        spec_hash: bytes = b"",
        kernel: str | None = None,
    ) -> Self:
        """``window_bytes`` is a power of two from 4096. ``readers`` > 0 makes room for that many registered
        ones, see ``journal_lane``. Raises ``E_GEOMETRY``, ``E_REGION_EXISTS``, ``E_SHM_SPACE``.
        """
        limit = window_bytes // 4 if record_limit is None else record_limit
        if problem := _problem(window_bytes, limit, 1 + readers):
            raise IndexBusError("E_GEOMETRY", problem)
        region = create(
            path,
            kind=Kind.JOURNAL,
            capabilities=Capability.JOURNAL | Capability.GEOMETRY,
            total=_total(window_bytes, 1 + readers),
            capacity=window_bytes,
            slot_bytes=limit,
            lanes=1 + readers,
            slot_stride=0,
            spec_hash=spec_hash,
        )
        return cls(region, kernel)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, kernel: str | None = None) -> Self:
        """Open to write or read. Raises one ``E_REGION_...`` code a check."""
        return cls(open_region(path, Kind.JOURNAL, expected_bytes), kernel)

    @classmethod
    def observe(cls, path: str | os.PathLike[str]) -> Self:
        """Open to read only; survives a truncation (``E_REGION_GONE``)."""
        return cls(open_region(path, Kind.JOURNAL, expected_bytes, observe=True))

    def writer(self) -> JournalWriter:
        """The one writer. Raises ``E_ROLE_TAKEN``."""
        return JournalWriter(self, Claim(self.region, WINDOW_AT + self.window_bytes, "writer"))

    def reader(self, position: int | None = None) -> JournalReader:
        """A reader from ``position``, a record's; ``None``: the oldest that is still there."""
        return JournalReader(self, self.oldest() if position is None else position)

    @property
    def published(self) -> int:
        """The position behind the last readable record (``pub_pos``)."""
        return int.from_bytes(self.region.read(PUBLISHED_AT, 8), "little")

    @property
    def claimed(self) -> int:
        """How far the writer may be writing: bytes older than this minus the window are gone."""
        return int.from_bytes(self.region.read(CLAIMED_AT, 8), "little")

    def oldest(self) -> int:
        """A record's position that is still in the window, near its old end."""
        marks = memoryview(self.region.read(MARKS_AT, 8 * MARKS)).cast("Q")
        floor = max(0, self.claimed - self.window_bytes)
        published = self.published
        return min((mark for mark in marks if floor <= mark <= published), default=published)

    def peers(self) -> list[Peer]:
        names = ("writer", *(f"reader {i}" for i in range(self.region.header.lanes - 1)))
        return read_peers(self.region, WINDOW_AT + self.window_bytes, names)

    def close(self) -> None:
        self.region.close()


def _problem(window_bytes: int, slot_bytes: int, lanes: int) -> str | None:
    if not 1 <= lanes <= 1 + MAX_READERS:
        return f"{lanes} roles, not 1 to {1 + MAX_READERS}"
    if window_bytes < 4096 or window_bytes & (window_bytes - 1) or window_bytes > 1 << 31:
        return f"a window of {window_bytes} bytes is no power of two from 4096 to 2^31"
    if slot_bytes != window_bytes // 4 and not (lanes > 1 and 1 <= slot_bytes < window_bytes // 4):
        return f"records of {slot_bytes} bytes, not a quarter of the window"
    return None


def _total(window_bytes: int, lanes: int) -> int:
    # Registered readers: the stream's state, the writer's cell, a cell each.
    gate = abi.LINE * (1 + lanes) if lanes > 1 else 0
    return WINDOW_AT + window_bytes + lanes * abi.PEER.size + gate


def expected_bytes(header: Header) -> int | str:
    """What ``open_region`` asks of a journal region."""
    problem = _problem(header.capacity, header.slot_bytes, header.lanes)
    return problem or _total(header.capacity, header.lanes)
