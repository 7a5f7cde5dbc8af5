"""Reading the text behind a stage key's first colon. Every function raises ``ValueError`` with a sentence."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import msgspec

_STRING = r'"(?:[^"\\]|\\.)*"'


def whole(text: str, name: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise ValueError(f"{name} must be a whole number from {low:,} to {high:,}, not {text!r}")
    return int(text)


def number(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{name} must be a number, not {text!r}")
    return value


def listed(text: str, what: str) -> tuple[str, ...]:
    """Comma-separated items, none empty, none twice."""
    items = tuple(text.split(","))
    if not all(items):
        raise ValueError(f"a {what} is empty in {text!r}")
    twice = sorted({item for item in items if items.count(item) > 1})
    if twice:
        raise ValueError(f"{what} {twice[0]!r} stands twice")
    return items


def at_most(text: str, count: int) -> list[str]:
    """Comma-separated positional parameters; an empty text has none."""
    parts = text.split(",") if text else []
    if len(parts) > count:
        raise ValueError(f"at most {count} parameters, not {len(parts)}")
    return parts


def options(text: str, known: Mapping[str, bool]) -> dict[str, str]:
    """``NAME=VALUE;...`` in any order. ``known`` names them and says which must be given.

    A value in double quotes is JSON text, and may hold what would end it otherwise.
    """
    found: dict[str, str] = {}
    for item in split(text, ";"):
        name, equals, value = item.partition("=")
        if not equals or not value:
            raise ValueError(f"{item!r} is no NAME=VALUE")
        if name not in known:
            raise ValueError(f"{name!r} is none of {', '.join(known)}")
        if name in found:
            raise ValueError(f"{name!r} stands twice")
        found[name] = unquoted(value)
    missing = [name for name, needed in known.items() if needed and name not in found]
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    return found


def split(text: str, separator: str) -> list[str]:
    """The parts of ``text`` between ``separator`` (one character) outside of double quotes."""
    parts = [""]
    for token in re.findall(f"{_STRING}|.", text, re.DOTALL):
        if token == '"':
            raise ValueError("a double quote is not closed")
        if token == separator:
            parts.append("")
        else:
            parts[-1] += token
    return parts


def unquoted(text: str) -> str:
    """``text``, or what it says when it is JSON text in double quotes."""
    if not text.startswith('"'):
        return text
    try:
        return msgspec.json.decode(text, type=str)
    except msgspec.DecodeError as error:
        raise ValueError(f"{text} is no JSON text") from error


def one_of(text: str, name: str, *choices: str) -> str:
    if text not in choices:
        raise ValueError(f"{name} is {' or '.join(choices)}, not {text!r}")
    return text
