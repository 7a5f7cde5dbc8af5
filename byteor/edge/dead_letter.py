"""The dead-letter file: messages that no retry can deliver, kept with the reason, one JSON line each.

``{"t_ns", "end", "code", "why", "bytes", "message"}``; a message that is no UTF-8 text stands in
``message_base64`` instead. Of one that was too long to be held, only the first bytes are there and
``"cut": true``. The source ``dead-letter:PATH`` reads the whole messages back.
"""

from __future__ import annotations

import base64
import os
import threading
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from byteor.edge.errors import EdgeError, bad_argument, reason
from byteor.edge.files import FileSource
from byteor.edge.spelling import Spelled
from byteor.errors import Exit

LIMIT_BYTES = 1 << 30


class DeadLetters:
    """Appends to a private file, whole lines only; any thread may put.

    It is bounded: at ``limit_bytes`` it refuses, which ends the run, because nothing may be lost silently.
    """

    def __init__(self, path: str, limit_bytes: int = LIMIT_BYTES) -> None:
        self.path = path
        self.count = 0
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._fd = -1
        self._size = 0

    def open(self) -> None:
        """Raises ``E_DEAD_LETTER`` (69)."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._fd = os.open(self.path, flags, 0o600)
            self._size = os.fstat(self._fd).st_size
        except OSError as error:
            raise EdgeError(
                "E_DEAD_LETTER",
                f"cannot write the dead letters to {self.path}: {reason(error)}",
                hint="name a file that this user may write, in a folder that exists",
                exit=Exit.UNAVAILABLE,
            ) from error

    def put(
        self, end: str, code: str, why: str, message: bytes | memoryview, length: int | None = None
    ) -> None:
        """Keep ``message``. Raises ``E_DEAD_LETTER`` when the file is full or cannot be written."""
        line = _line(end, code, why, bytes(message), len(message) if length is None else length)
        with self._lock:
            if self._size + len(line) > self._limit_bytes:
                raise self._unwritable(f"it has reached its limit of {self._limit_bytes:,} bytes")
            try:
                done = os.write(self._fd, line)
                if done < len(line):  # a full disk: no partial line stays
                    os.ftruncate(self._fd, self._size)
                    raise self._unwritable("the disk is full")
            except OSError as error:
                raise self._unwritable(reason(error)) from error
            self._size += len(line)
            self.count += 1

    def _unwritable(self, why: str) -> EdgeError:
        return EdgeError(
            "E_DEAD_LETTER",
            f"cannot add to the dead letters {self.path}: {why}",
            hint="move the file away or make room, and see in it why messages could not be delivered",
        )

    def close(self) -> None:
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
            self._fd = -1


def _line(end: str, code: str, why: str, message: bytes, length: int) -> bytes:
    letter: dict[str, Any] = {"t_ns": time.time_ns(), "end": end, "code": code, "why": why, "bytes": length}
    if length > len(message):
        letter["cut"] = True
    try:
        letter["message"] = message.decode()
    except UnicodeDecodeError:
        letter["message_base64"] = base64.b64encode(message).decode()
    return msgspec.json.encode(letter) + b"\n"


class _Letter(msgspec.Struct):
    message: str | None = None
    message_base64: str | None = None
    cut: bool = False


_decode = msgspec.json.Decoder(_Letter).decode


def message_of(line: bytes) -> bytes | None:
    """The message that a line of a dead-letter file keeps; ``None`` when only its first bytes are left.

    Raises ``ValueError`` when it is no such line.
    """
    letter = _decode(line)
    if letter.cut:
        return None
    if letter.message is not None:
        return letter.message.encode()
    if letter.message_base64 is not None:
        return base64.b64decode(letter.message_base64, validate=True)
    raise ValueError("neither message nor message_base64")


class DeadLetterSource(FileSource):
    """``dead-letter:PATH``: the messages of a dead-letter file, to give them another chance."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.name = f"dead-letter:{path}"

    def read(self, max_messages: int, timeout_s: float) -> Sequence[bytes] | None:
        """Raises ``E_SOURCE_READ`` at a line that is none of a dead-letter file. Cut ones are counted."""
        lines = super().read(max_messages, timeout_s)
        if not lines:
            return lines
        messages: list[bytes] = []
        for line in lines:
            try:
                message = message_of(line)
            except ValueError as error:
                text = f"{self.name}: a line is no dead letter: {error}"
                raise EdgeError("E_SOURCE_READ", text, hint="is this a dead-letter file?") from error
            if message is None:
                self._counted["cut"] += 1
            else:
                messages.append(message)
        return messages


def dead_letter_source(spelled: Spelled) -> DeadLetterSource:
    if not spelled.argument:
        raise bad_argument(spelled.kind, spelled.usage, "the path is missing")
    return DeadLetterSource(spelled.argument)
