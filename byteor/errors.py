"""The shape of every error and the one table of exit codes. Imports nothing of the project."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """What a process tells its caller. Scripts rely on these numbers."""

    OK = 0
    CHECK_FAILED = 1
    USAGE = 2
    INVALID = 3
    REFUSED = 4
    PENDING = 5
    CONFLICT = 6
    NOT_FOUND = 7
    DIVERGED = 8
    INTEGRITY = 9
    TIMEOUT = 10
    RUNTIME = 11
    UNAVAILABLE = 69
    INTERRUPTED = 130
    TERMINATED = 143


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a document. ``line`` and ``column`` count from 1; absent parts are ``None``."""

    file: str | None = None
    line: int | None = None
    column: int | None = None
    key: str | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        return f"{place} ({self.key})" if self.key and place else place or (self.key or "")


class ByteorError(Exception):
    """An error that an operator is meant to read.

    ``code`` is stable (``E_...``), ``message`` says what is wrong, ``hint`` what to do next, ``where``
    names the place, ``exit`` is the process's exit code. Each layer derives its own class.
    """

    default_exit: ClassVar[Exit] = Exit.RUNTIME

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        where: Where | None = None,
        exit: Exit | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.where = where
        self.exit = self.default_exit if exit is None else exit


_OS_HINTS = {
    errno.EMFILE: "raise the limit of open files: ulimit -n 4096 (a service: LimitNOFILE=)",
    errno.ENOSPC: "make room there; byteor gc removes what ended runs left",
}


def from_os_error(error: OSError) -> ByteorError:
    """What the operating system refused, for an operator."""
    reason = error.strerror or type(error).__name__
    name = error.filename2 or error.filename
    what = f"{name}: {reason}" if name else reason
    hint = _OS_HINTS.get(error.errno or 0, "check that the path exists, is yours, and has space")
    return ByteorError("E_OS", what, hint=hint, exit=Exit.UNAVAILABLE)
