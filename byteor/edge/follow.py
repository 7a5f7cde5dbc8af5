"""``file:PATH?follow=1``: the lines of a log that grows, through its rotations, like ``tail -F``.

A rotation by rename is followed to the end of the old file and then from the start of the new one. A
truncation (``copytruncate``) is noticed by the size, or by other bytes at the file's beginning, and read from
the start again. A last line without its newline waits until it is whole, or until its file is left.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import msgspec

from byteor.edge.errors import EdgeError, bad_argument, reason
from byteor.edge.framing import LINES, decoder
from byteor.edge.lines import LINE_LIMIT_BYTES, LineSource, open_to_read
from byteor.edge.position_file import Positioned, PositionFile
from byteor.edge.spelling import Spelled
from byteor.errors import Exit
from byteor.runtime.adapter import Health

POLL_S = 0.02
LOOK_S = 0.2  # between looks at the name: a stat each
GRACE_S = 1.0  # a writer may go on in the old file for a moment after it was renamed
HEAD_BYTES = 64  # of the beginning, to tell a file that was cut and has grown again

BEGINNING, END = "beginning", "end"
ROTATED = re.compile(r"[._-][0-9][0-9._T:-]*")  # app.log.1, app.log-20251123: what logrotate appends


class _Position(msgspec.Struct):
    inode: int
    offset: int
    head: str


class FollowSource(Positioned, LineSource):
    """Never ends. ``checkpoint`` is ``{"inode", "offset", "head"}``, so that it survives a rotation."""

    def __init__(self, path: str, framing: str, start: str, checkpoint: str | None) -> None:
        super().__init__(f"file:{path}", framing)
        self._path = path
        self._start = start
        self._kept = None if checkpoint is None else PositionFile(checkpoint, self.name)
        self._inode = 0
        self._read_bytes = 0  # of this file, also what is not yet a message
        self._head = b""
        self._look_s = 0.0
        self._renamed_s: float | None = None
        self._skip_first = False  # started within a line: its rest is no message

    def open(self) -> None:
        """Raises ``E_SOURCE_NOT_FOUND``, ``E_SOURCE_UNREADABLE`` or ``E_CHECKPOINT``."""
        position = self._kept_position()
        if position is not None:
            self._go_on(position)
            return
        self._begin(open_to_read(self._path))
        size = os.fstat(self._fd).st_size
        if self._start == END:
            self._seek(size)
            self._skip_first = (
                self._framing == LINES and size > 0 and os.pread(self._fd, 1, size - 1) != b"\n"
            )
        elif self._start != BEGINNING:
            self._seek(int(self._start))

    def _go_on(self, position: object) -> None:
        """From where the checkpoint says, in PATH or in the file that PATH was rotated to."""
        try:
            place = msgspec.convert(position, _Position)
            head = bytes.fromhex(place.head)
        except ValueError as error:  # msgspec's errors are such, too
            raise self._bad_position() from error
        for path in self._generations():
            fd = open_to_read(path)
            status = os.fstat(fd)
            same = status.st_ino == place.inode and os.pread(fd, len(head), 0) == head
            if same and status.st_size >= place.offset:  # an inode's number is used again
                self._begin(fd)
                self._seek(place.offset)
                self._head = head
                return
            os.close(fd)
        self._counted["checkpoints_gone"] += 1
        self._begin(open_to_read(self._path))

    def _generations(self) -> list[str]:
        """PATH's rotated files, the one written last at the end, then PATH."""
        folder, name = Path(self._path).parent, Path(self._path).name
        rotated = [
            (path.stat().st_mtime_ns, str(path))
            for path in folder.iterdir()
            if path.name.startswith(name) and ROTATED.fullmatch(path.name[len(name) :]) and path.is_file()
        ]
        paths = [path for _, path in sorted(rotated)]
        if Path(self._path).exists():
            paths.append(self._path)
        return paths

    def _inode_of(self, path: str) -> int:
        try:
            return os.stat(path).st_ino  # noqa: PTH116  (may be any bytes)
        except OSError:  # renamed this very moment
            return 0

    def _begin(self, fd: int) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._attach(fd)
        if self._poll is not None:
            raise EdgeError(
                "E_SOURCE_UNREADABLE",
                f"cannot follow {self._path}: it is no regular file",
                hint="leave follow=1 away for a FIFO",
                exit=Exit.UNAVAILABLE,
            )
        self._inode = os.fstat(fd).st_ino
        self._head = b""
        self._renamed_s = None
        self._restart(0)

    def _restart(self, offset: int) -> None:
        self._decoder = decoder(self._framing, LINE_LIMIT_BYTES, self._too_long)
        self._skips.clear()
        self._unterminated = False
        self._seek(offset)

    def _seek(self, offset: int) -> None:
        self._offset = self._read_bytes = os.lseek(self._fd, offset, os.SEEK_SET)

    def _fill(self) -> None:
        if self._was_cut():  # before what is now at our offset is taken for more
            self._finish()  # a last line without its newline is as whole now as it will ever be
            if not self._lines:  # else when it has been handed over
                self._counted["truncations"] += 1
                self._head = b""
                self._restart(0)
            return
        before = os.lseek(self._fd, 0, os.SEEK_CUR)
        super()._fill()
        self._read_bytes = os.lseek(self._fd, 0, os.SEEK_CUR)
        if self._skip_first and self._lines:
            self._offset += len(self._lines.popleft()) + self._extra_bytes
            self._skip_first = False
        if self._read_bytes > before:
            self._renamed_s = None
            if len(self._head) < HEAD_BYTES:
                self._head = os.pread(self._fd, min(HEAD_BYTES, self._read_bytes), 0)

    def _at_end(self) -> None:
        """Nothing more for now: is this still the file?"""
        now = time.monotonic()
        if now >= self._look_s:
            self._look_s = now + LOOK_S
            if self._was_left(now):
                self._finish()
                if not self._lines:
                    self._next_file()
                return
        time.sleep(max(0.0, min(POLL_S, self._deadline_s - now)))

    def _was_cut(self) -> bool:
        if os.fstat(self._fd).st_size < self._read_bytes:
            return True
        return os.pread(self._fd, len(self._head), 0) != self._head

    def _was_left(self, now: float) -> bool:
        """Whether PATH is another file, and this one has had its time to be written to the end."""
        try:
            inode = os.stat(self._path).st_ino  # noqa: PTH116  (may be any bytes)
        except FileNotFoundError:  # renamed, and nothing new yet
            return False
        except OSError as error:
            raise EdgeError("E_SOURCE_READ", f"{self.name}: {reason(error)}") from error
        if inode == self._inode:
            self._renamed_s = None
            return False
        if self._renamed_s is None:
            self._renamed_s = now
        return now - self._renamed_s >= GRACE_S

    def _next_file(self) -> None:
        """The one that was begun after this one: there may have been several rotations since."""
        generations = self._generations()
        inodes = [self._inode_of(path) for path in generations]
        newer = generations[inodes.index(self._inode) + 1 :] if self._inode in inodes else generations[-1:]
        try:
            fd = open_to_read(newer[0] if newer else self._path)
        except EdgeError as error:
            if error.code != "E_SOURCE_NOT_FOUND":
                raise
            return  # renamed or removed this very moment: look again
        self._begin(fd)
        self._counted["rotations"] += 1

    def checkpoint(self) -> object:
        return {"inode": self._inode, "offset": self._offset, "head": self._head.hex()}

    def health(self) -> Health:
        return Health(ok=True, detail=self.told(f"{self._count:,} lines, following"))


def follow_source(spelled: Spelled) -> FollowSource:
    start = spelled.string("start")
    if start not in (BEGINNING, END) and not (start.isascii() and start.isdigit() and len(start) < 19):
        raise bad_argument(
            spelled.kind, spelled.usage, f"start={start}: beginning, end or an offset in bytes"
        )
    return FollowSource(
        spelled.argument, spelled.string("framing"), start, spelled.string_or_none("checkpoint")
    )
