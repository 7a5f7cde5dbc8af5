"""Did you mean: the known word that a mistyped one is closest to."""

from __future__ import annotations

from collections.abc import Collection

_MAX_LENGTH = 80
_MAX_WORDS = 500  # comparing is quadratic in a hostile file; nobody mistypes five hundred names


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
