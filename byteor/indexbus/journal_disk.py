"""Journal on disk, the writer: append-only segment files of the same records; durable by the chosen fsync
policy.

A segment is allocated whole before it is used, so that an append is a copy into mapped memory and never runs
out of space half-way. After a crash the segments that are not sealed are walked: what follows the last whole
record is zeroed.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import secrets
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal, Self, get_args

from byteor.indexbus import abi
from byteor.indexbus.errors import IndexBusError, oversize
from byteor.indexbus.journal_keeper import Maker, Syncer
from byteor.indexbus.journal_reader import DiskJournalReader
from byteor.indexbus.journal_segment import (
    FIRST_AT,
    Segment,
    read_head,
    segment_path,
    segments,
    sync_folder,
)
from byteor.indexbus.kernel_choice import kernel
from byteor.indexbus.record import HEAD, OVERHEAD, Buffer, prefixes, read_records, record_bytes

__all__ = ["DiskJournalReader", "DiskJournalWriter", "FsyncPolicy", "read_head", "segments"]

FsyncPolicy = Literal["always", "interval", "none"]


class DiskJournalWriter:
    """The one writer of a folder (a lock file says so).

    ``fsync``: ``always``: before ``append`` returns; ``interval``: by a thread every ``interval_ms`` while
    something is new, at ``sync`` and at ``close``, so that a crash of the machine loses at most that (and
    what the sync itself takes); ``none``: at the kernel's pace. A crash of the process alone loses nothing
    under any policy. Belongs to one thread.
    """

    _segment: Segment
    _at: int  # offset of the next record in it
    _size: int
    _prepare_at: int  # behind this offset the next segment is made ready

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        segment_bytes: int = 1 << 24,
        fsync: FsyncPolicy = "interval",
        interval_ms: int = 50,
    ) -> None:
        """Open or begin the journal in ``folder`` (made 0700). Raises ``E_ROLE_TAKEN``, ``E_CORRUPT``,
        ``E_SHM_SPACE``, ``E_VALUE``.
        """
        if fsync not in get_args(FsyncPolicy):  # nearly spelled, it would sync nothing
            known = ", ".join(get_args(FsyncPolicy))
            raise IndexBusError("E_VALUE", f"no fsync policy {fsync!r}; there are {known}")
        self.folder = Path(folder)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._segment_bytes = abi.round_up(max(segment_bytes, 4096), mmap.PAGESIZE)
        self._limit = self._segment_bytes - FIRST_AT - OVERHEAD  # the longest payload
        self._fsync, self._always = fsync, fsync == "always"
        chosen = kernel()
        self._write, self._sizes = chosen.record_write, chosen.record_sizes
        self._write_many, self._join = chosen.record_write_many, chosen.record_join
        self._closed = False
        self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise IndexBusError("E_ROLE_TAKEN", f"{self.folder} has a writer already") from None
        #: Bytes behind the last whole record that a crash had left and that were zeroed.
        self.discarded_bytes = 0
        try:
            self._use(*self._recover())
        except BaseException:
            os.close(self._lock)
            raise
        timed = interval_ms / 1000 if fsync == "interval" else None
        self._syncer, self._maker = Syncer(self._written, timed), Maker(self._make)

    @property
    def position(self) -> int:
        """Where the next record will lie."""
        return self._segment.start + self._at - FIRST_AT

    def append(self, payload: Buffer) -> int:
        """Add a record; its position. Raises ``E_OVERSIZE``, ``E_SHM_SPACE``, ``E_JOURNAL_SYNC``,
        ``E_CLOSED``.
        """
        self._check()
        if len(payload) > self._limit:
            raise oversize(0, len(payload), self._limit)
        size = record_bytes(len(payload))
        if self._at + size > self._size:
            self._next_segment()
        position = self.position
        self._write(self._segment.mapping, self._at, payload)
        self._wrote(self._at + size)
        return position

    def append_joined(self, head: Buffer, parts: Sequence[Buffer], *, table: bool, most: int) -> int:
        """Add one record: ``head``, with ``table`` the length of each part as little-endian u32, the parts;
        without a joined copy of them. Its position, or -1 when it would be longer than ``most`` bytes (up to
        the next word): nothing was added then. Raises as ``append`` does.
        """
        self._check()
        most = min(most, self._limit)
        room = self._size - self._at
        batch = parts if type(parts) in (list, tuple) else list(parts)
        size = self._join(self._segment.mapping, self._at, min(room, record_bytes(most)), head, batch, table)
        if not size:
            length = len(head) + sum(map(len, batch)) + (4 * len(batch) if table else 0)
            if length > most:
                return -1
            self._next_segment()
            size = self._join(self._segment.mapping, self._at, record_bytes(length), head, batch, table)
        position = self.position
        self._wrote(self._at + size)
        return position

    def append_many(
        self, messages: Sequence[Buffer], prefix: Buffer = b"", count_at: int | None = None
    ) -> int:
        """Add a record for each message; the position of the first.

        ``prefix`` stands before the message in each record, without a joined copy: either one for all
        (``count_at`` given: the little-endian u64 there grows by one from message to message), or one a
        message, of equal sizes, in order (``count_at`` ``None``). At most 256 bytes a message.
        Raises as ``append`` does (``E_OVERSIZE``: nothing of the batch was added), ``E_VALUE``.
        """
        self._check()
        laid = prefixes(prefix, count_at, len(messages))
        batch = messages if type(messages) in (list, tuple) else list(messages)
        done, count, first = 0, len(batch), -1
        while done < count:
            fit, _ = self._sizes(batch, done, laid.size, self._size - self._at, self._limit)
            if not fit:
                self._next_segment()
                continue
            if first < 0:
                first = self.position
            took, at = self._write_many(self._segment.mapping, self._at, self._size, batch, done, fit, *laid)
            done += took
            self._wrote(at)
        return first if first >= 0 else self.position

    def sync(self) -> None:
        """Everything appended so far is on the disk when this returns. Raises ``E_JOURNAL_SYNC``."""
        self._check()
        self._syncer.drain()
        self._sync()
        self._check()

    def drop_before(self, position: int) -> int:
        """Delete segments that lie wholly before ``position``; how many bytes of journal went."""
        held = segments(self.folder)
        gone = [(start, path, end) for (start, path), (end, _) in pairwise(held) if end <= position]
        for _, path, _ in gone:
            path.unlink()
        return sum(end - start for start, _, end in gone)

    def close(self) -> None:
        """Sync (unless ``fsync`` is ``none``) and leave. Closing twice is fine. Raises ``E_JOURNAL_SYNC``."""
        if self._closed:
            return
        self._closed = True
        self._maker.close()
        self._syncer.close()
        try:
            if self._fsync != "none" and self._syncer.failed is None:
                self._sync()
        finally:
            self._segment.close()
            os.close(self._lock)
        if self._syncer.failed is not None:
            raise self._syncer.failed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        try:
            self.close()
        except IndexBusError:
            if kind is None:  # must not hide what was raised before it
                raise

    # -- inside

    def _check(self) -> None:
        if self._closed:
            raise IndexBusError("E_CLOSED", "this journal was closed")
        if self._syncer.failed is not None:
            raise self._syncer.failed

    def _wrote(self, at: int) -> None:
        self._at = at
        if self._syncer.resting:
            self._syncer.wake()
        if at > self._prepare_at:
            self._prepare_at = self._size
            self._maker.prepare(self._segment.end)
        if self._always:
            self._sync()

    def _sync(self) -> None:
        try:
            self._segment.sync_range(0, self._at)
        except OSError as error:
            raise self._syncer.refused(error) from None

    def _written(self) -> tuple[Segment, int]:
        return self._segment, self._at

    def _use(self, segment: Segment, at: int) -> None:
        self._segment, self._at, self._size = segment, at, segment.size
        # The next one is begun early, as it takes as long as filling this one may; but not before there is
        # something in this one: a journal that stays small takes one segment.
        self._prepare_at = max(at, segment.size // 16)

    def _make(self, position: int) -> Segment:
        path = self.folder / f".new-{position}"
        path.unlink(missing_ok=True)
        return Segment.create(path, position, self._segment_bytes, self._epoch)

    def _begin(self, spare: Segment | None, position: int) -> Segment:
        segment = spare or self._make(position)
        segment.path = segment.path.rename(segment_path(self.folder, position))
        return segment

    def _next_segment(self) -> None:
        full, rest = self._segment, self._size - self._at
        if rest >= abi.RECORD.size:
            flags = abi.RECORD_COMMITTED | abi.RECORD_PADDING
            full.mapping[self._at : self._at + 8] = HEAD.pack(rest - abi.RECORD.size, flags)
        self._at = self._size
        if self._always:
            self._sync()
            full.seal()
        following = self._begin(self._maker.take(full.end), full.end)
        if self._always:
            sync_folder(self.folder)
        self._use(following, FIRST_AT)
        self._syncer.finish(full)

    def _recover(self) -> tuple[Segment, int]:
        """The segment to go on in and where; repairs what a crash has left."""
        for leftover in self.folder.glob(".new-*"):
            leftover.unlink()
        held = segments(self.folder)
        if not held:
            self._epoch = secrets.randbits(63) + 1
            first = self._begin(None, 0)
            sync_folder(self.folder)
            return first, FIRST_AT
        self._epoch = read_head(held[-1][1], held[-1][0])["epoch"]
        doubtful = [held.pop()]
        while held and not read_head(held[-1][1], held[-1][0])["sealed"]:
            doubtful.append(held.pop())
        while True:
            start, path = doubtful.pop()
            read_head(path, start)
            segment = Segment(path, start)
            try:
                at = self._walk(segment)
                if at < segment.size or not doubtful:
                    break
                segment.sync()
                segment.seal()
            except BaseException:
                segment.close()
                raise
            segment.close()
        # The timed sync works in order: what lies behind a torn segment was never promised.
        for start, path in doubtful:
            with Segment(path, start) as later:
                self.discarded_bytes += len(later.mapping[FIRST_AT:].rstrip(b"\0"))
            path.unlink()
        self._clean(segment, at)
        return (segment, at) if at < segment.size else self._follow(segment)

    def _follow(self, full: Segment) -> tuple[Segment, int]:
        full.close()
        following = self._begin(None, full.end)
        sync_folder(self.folder)
        return following, FIRST_AT

    def _walk(self, segment: Segment) -> int:
        """Where the last whole record ends. Raises ``E_CORRUPT`` for damage that no crash leaves."""
        at = FIRST_AT
        try:
            while at < segment.size:
                _, size = read_records(segment.mapping, at, segment.start + at - FIRST_AT, -1)
                if not size:
                    break
                at += size
        except IndexBusError as error:
            # Torn by a crash, it is the last; with a whole record behind it, it is damage, and not ours to
            # erase.
            if error.code != "E_CORRUPT" or self._followed(segment.mapping, at):
                raise
        return at

    @staticmethod
    def _followed(data: mmap.mmap, at: int) -> bool:
        following = at + record_bytes(HEAD.unpack_from(data, at)[0])
        try:
            return following < len(data) and read_records(data, following, 0, -1)[1] > 0
        except IndexBusError:
            return False

    def _clean(self, segment: Segment, at: int) -> None:
        tail = segment.mapping[at:]
        left = len(tail.rstrip(b"\0"))
        if left:
            # Else a stale record behind the next append could look like its successor.
            segment.mapping[at:] = bytes(len(tail))
            segment.sync()
        self.discarded_bytes += left
