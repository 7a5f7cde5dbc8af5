"""Bytes of a file that somebody named: regular, bounded, and not torn by a writer."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from byteor.errors import Exit
from byteor.spec.errors import SpecError
from byteor.spec.finding import Findings

MAX_FILE_BYTES = 16 << 20
_ATTEMPTS = 3


def read_bounded(path: str | os.PathLike[str]) -> bytes:
    """The content of ``path``, at most 16 MiB.

    Never blocks on a FIFO, never reads a device. Raises ``SpecError`` with ``E_NOT_FOUND`` (exit 7),
    ``E_FILE``, ``E_FILE_SIZE``, or ``E_CHANGED`` when a writer is at work for as long as we try.
    """
    name = os.fspath(path)
    for _ in range(_ATTEMPTS):
        data = _read_once(name)
        if data is not None:
            return data
    raise _refusal(name, "E_CHANGED", "the file changes while it is read")


def _read_once(name: str) -> bytes | None:
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except FileNotFoundError:
        raise _refusal(name, "E_NOT_FOUND", f"there is no file {name}", exit=Exit.NOT_FOUND) from None
    except PermissionError as error:
        hint = "make it readable to you, or leave it out"
        raise _refusal(name, "E_FILE", f"{name} cannot be read: {error.strerror}", hint=hint) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _refusal(name, "E_FILE", f"the file cannot be read: {reason}") from None
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise _refusal(name, "E_FILE", f"{name} is {_what(before.st_mode)}, not a regular file")
        if before.st_size > MAX_FILE_BYTES:
            raise _refusal(name, "E_FILE_SIZE", f"the file is {before.st_size:,} bytes long")
        chunks, total = [], 0
        while chunk := os.read(descriptor, min(1 << 20, MAX_FILE_BYTES + 1 - total)):
            chunks.append(chunk)
            total += len(chunk)
            if total > MAX_FILE_BYTES:
                raise _refusal(name, "E_FILE_SIZE", "the file is over 16 MiB long")
        after = os.fstat(descriptor)
    except OSError as error:
        raise _refusal(name, "E_FILE", f"the file cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)
    same = (before.st_size, before.st_mtime_ns) == (
        after.st_size,
        after.st_mtime_ns,
    ) and total == after.st_size
    return b"".join(chunks) if same else None


def _what(mode: int) -> str:
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"))
    return next((word for test, word in kinds if test(mode)), "a device")


def _refusal(
    name: str, code: str, message: str, exit: Exit | None = None, hint: str | None = None
) -> SpecError:
    findings = Findings(str(Path(name)))
    findings.add(code, message, hint=hint)
    return SpecError(list(findings), exit=exit)
