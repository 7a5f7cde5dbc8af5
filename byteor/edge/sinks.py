"""Sinks of lines: a file, standard output, or nowhere. The newline is put back behind every message."""

from __future__ import annotations

import errno
import os
import select
import stat
from collections.abc import Sequence
from pathlib import Path

from byteor.edge.errors import EdgeError, bad_argument, reason
from byteor.errors import Exit
from byteor.runtime.adapter import Health

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class LineSink:
    """Writes each batch at once, as whole lines, to a descriptor; keeps nothing back between calls."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._fd = -1
        self._regular = False
        self._size = 0  # of a regular file, as far as we wrote it
        self._written = 0

    def open(self) -> None:
        raise NotImplementedError

    def write(self, messages: Sequence[bytes | memoryview]) -> None:
        """Raises ``E_SINK_CLOSED`` when the reader is gone, ``E_SINK_WRITE`` otherwise."""
        if not messages:
            return
        text = b"\n".join(messages) + b"\n"
        done = 0
        while done < len(text):
            try:
                done += os.write(self._fd, memoryview(text)[done:])
            except BlockingIOError:  # whoever gave us the descriptor made it non-blocking
                self._wait_for_room()
            except BrokenPipeError as error:
                raise EdgeError("E_SINK_CLOSED", f"{self.name}: the reader has closed its end") from error
            except OSError as error:
                self._take_back(text, done)
                hint = "make room, or name another --sink" if error.errno in FULL else None
                raise EdgeError(
                    "E_SINK_WRITE", f"{self.name}: writing failed: {reason(error)}", hint=hint
                ) from error
        self._size += done
        self._written += len(messages)

    def _wait_for_room(self) -> None:
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        poll.poll()

    def _take_back(self, text: bytes, done: int) -> None:
        """After a write that failed half-way (a full disk): no partial line stays in the file."""
        partial = done - (text.rfind(b"\n", 0, done) + 1)
        alone = self._regular and os.fstat(self._fd).st_size == self._size + done
        if partial and alone:  # else another writer has appended behind it
            os.ftruncate(self._fd, self._size + done - partial)

    def flush(self) -> None:
        """Nothing to do: ``write`` hands everything to the kernel."""

    def close(self) -> None:
        if self._fd > 2:
            os.close(self._fd)
        self._fd = -1

    def health(self) -> Health:
        return Health(ok=True, detail=f"{self._written:,} lines")


class FileSink(LineSink):
    """``file:PATH``: appends to a file; a new one is readable by this user only."""

    def __init__(self, path: str) -> None:
        super().__init__(f"file:{path}")
        self._path = path

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
        if self._regular and self._size and self._last_byte() != b"\n":
            # Somebody else's unfinished last line must not grow into our first one.
            self._size += os.write(fd, b"\n")

    def _last_byte(self) -> bytes:
        try:
            with Path(self._path).open("rb") as file:
                file.seek(-1, os.SEEK_END)
                return file.read(1)
        except OSError:  # may be written but not read
            return b"\n"


class StdoutSink(LineSink):
    """``stdout:``: lines on standard output."""

    def __init__(self) -> None:
        super().__init__("stdout:")

    def open(self) -> None:
        try:
            os.fstat(1)
        except OSError as error:
            raise EdgeError(
                "E_SINK_UNWRITABLE",
                f"standard output is closed: {reason(error)}",
                hint="name a --sink file:PATH or null:",
                exit=Exit.UNAVAILABLE,
            ) from error
        self._fd = 1


class NullSink:
    """``null:``: takes everything and keeps nothing; the run still counts it."""

    name = "null:"

    def open(self) -> None:
        """Nothing to acquire."""

    def write(self, messages: Sequence[bytes | memoryview]) -> None:
        """Forget the batch."""

    def flush(self) -> None:
        """Nothing to hand over."""

    def close(self) -> None:
        """Nothing to release."""

    def health(self) -> Health:
        return Health(ok=True)


def file_sink(argument: str) -> FileSink:
    if not argument:
        raise bad_argument("file", "file:PATH", "the path is missing")
    return FileSink(argument)


def stdout_sink(argument: str) -> StdoutSink:
    if argument:
        raise bad_argument("stdout", "stdout:", "takes no argument")
    return StdoutSink()


def null_sink(argument: str) -> NullSink:
    if argument:
        raise bad_argument("null", "null:", "takes no argument")
    return NullSink()
