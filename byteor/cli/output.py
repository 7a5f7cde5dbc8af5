"""What verbs print: one JSON document or text on stdout, everything else on stderr."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from byteor.errors import ByteorError, Where


def emit_json(schema: str, document: Mapping[str, Any]) -> None:
    """Print one document whose first field is ``"schema": "byteor.<schema>/v1"``."""
    _line(msgspec.json.encode({"schema": f"byteor.{schema}/v1", **document}))


def emit_text(text: str) -> None:
    """Print data for a person on stdout."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Tell the person at the terminal something that is not data."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def json_text(text: str) -> str:
    """``text`` as JSON can hold it: bytes of a file name or argument that are no UTF-8 become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def shown_text(text: str) -> str:
    """``text`` as a terminal may see it: what would move its cursor or break the line becomes an escape."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in json_text(text))


def rfc3339(unix_ns: int) -> str:
    """Nanoseconds since 1970 as RFC 3339 UTC with microseconds and ``Z``."""
    seconds, rest = divmod(unix_ns, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"


def report_error(error: ByteorError, *, as_json: bool) -> None:
    """Print an error: a ``byteor.error/v1`` document on stdout, or text on stderr."""
    where = error.where
    if as_json:
        emit_json(
            "error",
            {
                "ok": False,
                "code": error.code,
                "message": json_text(error.message),
                "hint": error.hint and json_text(error.hint),
                "where": None if where is None else _where_fields(where),
            },
        )
        return
    lines = [f"error[{error.code}]: {shown_text(error.message)}"]
    if where is not None and str(where):
        lines.append(f"  at: {shown_text(str(where))}")
    if error.hint:
        lines.append(f"  do: {shown_text(error.hint)}")
    note("\n".join(lines))


def _where_fields(where: Where) -> dict[str, Any]:
    file = None if where.file is None else json_text(where.file)
    return {
        "file": file,
        "line": where.line,
        "column": where.column,
        "key": where.key and json_text(where.key),
    }


def _line(data: bytes) -> None:
    sys.stdout.flush()
    out = getattr(sys.stdout, "buffer", None)
    if out is None:  # a test's or a notebook's text stream
        sys.stdout.write(data.decode() + "\n")
    else:
        out.write(data + b"\n")
    sys.stdout.flush()
