"""Reading the text behind a stage key's first colon. Every function raises ``ValueError`` with a sentence."""

from __future__ import annotations

import math


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
