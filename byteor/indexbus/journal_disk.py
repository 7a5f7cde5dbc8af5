"""Journal on disk: append-only segment files of the same records; durable by the chosen fsync policy.

A segment is allocated whole before it is used, so that an append is a copy into mapped memory and never runs
out of space half-way. After a crash the last segment is scanned: what follows the last whole record is
zeroed.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import secrets
import time
from itertools import pairwise
from pathlib import Path
from typing import Literal, Self

from byteor.indexbus import abi
from byteor.indexbus.errors import IndexBusError, oversize
from byteor.indexbus.kernel_choice import kernel
from byteor.indexbus.record import HEAD, parse, record_bytes

SUFFIX = ".journal"
CHUNK = 1 << 18
FsyncPolicy = Literal["always", "interval", "none"]


def segments(folder: Path) -> list[tuple[int, Path]]:
    """``(position of the first record, file)`` in order."""
    return sorted((int(path.stem), path) for path in folder.glob(f"{'[0-9]' * 20}{SUFFIX}"))


def read_head(path: Path, position: int) -> dict[str, int]:
    """A segment's header. Raises ``E_CORRUPT`` when it is not the segment that its name says."""
    with path.open("rb") as file:
        data = file.read(abi.SEGMENT.size)
    size = path.stat().st_size
    if len(data) == abi.SEGMENT.size:
        head = {name: int(value) for name, value in abi.SEGMENT.unpack(data).items()}
        good = (head["magic"], head["version"], head["position"], head["size"])
        if good == (abi.SEGMENT_MAGIC, 1, position, size):
            return head
    raise IndexBusError("E_CORRUPT", f"{path} is no segment of this journal", position=position)


