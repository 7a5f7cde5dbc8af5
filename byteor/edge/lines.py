"""Sources of lines: a file or standard input. A line is a message; its newline is not part of it."""

from __future__ import annotations

import os
import select
import stat
import time
from collections import deque
from collections.abc import Sequence
from itertools import islice

from byteor.edge.errors import EdgeError, bad_argument, reason
from byteor.errors import Exit
from byteor.runtime.adapter import Health

CHUNK_BYTES = 1 << 18
LINE_LIMIT_BYTES = 1 << 24  # far over the largest slot (1 MiB): only stops an endless line


class LineSource:
    """Lines of a descriptor, read without ever blocking longer than asked.

    A last line without a newline is a message too. A line is never cut: one over
    ``LINE_LIMIT_BYTES`` raises ``E_OVERSIZE``; whether a shorter one fits its slot is the ring's to say.
    ``checkpoint`` is the offset in bytes behind the last message returned.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._fd = -1
        self._poll: select.poll | None = None  # None: a regular file, always ready
        self._lines: deque[bytes] = deque()
        self._partial: list[bytes] = []  # chunks of a line whose newline has not come
        self._partial_bytes = 0
        self._ended = False
        self._unterminated = False  # the last line of _lines has no newline of its own
        self._offset = 0
        self._count = 0

    def open(self) -> None:
        raise NotImplementedError

    def _attach(self, fd: int) -> None:
        self._fd = fd
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            self._poll = select.poll()
            self._poll.register(fd, select.POLLIN)

    def read(self, max_messages: int, timeout_s: float) -> Sequence[bytes] | None:
        """Up to ``max_messages`` lines. Raises ``EdgeError`` ``E_SOURCE_READ`` or ``E_OVERSIZE``."""
        deadline = time.monotonic() + timeout_s
        while not self._lines and not self._ended and self._ready(deadline):
            self._fill()
        if not self._lines:
            return None if self._ended else []
        batch = list(islice(self._lines, max_messages))
        for _ in batch:
            self._lines.popleft()
        self._offset += sum(map(len, batch)) + len(batch)
        if self._unterminated and not self._lines:
            self._offset -= 1
        self._count += len(batch)
        return batch

    def _ready(self, deadline: float) -> bool:
        left_ms = (deadline - time.monotonic()) * 1000
        if self._poll is None:
            return True
        return bool(self._poll.poll(max(0.0, left_ms)))

    def _fill(self) -> None:
        try:
            chunk = os.read(self._fd, CHUNK_BYTES)
        except BlockingIOError:  # another reader of the same terminal or pipe was quicker
            return
        except OSError as error:
            raise EdgeError("E_SOURCE_READ", f"{self.name}: reading failed: {reason(error)}") from error
        if not chunk:
            self._ended = True
            if self._partial:
                self._unterminated = True
                self._lines.append(b"".join(self._partial))
                self._partial.clear()
            return
        head, newline, rest = chunk.partition(b"\n")
        self._partial.append(head)
        self._partial_bytes += len(head)
        if newline:
            *lines, tail = rest.split(b"\n")
            self._lines.append(b"".join(self._partial))
            self._lines.extend(lines)
            self._partial = [tail] if tail else []
            self._partial_bytes = len(tail)
        if self._partial_bytes > LINE_LIMIT_BYTES:
            raise EdgeError(
                "E_OVERSIZE",
                f"{self.name}: line {self._count + len(self._lines) + 1} is longer than "
                f"{LINE_LIMIT_BYTES:,} bytes and has no end yet",
                hint="is this a text file? A message is one line and at most 1 MiB",
            )

    def commit(self, position: object) -> None:
        """Nothing to forget: the file keeps its lines."""

    def checkpoint(self) -> object:
        return self._offset

    def close(self) -> None:
        if self._fd > 2:
            os.close(self._fd)
        self._fd = -1

    def health(self) -> Health:
        return Health(ok=True, detail=f"{self._count:,} lines" + (", at the end" if self._ended else ""))


class FileSource(LineSource):
    """``file:PATH``: the lines of a file (or of a FIFO), from the start to the end."""

    def __init__(self, path: str) -> None:
        super().__init__(f"file:{path}")
        self._path = path

    def open(self) -> None:
        try:
            # Non-blocking, so that a FIFO that nobody writes to yet does not hold the start up.
            fd = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise EdgeError(
                "E_SOURCE_NOT_FOUND",
                f"no such file: {self._path}",
                hint="check the path of --source file:PATH",
                exit=Exit.NOT_FOUND,
            ) from error
        except OSError as error:
            raise self._unreadable(reason(error)) from error
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            os.close(fd)
            raise self._unreadable("it is a folder")
        self._attach(fd)

    def _unreadable(self, why: str) -> EdgeError:
        return EdgeError(
            "E_SOURCE_UNREADABLE",
            f"cannot read {self._path}: {why}",
            hint="name a file that this user may read",
            exit=Exit.UNAVAILABLE,
        )


class StdinSource(LineSource):
    """``stdin:``: the lines of standard input, to its end."""

    def __init__(self) -> None:
        super().__init__("stdin:")

    def open(self) -> None:
        try:
            self._attach(0)
        except OSError as error:
            raise EdgeError(
                "E_SOURCE_UNREADABLE",
                f"standard input is closed: {reason(error)}",
                hint="pipe something in, or name a --source file:PATH",
                exit=Exit.UNAVAILABLE,
            ) from error


def file_source(argument: str) -> FileSource:
    if not argument:
        raise bad_argument("file", "file:PATH", "the path is missing")
    return FileSource(argument)


def stdin_source(argument: str) -> StdinSource:
    if argument:
        raise bad_argument("stdin", "stdin:", "takes no argument")
    return StdinSource()
