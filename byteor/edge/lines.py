"""Sources of a descriptor: a file, a FIFO or standard input, read to its end.

A message is a line without its newline, or what a four-byte length announces (``framing=u32``).
"""

from __future__ import annotations

import os
import select
import stat
import time
from collections import deque
from collections.abc import Sequence
from itertools import islice

from byteor.edge.base import SourceEdge
from byteor.edge.errors import EdgeError, reason
from byteor.edge.framing import LINES, Untrusted, decoder
from byteor.errors import Exit
from byteor.runtime.adapter import Health

CHUNK_BYTES = 1 << 18
LINE_LIMIT_BYTES = 1 << 24  # far over the largest slot (1 MiB): only stops an endless line


class LineSource(SourceEdge):
    """Messages of a descriptor, read without ever blocking longer than asked.

    A last line without a newline is a message too. A message is never cut: one over ``LINE_LIMIT_BYTES``
    goes to the dead letters or raises ``E_OVERSIZE``; whether a shorter one fits its slot is the ring's to
    say. ``checkpoint`` is the offset in bytes behind the last message returned.
    """

    def __init__(self, name: str, framing: str = LINES) -> None:
        super().__init__(name)
        self._framing = framing
        self._fd = -1
        self._poll: select.poll | None = None  # None: a regular file, always ready
        self._decoder = decoder(framing, LINE_LIMIT_BYTES, self._too_long)
        self._extra_bytes = 1 if framing == LINES else 4  # of a message, in the stream
        self._lines: deque[bytes] = deque()
        self._skips: deque[tuple[int, int]] = deque()  # (messages before it, bytes) of what was set aside
        self._ended = False
        self._unterminated = False  # the last line of _lines has no newline of its own
        self._offset = 0
        self._count = 0
        self._deadline_s = 0.0

    def open(self) -> None:
        raise NotImplementedError

    def _attach(self, fd: int) -> None:
        self._fd = fd
        self._poll = None
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            self._poll = select.poll()
            self._poll.register(fd, select.POLLIN)

    def read(self, max_messages: int, timeout_s: float) -> Sequence[bytes] | None:
        """Up to ``max_messages`` messages. Raises ``EdgeError`` ``E_SOURCE_READ`` or ``E_OVERSIZE``."""
        self._deadline_s = time.monotonic() + timeout_s
        while not self._lines and not self._ended and self._ready():
            self._fill()
            if time.monotonic() >= self._deadline_s:
                break
        self._pass_skips()
        if not self._lines:
            return None if self._ended else []
        batch = list(islice(self._lines, max_messages))
        for _ in batch:
            self._lines.popleft()
        self._offset += sum(map(len, batch)) + len(batch) * self._extra_bytes
        if self._unterminated and not self._lines:
            self._offset -= 1
        self._count += len(batch)
        self._pass_skips()
        return batch

    def _pass_skips(self) -> None:
        while self._skips and self._skips[0][0] <= self._count:
            self._offset += self._skips.popleft()[1]

    def _ready(self) -> bool:
        if self._poll is None:
            return True
        left_ms = (self._deadline_s - time.monotonic()) * 1000
        return bool(self._poll.poll(max(0.0, left_ms)))

    def _fill(self) -> None:
        try:
            chunk = os.read(self._fd, CHUNK_BYTES)
        except BlockingIOError:  # another reader of the same terminal or pipe was quicker
            return
        except OSError as error:
            raise EdgeError("E_SOURCE_READ", f"{self.name}: reading failed: {reason(error)}") from error
        if not chunk:
            self._at_end()
            return
        try:
            self._lines.extend(self._decoder.feed(chunk))
        except Untrusted as error:  # its dead letter is written, but where the next message begins is unknown
            self._lines.extend(error.messages)
            self._refuse("the stream holds no u32 framing")
        if self._decoder.too_long and self.dead_letters is None:  # it may have no end
            self._refuse(f"longer than {LINE_LIMIT_BYTES:,} bytes and without an end yet")

    def _at_end(self) -> None:
        self._finish()
        self._ended = True

    def _finish(self) -> None:
        """What is left when nothing follows any more."""
        last = self._decoder.finish()
        if last is not None:
            self._unterminated = True
            self._lines.append(last)
        elif self._decoder.partial:
            self._counted["torn"] += 1
            self.set_aside("E_FRAMING", "the stream ends within this message", b"")

    def _too_long(self, first: bytes, length: int) -> None:
        if not self.set_aside("E_OVERSIZE", f"over {LINE_LIMIT_BYTES:,} bytes", first, length):
            self._refuse(f"has {length:,} bytes")
        before = self._count + len(self._lines) + self._decoder.ended
        self._skips.append((before, length + self._extra_bytes))

    def _refuse(self, why: str) -> None:
        what = "line" if self._framing == LINES else "message"
        raise EdgeError(
            "E_OVERSIZE",
            f"{self.name}: {what} {self._count + len(self._lines) + 1} cannot be taken: {why}",
            hint="is the framing right? A message is one line (or framing=u32) of at most 1 MiB",
        )

    def checkpoint(self) -> object:
        return self._offset

    def close(self) -> None:
        if self._fd > 2:
            os.close(self._fd)
        self._fd = -1

    def health(self) -> Health:
        told = f"{self._count:,} {'lines' if self._framing == LINES else 'messages'}"
        return Health(ok=True, detail=self.told(told + (", at the end" if self._ended else "")))


def open_to_read(path: str) -> int:
    """A descriptor of a file or FIFO. Raises ``E_SOURCE_NOT_FOUND`` or ``E_SOURCE_UNREADABLE``."""
    try:
        # Non-blocking, so that a FIFO that nobody writes to yet does not hold the start up.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise EdgeError(
            "E_SOURCE_NOT_FOUND",
            f"no such file: {path}",
            hint="check the path of --source file:PATH",
            exit=Exit.NOT_FOUND,
        ) from error
    except OSError as error:
        raise _unreadable(path, reason(error)) from error
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        os.close(fd)
        raise _unreadable(path, "it is a folder")
    return fd


def _unreadable(path: str, why: str) -> EdgeError:
    return EdgeError(
        "E_SOURCE_UNREADABLE",
        f"cannot read {path}: {why}",
        hint="name a file that this user may read",
        exit=Exit.UNAVAILABLE,
    )
