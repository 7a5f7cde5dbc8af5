"""What both command lines, ``byteor`` and ``byteor-console``, do around their work.

Streams may be closed or full, a reader may go away, code of ours may be wrong: every failure is a code, a
sentence and an exit code, as text on stderr or as a ``byteor.error/v1`` document on stdout.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any

from byteor.errors import ByteorError, Exit, Where, from_os_error


def guarded(args: list[str], run: Callable[[list[str]], int]) -> int:
    """``run(args)`` and its exit code; what it raises is told, never shown as a traceback."""
    _own_standard_streams()
    try:
        code = run(args)
        sys.stdout.flush()
        return code
    except BaseException as error:  # an operator never sees a traceback
        if _unread(error):
            _give_up_stdout()
            return Exit.OK
        if isinstance(error, SystemExit) and isinstance(error.code, int):  # completion ends like this
            return error.code
        if os.environ.get("BYTEOR_DEBUG") == "1":
            raise
        told = _told(error)
        try:
            report_error(told, as_json="--json" in args)
        except OSError:
            _give_up_stdout()
            with contextlib.suppress(OSError):
                report_error(told, as_json=False)
        try:
            sys.stdout.flush()
        except OSError:  # what it still holds cannot go anywhere
            _give_up_stdout()
        return told.exit


def _unread(error: BaseException) -> bool:
    """Whoever read our output has had enough; the command line's library makes a SystemExit of that."""
    return isinstance(error.__context__ if isinstance(error, SystemExit) else error, BrokenPipeError)


def report_error(error: ByteorError, *, as_json: bool) -> None:
    """Print an error: a ``byteor.error/v1`` document on stdout, or text on stderr."""
    if as_json:
        import msgspec

        document = {"schema": "byteor.error/v1", **_fields(error)}
        sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
        sys.stdout.flush()
        return
    where = error.where
    lines = [f"error[{error.code}]: {shown_text(error.message)}"]
    if where is not None and str(where):
        lines.append(f"  at: {shown_text(str(where))}")
    if error.hint:
        lines.append(f"  do: {shown_text(error.hint)}")
    sys.stderr.write("\n".join(lines) + "\n")
    sys.stderr.flush()


def json_text(text: str) -> str:
    """``text`` as JSON can hold it: bytes of a file name or argument that are no UTF-8 become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def shown_text(text: str) -> str:
    """``text`` as a terminal may see it: what would move its cursor or break the line becomes an escape."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in json_text(text))


def _fields(error: ByteorError) -> dict[str, Any]:
    return {
        "ok": False,
        "code": error.code,
        "message": json_text(error.message),
        "hint": error.hint and json_text(error.hint),
        "where": error.where and _place(error.where),
    }


def _place(where: Where) -> dict[str, Any]:
    return {
        "file": where.file and json_text(where.file),
        "line": where.line,
        "column": where.column,
        "key": where.key and json_text(where.key),
    }


def _told(error: BaseException) -> ByteorError:
    """Any exception as an error with a code, for an operator."""
    if isinstance(error, ByteorError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return ByteorError("E_INTERRUPTED", "interrupted", exit=Exit.INTERRUPTED)
    if isinstance(error, OSError):
        return from_os_error(error)
    hint = "this is a defect; run again with BYTEOR_DEBUG=1 and report what it prints"
    return ByteorError("E_INTERNAL", f"{type(error).__name__}: {error}", hint=hint)


def _own_standard_streams() -> None:
    """A closed descriptor 0, 1 or 2 would be taken by the next file that we open, a region perhaps."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115  (for as long as we live)


def _give_up_stdout() -> None:
    """Nothing more can be written there; the interpreter's flush at exit must not say so either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
