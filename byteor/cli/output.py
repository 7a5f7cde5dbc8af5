"""What verbs print: one JSON document or text on stdout, everything else on stderr."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from byteor.front import json_text as json_text
from byteor.front import shown_text as shown_text


def emit_json(schema: str, document: Mapping[str, Any]) -> None:
    """Print one document whose first field is ``"schema": "byteor.<schema>/v1"``."""
    _line(msgspec.json.encode({"schema": f"byteor.{schema}/v1", **document}))


def emit_text(text: str) -> None:
    """Print data for a person on stdout."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    sys.stdout.flush()


def emit_would(schema: str, fields: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    """What a dry run tells: the verb's document with ``dry_run`` true, or a sentence."""
    if as_json:
        emit_json(schema, {"dry_run": True, **fields})
    else:
        emit_text(f"would {text}")


def note(text: str) -> None:
    """Tell the person at the terminal something that is not data."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def rfc3339(unix_ns: int) -> str:
    """Nanoseconds since 1970 as RFC 3339 UTC with microseconds and ``Z``."""
    seconds, rest = divmod(unix_ns, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"


def _line(data: bytes) -> None:
    sys.stdout.flush()
    out = getattr(sys.stdout, "buffer", None)
    if out is None:  # a test's or a notebook's text stream
        sys.stdout.write(data.decode() + "\n")
    else:
        out.write(data + b"\n")
    sys.stdout.flush()
