"""How a source or sink is written: ``kind:argument``, and options behind the last ``?`` as in a URL's query.

``?`` begins options only when ``name=value`` pairs follow it, so a path may hold one. An argument that ends
in such pairs itself (a URL with a query) gets a further ``?`` at its end.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import unquote

from byteor.edge.errors import bad_argument

Value = str | int | float | bool | None
_PAIRS = re.compile(r"(?:[a-z][a-z0-9_]*=[^&]*(?:&[a-z][a-z0-9_]*=[^&]*)*)?", re.DOTALL)


class Option(NamedTuple):
    """One option of a kind: ``read`` makes its value or raises ``ValueError`` with what is wanted."""

    name: str
    read: Callable[[str], Value]
    default: Value
    doc: str


class Spelled(NamedTuple):
    """One source or sink as it was written, read and judged: every option has its value."""

    kind: str
    usage: str
    argument: str
    options: Mapping[str, Value]
    text: str  # kind:argument, without the options

    def string(self, name: str) -> str:
        value = self.options[name]
        assert isinstance(value, str), name
        return value

    def string_or_none(self, name: str) -> str | None:
        value = self.options[name]
        assert value is None or isinstance(value, str), name
        return value

    def whole(self, name: str) -> int:
        value = self.options[name]
        assert isinstance(value, int), name
        return value

    def seconds(self, name: str) -> float:
        value = self.options[name]
        assert isinstance(value, int | float), name
        return float(value)

    def flag(self, name: str) -> bool:
        value = self.options[name]
        assert isinstance(value, bool), name
        return value


def spelled(kind: str, usage: str, options: Sequence[Option], rest: str) -> Spelled:
    """Read what follows ``kind:``. Raises ``EdgeError`` ``E_EDGE_ARGUMENT``."""
    argument, pairs = split(rest)
    known = {option.name: option for option in options}
    values: dict[str, Value] = {option.name: option.default for option in options}
    seen: set[str] = set()
    for name, text in pairs:
        if name not in known:
            raise bad_argument(kind, usage, f"there is no option {name!r}; {_near(name, known)}")
        if name in seen:
            raise bad_argument(kind, usage, f"the option {name} stands twice")
        seen.add(name)
        try:
            values[name] = known[name].read(text)
        except ValueError as error:
            raise bad_argument(kind, usage, f"{name}={text}: {error}") from None
    return Spelled(kind, usage, argument, values, f"{kind}:{argument}")


def split(rest: str) -> tuple[str, list[tuple[str, str]]]:
    """The argument and the ``(name, value)`` pairs behind its last ``?``; values are percent-decoded."""
    argument, mark, query = rest.rpartition("?")
    if not mark or not _PAIRS.fullmatch(query):
        return rest, []
    pairs = [pair.partition("=") for pair in query.split("&")] if query else []
    return argument, [(name, unquote(value, errors="surrogateescape")) for name, _, value in pairs]


def _near(name: str, known: Mapping[str, Option]) -> str:
    if not known:
        return "it takes none"
    near = difflib.get_close_matches(name, known, n=1)
    listed = f"did you mean {near[0]}?" if near else f"one of {', '.join(known)}"
    return f"{listed} (a ? of the argument's own: put another ? at its end)"


# -- how options are read; each raises ValueError with what is wanted


def flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError("0 or 1")
    return text == "1"


def text(value: str) -> str:
    if not value:
        raise ValueError("it is empty")
    return value


def one_of(*words: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return value

    return read


def whole(low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not (value.isascii() and value.isdigit() and len(value) < 20 and low <= int(value) <= high):
            raise ValueError(f"a whole number from {low:,} to {high:,}")
        return int(value)

    return read


def number(low: float, high: float) -> Callable[[str], float]:
    def read(value: str) -> float:
        try:
            found = float(value)
        except ValueError:
            found = math.nan
        if not low <= found <= high:
            raise ValueError(f"a number from {low:,g} to {high:,g}")
        return found

    return read
