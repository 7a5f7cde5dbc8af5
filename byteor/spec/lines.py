"""KV text to entries: the line rules, one pass, every error with line and column. Knows no key's meaning."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import NamedTuple

from byteor.spec.finding import Findings

MAX_LINE_BYTES = 4096

_SEGMENT = r"(?:[a-z][a-z0-9_]*|0|[1-9][0-9]*)"
_PLAIN = re.compile(r"[a-z][a-z0-9_]*")
_KEY = re.compile(rf"{_SEGMENT}(?:\.{_SEGMENT})*")
_LINE = re.compile(rf"({_KEY.pattern})=([!-~](?:[ -~]*[!-~])?)")
_NOT_TEXT = re.compile(r"[^ -~]")
_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"\xef\xbb\xbf": "UTF-8 with a byte order mark"}


class Entry(NamedTuple):
    """A key with its value as text. ``line`` counts from 1 (``None`` in JSON and TOML); ``native`` is
    the type that the value had: text (KV, where every value is text), str, int, bool, or other; ``bad``
    when it was refused, with a finding, and only its key counts; ``item`` for an object of a list."""

    key: str
    value: str
    line: int | None
    native: str


def is_key(text: str) -> bool:
    return _KEY.fullmatch(text) is not None


def key_segment(name: str) -> str:
    """``name`` where a key is shown: what is no segment of a key as short, printable ASCII."""
    return name if _PLAIN.fullmatch(name) else ascii(name)[1:-1][:80]


def read_lines(data: bytes, findings: Findings) -> Iterator[Entry]:
    """Yield the entries of KV ``data``, reporting what breaks a line rule. Memory does not grow with
    ``data``."""
    for bom, what in _BOMS.items():
        if data.startswith(bom):
            findings.add("E_ENCODING", f"the file is {what}, not ASCII", line=1, column=1)
            if what == "UTF-16":
                return
            data = data[len(bom) :]
    full = _LINE.fullmatch
    for number, raw in enumerate(io.BytesIO(data), 1):
        if len(raw) > MAX_LINE_BYTES and len(raw.rstrip(b"\r\n")) > MAX_LINE_BYTES:
            findings.add(
                "E_LINE_LENGTH",
                f"the line is {len(raw):,} bytes long",
                line=number,
                column=MAX_LINE_BYTES + 1,
            )
            yield from _stand_in(raw[:MAX_LINE_BYTES].decode("latin-1"), number)
            continue
        text = raw.decode("latin-1")
        if text.endswith("\n"):
            text = text[:-2] if text.endswith("\r\n") else text[:-1]
        match = full(text)
        if match is not None:
            yield Entry(match[1], match[2], number, "text")
        else:
            _explain_line(text, number, findings)
            yield from _stand_in(text, number)


def _stand_in(text: str, number: int) -> Iterator[Entry]:
    """The key that a refused line was to set, so that it is not told as missing too."""
    name, equals, _ = text.partition("=")
    key = name.strip(" ").lower()
    if equals and is_key(key):
        yield Entry(key, "", number, "bad")


def _explain_line(text: str, number: int, findings: Findings) -> None:
    """Say why ``text`` is no key=value line; blank lines and comments are fine if they are ASCII."""
    bad = _NOT_TEXT.search(text)
    if bad is not None:
        message = f"byte 0x{ord(bad[0]):02x} is not printable ASCII"
        findings.add("E_ENCODING", message, line=number, column=bad.start() + 1)
        return
    if text.startswith("#") or not text.strip(" "):
        return
    key, equals, value = text.partition("=")
    if not equals:
        findings.add("E_LINE", "the line has no `=`", line=number, column=1, value=text)
    elif key != key.strip(" "):
        column = 1 if key.startswith(" ") else len(key.rstrip(" ")) + 1
        hint = f"write `{key.strip()}={value.strip()}`"
        findings.add(
            "E_LINE", "a blank stands around the key", line=number, column=column, value=text, hint=hint
        )
    elif not is_key(key):
        findings.add(
            "E_KEY", f"`{key[:80]}` is not a key", line=number, column=1, value=key, hint=_key_hint(key)
        )
    elif not value:
        hint = "leave the line out, or give a value"
        findings.add("E_LINE", "the value is empty", key=key, line=number, column=len(key) + 2, hint=hint)
    else:
        column = len(key) + 2 if value.startswith(" ") else len(text.rstrip(" ")) + 1
        hint = f"write `{key}={value.strip()}`"
        message = "a blank stands at the edge of the value"
        findings.add("E_LINE", message, key=key, line=number, column=column, value=value, hint=hint)


def _key_hint(key: str) -> str | None:
    if key.lower() != key and is_key(key.lower()):
        return f"keys are lower case: `{key.lower()}`"
    return None