class DiskJournalWriter:
    """The one writer of a folder (a lock file says so).

    ``fsync``: ``always`` before ``append`` returns; ``interval``: at the first append after ``interval_ms``,
    at
    ``sync`` and at ``close``, so that a crash of the machine loses at most that; ``none``: the kernel's pace.
    A crash of the process alone loses nothing under any policy.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        segment_bytes: int = 1 << 24,
        fsync: FsyncPolicy = "interval",
        interval_ms: int = 50,
    ) -> None:
        """Open or begin the journal in ``folder`` (made 0700). Raises ``E_ROLE_TAKEN``, ``E_CORRUPT``,
        ``E_SHM_SPACE``.
        """
        self.folder = Path(folder)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._segment_bytes = abi.round_up(max(segment_bytes, 4096), mmap.PAGESIZE)
        self._fsync, self._interval_s = fsync, interval_ms / 1000
        self._synced, self._dirty_from = time.monotonic(), 0
        self._write = kernel().record_write
        self._mapping: mmap.mmap | None = None
        self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise IndexBusError("E_ROLE_TAKEN", f"{self.folder} has a writer already") from None
        #: Bytes behind the last whole record that a crash had left and that were zeroed.
        self.discarded_bytes = 0
        try:
            self._recover()
        except BaseException:
            os.close(self._lock)
            raise

    @property
    def position(self) -> int:
        """Where the next record will lie."""
        return self._start + self._at - abi.SEGMENT.size

    def append(self, payload: bytes | bytearray | memoryview) -> int:
        """Add a record; its position. Raises ``E_OVERSIZE``, ``E_SHM_SPACE``, ``E_CLOSED``."""
        if self._mapping is None:
            raise IndexBusError("E_CLOSED", "this journal was closed")
        size = record_bytes(len(payload))
        limit = self._segment_bytes - abi.SEGMENT.size
        if size > limit:
            raise oversize(0, len(payload), limit - 12)
        if self._at + size > self._size:
            self._next_segment()
        position = self.position
        self._write(self._mapping, self._at, payload)
        self._at += size
        if self._fsync == "always" or (
            self._fsync == "interval" and time.monotonic() - self._synced >= self._interval_s
        ):
            self.sync()
        return position

    def sync(self) -> None:
        """Everything appended so far is on the disk when this returns."""
        assert self._mapping is not None
        start = self._dirty_from // mmap.PAGESIZE * mmap.PAGESIZE
        self._mapping.flush(start, min(abi.round_up(self._at, mmap.PAGESIZE), self._size) - start)
        self._dirty_from, self._synced = self._at, time.monotonic()

    def drop_before(self, position: int) -> int:
        """Delete segments that lie wholly before ``position``; how many bytes of journal went."""
        held = segments(self.folder)
        gone = [(start, path, end) for (start, path), (end, _) in pairwise(held) if end <= position]
        for _, path, _ in gone:
            path.unlink()
        return sum(end - start for start, _, end in gone)

    def close(self) -> None:
        if self._mapping is not None:
            if self._fsync != "none":
                self.sync()
            self._mapping.close()
            self._mapping = None
            os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- inside

    def _recover(self) -> None:
        held = segments(self.folder)
        for leftover in self.folder.glob(".new-*"):
            leftover.unlink()
        if not held:
            self._epoch = secrets.randbits(63) + 1
            self._begin(0)
            return
        start, path = held[-1]
        head = read_head(path, start)
        self._epoch = head["epoch"]
        self._map(path, start)
        assert self._mapping is not None
        try:
            for position, _, size in parse(self._mapping[abi.SEGMENT.size :], start):
                self._at = position - start + abi.SEGMENT.size + size
        except IndexBusError as error:
            # Torn by a crash, it is the last; with a whole record behind it, it is damage, and not ours to
            # erase.
            if error.code != "E_CORRUPT" or self._followed(error.fields["position"] - start):
                raise
        tail = self._mapping[self._at :]
        self.discarded_bytes = len(tail.rstrip(b"\0"))
        if self.discarded_bytes:
            # Else a stale record behind the next append could look like its successor.
            self._mapping[self._at :] = bytes(len(tail))
            self._mapping.flush()
        if self._at >= self._size:
            self._begin(start + self._size - abi.SEGMENT.size)

    def _followed(self, offset: int) -> bool:
        assert self._mapping is not None
        at = abi.SEGMENT.size + offset
        following = at + record_bytes(HEAD.unpack_from(self._mapping, at)[0])
        try:
            return any(parse(self._mapping[following : following + CHUNK], 0))
        except IndexBusError:
            return False

    def _next_segment(self) -> None:
        assert self._mapping is not None
        rest = self._size - self._at
        if rest >= abi.RECORD.size:
            flags = abi.RECORD_COMMITTED | abi.RECORD_PADDING
            self._mapping[self._at : self._at + 8] = HEAD.pack(rest - abi.RECORD.size, flags)
        self._at = self._size
        if self._fsync != "none":
            self.sync()
        following = self.position
        self._mapping.close()
        self._begin(following)

    def _begin(self, position: int) -> None:
        path = self.folder / f"{position:020d}{SUFFIX}"
        temporary = self.folder / f".new-{position}"
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            head = {
                "magic": abi.SEGMENT_MAGIC, "version": 1, "position": position,
                "size": self._segment_bytes, "epoch": self._epoch,
            }  # fmt: skip
            os.posix_fallocate(fd, 0, self._segment_bytes)
            os.pwrite(fd, abi.SEGMENT.pack({**head}), 0)
            os.fsync(fd)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            text = f"no room for a segment of {self._segment_bytes} bytes: {error.strerror}"
            raise IndexBusError("E_SHM_SPACE", text, hint="free space on the journal's disk") from None
        finally:
            os.close(fd)
        temporary.rename(path)
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(folder)
        os.close(folder)
        self._map(path, position)

    def _map(self, path: Path, start: int) -> None:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            self._size = os.fstat(fd).st_size
            # Populated: the page faults are paid here and not by appends.
            self._mapping = mmap.mmap(fd, self._size, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE)
        finally:
            os.close(fd)
        self._start, self._at, self._dirty_from = start, abi.SEGMENT.size, 0


class DiskJournalReader:
    """Replays from a position and follows the writer; works on a live journal and on a copy."""

    def __init__(self, folder: str | os.PathLike[str], position: int | None = None) -> None:
        """From ``position``, a record's; ``None``: the oldest. Raises ``E_REGION_MISSING`` without any
        segment.
        """
        self.folder = Path(folder)
        held = segments(self.folder)
        if not held:
            raise IndexBusError("E_REGION_MISSING", f"no journal in {self.folder}")
        self.position = held[0][0] if position is None else position
        self._file: tuple[int, int, int] | None = None  # start, end, descriptor

    def read(self, max: int = 256) -> list[tuple[int, bytes]]:
        """Up to ``max`` ``(position, payload)``; empty at the end of what is written so far.

        Raises ``E_OVERRUN`` (``fields``: lost_bytes, resume) once when the position was dropped,
        ``E_CORRUPT``.
        """
        records: list[tuple[int, bytes]] = []
        while len(records) < max and self._open_segment():
            assert self._file is not None
            start, _, fd = self._file
            offset = self.position - start + abi.SEGMENT.size
            data = os.pread(fd, CHUNK, offset)
            if len(data) >= 8 and (wanted := record_bytes(HEAD.unpack_from(data)[0])) > CHUNK:
                data = os.pread(fd, wanted, offset)
            before = self.position
            for position, payload, size in parse(data, self.position):
                self.position = position + size
                if payload is not None:
                    records.append((position, payload))
                    if len(records) == max:
                        break
            if self.position == before:
                break
        return records

    def _open_segment(self) -> bool:
        """Whether a segment that holds ``position`` is open now."""
        if self._file is not None and self._file[0] <= self.position < self._file[1]:
            return True
        held = segments(self.folder)
        holding = [(start, path) for start, path in held if start <= self.position]
        if not holding:
            lost, resume = held[0][0] - self.position, held[0][0]
            self.position = resume
            text = f"{lost} bytes of the journal were dropped before they were read"
            raise IndexBusError("E_OVERRUN", text, lost_bytes=lost, resume=resume)
        start, path = holding[-1]
        end = start + read_head(path, start)["size"] - abi.SEGMENT.size
        if self.position >= end:
            return False  # the writer has not begun the next segment
        self.close()
        self._file = (start, end, os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        return True

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file[2])
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
