"""Did you mean: the known word that a mistyped one is closest to."""

from __future__ import annotations

from collections.abc import Collection

_MAX_LENGTH = 80
_MAX_WORDS = 500  # comparing is quadratic in a hostile file; nobody mistypes five hundred names
_MAX_COMPARED = 5_000  # comparisons of two words, each up to 100 us, that one set of words is worth


def nearest(word: str, words: Collection[str]) -> str | None:
    """The one of ``words`` that ``word`` most likely was meant to be, or ``None``."""
    if not word or len(word) > _MAX_LENGTH or len(words) > _MAX_WORDS:
        return None
    import difflib

    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    return close[0] if close else None


def did_you_mean(word: str, words: Collection[str], otherwise: str | None = None) -> str | None:
    """A hint that names the nearest of ``words``, or ``otherwise``."""
    near = nearest(word, words)
    return f"did you mean `{near}`?" if near else otherwise


class Guesses:
    """``did_you_mean`` for many words against the same ``words``: each word is compared once, and after
    5,000 comparisons the answer is ``otherwise``, so that a file of mistakes costs no minutes."""

    def __init__(self, words: Collection[str], otherwise: str) -> None:
        self._words = words
        self._otherwise = otherwise
        self._told: dict[str, str | None] = {}

    def hint(self, word: str) -> str | None:
        if word not in self._told:
            if (len(self._told) + 1) * len(self._words) > max(_MAX_COMPARED, len(self._words)):
                return self._otherwise
            self._told[word] = did_you_mean(word, self._words, self._otherwise)
        return self._told[word]
