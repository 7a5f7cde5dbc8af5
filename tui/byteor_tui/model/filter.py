"""The filter line: which rows stay. A substring; ``~`` letters in order; ``!`` not; ``lag>5k`` on figures."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Figures = Mapping[str, float]
Test = Callable[[str, Figures], bool]

_COMPARE = re.compile(r"([a-z_0-9]+)(<=|>=|<|>|=)([0-9.]+)([kMGT]?)")
_UNITS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


def compile_filter(text: str) -> Test:
    """All words must hold. A word on a figure that a row does not have never holds."""
    tests = [_word(word) for word in text.split()]
    return lambda said, figures: all(test(said, figures) for test in tests)


def _word(word: str) -> Test:
    if word.startswith("!") and len(word) > 1:
        inner = _word(word[1:])
        return lambda said, figures: not inner(said, figures)
    if word.startswith("~"):
        letters = word[1:].lower()
        return lambda said, figures: _in_order(letters, said.lower())
    found = _COMPARE.fullmatch(word)
    if found is not None and found[3].count(".") <= 1 and found[3] != ".":
        name, sign, limit = found[1], found[2], float(found[3]) * _UNITS[found[4]]
        return lambda said, figures: name in figures and _holds(figures[name], sign, limit)
    lowered = word.lower()
    return lambda said, figures: lowered in said.lower()


def _in_order(letters: str, said: str) -> bool:
    rest = iter(said)
    return all(letter in rest for letter in letters)


def _holds(value: float, sign: str, limit: float) -> bool:
    return {
        "<": value < limit,
        "<=": value <= limit,
        ">": value > limit,
        ">=": value >= limit,
        "=": value == limit,
    }[sign]
