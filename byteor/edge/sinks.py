"""Sinks of a descriptor: a file, a FIFO, standard output; and nowhere.

A message becomes a line, or follows its four-byte length (``framing=u32``).
"""

from __future__ import annotations

import errno
import os
import select
import stat
from collections.abc import Sequence
from pathlib import Path

from byteor.edge.base import SinkEdge
from byteor.edge.errors import EdgeError, bad_argument, reason
from byteor.edge.framing import LINES, encode
from byteor.edge.net import SLICE_S
from byteor.edge.spelling import Spelled
from byteor.errors import Exit
from byteor.runtime.adapter import Health

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
PIPE_BUF_BYTES = 4096  # what a pipe that says it has room takes without waiting


class LineSink(SinkEdge):
    """Writes each batch at once, as whole messages, to a descriptor; keeps nothing back between calls."""

    def __init__(self, name: str, framing: str = LINES) -> None:
        super().__init__(name)
        self._framing = framing
        self._fd = -1
        self._regular = False
        self._at_most = 1 << 62  # bytes a write; fewer where a write could block
        self._size = 0  # of a regular file, as far as we wrote it
        self._written = 0
        self._waiting = False

    def open(self) -> None:
        raise NotImplementedError

    def write(self, messages: Sequence[bytes | memoryview]) -> None:
        """Raises ``E_SINK_CLOSED`` (no reader), ``E_SINK_CANCELLED``, ``E_SINK_WRITE``, ``E_FRAMING``."""
        if not messages:
            return
        data = encode(self._framing, messages)
        if self._framing == LINES and data.count(b"\n") != len(messages):
            messages = self.one_line_each(messages)
            data = encode(self._framing, messages) if messages else b""
        rest, done = memoryview(data), 0
        while done < len(data):
            try:
                if not self._regular:
                    self._wait_for_room()
                done += os.write(self._fd, rest[done : done + self._at_most])
            except BlockingIOError:  # somebody else filled it
                continue
            except BrokenPipeError as error:
                raise EdgeError("E_SINK_CLOSED", f"{self.name}: the reader has closed its end") from error
            except OSError as error:
                self._take_back(messages, done)
                hint = "make room, or name another --sink" if error.errno in FULL else None
                raise EdgeError(
                    "E_SINK_WRITE", f"{self.name}: writing failed: {reason(error)}", hint=hint
                ) from error
        self._size += done
        self._written += len(messages)

    def _wait_for_room(self) -> None:
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        while not poll.poll(SLICE_S * 1000):
            self._waiting = True
            self.check_cancelled()
        self._waiting = False

    def _take_back(self, messages: Sequence[bytes | memoryview], done: int) -> None:
        """After a write that failed half-way (a full disk): no partial message stays in the file."""
        whole, extra = 0, 1 if self._framing == LINES else 4
        for message in messages:
            if whole + len(message) + extra > done:
                break
            whole += len(message) + extra
        alone = self._regular and os.fstat(self._fd).st_size == self._size + done
        if whole < done and alone:  # else another writer has appended behind it
            os.ftruncate(self._fd, self._size + whole)

    def close(self) -> None:
        if self._fd > 2:
            os.close(self._fd)
        self._fd = -1

    def health(self) -> Health:
        told = f"{self._written:,} {'lines' if self._framing == LINES else 'messages'}"
        if self._waiting:
            return Health(ok=False, detail=self.told(f"{told}, the reader takes nothing"))
        return Health(ok=True, detail=self.told(told))


class FileSink(LineSink):
    """``file:PATH``: appends to a file; a new one is readable by this user only. ``fsync``: at each flush."""

    def __init__(self, path: str, framing: str = LINES, fsync: bool = False) -> None:
        super().__init__(f"file:{path}", framing)
        self._path = path
        self._fsync = fsync

    def open(self) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            fd = os.open(self._path, flags, 0o600)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise EdgeError(
                "E_SINK_NOT_FOUND",
                f"no such folder for the sink: {Path(self._path).parent}",
                hint="make the folder first",
                exit=Exit.NOT_FOUND,
            ) from error
        except OSError as error:
            if error.errno == errno.ENXIO and Path(self._path).is_fifo():
                raise EdgeError(
                    "E_SINK_UNWRITABLE",
                    f"nobody reads {self._path}: a FIFO needs its reader first",
                    hint=f"start the reader (cat {self._path}), then this run",
                    exit=Exit.UNAVAILABLE,
                ) from error
            raise EdgeError(
                "E_SINK_UNWRITABLE",
                f"cannot write {self._path}: {reason(error)}",
                hint="name a file that this user may write",
                exit=Exit.UNAVAILABLE,
            ) from error
        self._fd = fd
        status = os.fstat(fd)
        self._regular = stat.S_ISREG(status.st_mode)
        self._size = status.st_size
        unfinished = self._framing == LINES and self._regular and self._size > 0
        if unfinished and self._last_byte() != b"\n":
            # Somebody else's unfinished last line must not grow into our first one.
            self._size += os.write(fd, b"\n")

    def _last_byte(self) -> bytes:
        try:
            with Path(self._path).open("rb") as file:
                file.seek(-1, os.SEEK_END)
                return file.read(1)
        except OSError:  # may be written but not read
            return b"\n"

    def flush(self) -> None:
        """With ``fsync=1`` the lines are on the disk. Raises ``E_SINK_WRITE``."""
        if self._fsync and self._regular:
            try:
                os.fsync(self._fd)
            except OSError as error:
                text = f"{self.name}: not on the disk: {reason(error)}"
                raise EdgeError("E_SINK_WRITE", text) from error


class StdoutSink(LineSink):
    """``stdout:``: standard output."""

    def __init__(self, framing: str = LINES) -> None:
        super().__init__("stdout:", framing)

    def open(self) -> None:
        try:
            self._regular = stat.S_ISREG(os.fstat(1).st_mode)
        except OSError as error:
            raise EdgeError(
                "E_SINK_UNWRITABLE",
                f"standard output is closed: {reason(error)}",
                hint="name a --sink file:PATH or null:",
                exit=Exit.UNAVAILABLE,
            ) from error
        self._fd = 1 if self._regular else self._open_anew()

    def _open_anew(self) -> int:
        """The same pipe or terminal without blocking: the flag on descriptor 1 itself is others' too."""
        try:
            return os.open("/proc/self/fd/1", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except OSError:  # a socket, another user's terminal, no /proc
            self._at_most = PIPE_BUF_BYTES
            return 1


class NullSink(SinkEdge):
    """``null:``: takes everything and keeps nothing; the run still counts it."""

    native = True  # the kernel can forget too

    def open(self) -> None:
        """Nothing to acquire."""

    def write(self, messages: Sequence[bytes | memoryview]) -> None:
        """Forget the batch."""

    def close(self) -> None:
        """Nothing to release."""

    def health(self) -> Health:
        return Health(ok=True)


def file_sink(spelled: Spelled) -> FileSink:
    if not spelled.argument:
        raise bad_argument(spelled.kind, spelled.usage, "the path is missing")
    return FileSink(spelled.argument, spelled.string("framing"), spelled.flag("fsync"))


def stdout_sink(spelled: Spelled) -> StdoutSink:
    _no_argument(spelled)
    return StdoutSink(spelled.string("framing"))


def null_sink(spelled: Spelled) -> NullSink:
    _no_argument(spelled)
    return NullSink("null:")


def _no_argument(spelled: Spelled) -> None:
    if spelled.argument:
        raise bad_argument(spelled.kind, spelled.usage, "takes no argument")
