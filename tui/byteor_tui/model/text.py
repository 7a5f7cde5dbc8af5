"""Numbers and foreign text as an operator reads them. Functions of values; every result is one line."""

from __future__ import annotations

import unicodedata
from datetime import datetime

from byteor.errors import from_os_error

_STEPS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def count(value: float) -> str:
    """A count or a rate in at most six characters: ``0``, ``999``, ``12.3k``, ``1.24M``."""
    for index, (size, unit) in enumerate(_STEPS):
        # 999,960 would round to "1000.0k": the step above takes over where rounding reaches it.
        if abs(value) >= size * 0.99995:
            scaled = value / size
            if index == 0 or abs(scaled) >= 9.995:
                return f"{scaled:.1f}{unit}"
            return f"{scaled:.2f}{unit}"
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.1f}"


def milliseconds(ns: int) -> str:
    """Nanoseconds as milliseconds in at most six characters; ``-`` when nothing was measured."""
    if ns <= 0:
        return "-"
    ms = ns / 1e6
    if ms < 0.01:
        return "<0.01"
    if ms < 10:
        return f"{ms:.2f}"
    return f"{ms:.1f}" if ms < 1000 else f"{ms / 1000:.1f}s"


def age(ns: int) -> str:
    """How old something is: ``0.1s``, ``42s``, ``3:10``, ``2h05``, ``3d``."""
    seconds = max(0, ns) / 1e9
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d}"
    if whole < 48 * 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}"
    return f"{whole // 86400}d"


def percent(part: float, whole: float) -> str:
    """``part`` of ``whole`` without decimals; ``-`` of nothing. 100 % is said only when it is full."""
    if whole <= 0:
        return "-"
    share = 100 * part / whole
    return f"{99 if 99 < share < 100 else round(share)} %"


def wall_clock(unix_ns: int) -> str:
    """Local time of day, ``12:03:11``."""
    return f"{datetime.fromtimestamp(unix_ns / 1e9):%H:%M:%S}"


def precise_clock(unix_ns: int) -> str:
    """The same to the millisecond, ``12:03:11.250``."""
    return f"{wall_clock(unix_ns)}.{unix_ns // 1_000_000 % 1000:03d}"


def day_clock(unix_ns: int, now_unix_ns: int) -> str:
    """Local time of day; with its date when that is another day than ``now_unix_ns``."""
    found, now = datetime.fromtimestamp(unix_ns / 1e9), datetime.fromtimestamp(now_unix_ns / 1e9)
    return f"{found:%H:%M:%S}" if found.date() == now.date() else f"{found:%Y-%m-%d %H:%M}"


def short_hash(spec_hash: str) -> str:
    """The seven characters people say aloud."""
    return spec_hash.removeprefix("sha256:")[:7]


def numbered(count: int, noun: str) -> str:
    """``1 hunk``, ``2 hunks``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def clean(text: str) -> str:
    """Foreign text on one line: what could steer a terminal or reorder the line becomes ``?``.

    Stage names and error texts come out of shared memory and may hold anything.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join("?" if unicodedata.category(char) in _STEERING else char for char in text)


def one_line(text: str) -> str:
    """``clean`` of a text of several lines, which a person wrote: breaks and tabs are blanks."""
    return clean(" ".join(text.split()))


_STEERING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def refusal(error: Exception) -> str:
    """What went wrong, without the number that the operating system has for it."""
    return from_os_error(error).message if isinstance(error, OSError) else str(error)
