"""The messages that a generator makes: a pure function of seed, size and number."""

from __future__ import annotations

import base64
import random
from functools import lru_cache

DIGITS = 16
STEP = 7919  # prime and no divisor of the text's length: neighbours share no text
_TEXT_BYTES = 1 << 16


@lru_cache(maxsize=4)
def fill_text(seed: int, size: int) -> tuple[bytes, int]:
    """The text behind the number, long enough to be read from any place below the second value."""
    text = base64.b64encode(random.Random(seed).randbytes(max(_TEXT_BYTES, size)))
    return text + text[:size], len(text)


def message(number: int, size: int, text: bytes, period: int) -> bytes:
    """Message ``number``: its number in 16 digits (the last ``size`` when shorter), then text."""
    return messages(number, number + 1, size, text, period)[0]


def messages(first: int, last: int, size: int, text: bytes, period: int) -> list[bytes]:
    """Messages ``first`` to ``last`` - 1."""
    if size <= DIGITS:
        return [(b"%016d" % number)[DIGITS - size :] for number in range(first, last)]
    rest = size - DIGITS
    return [b"%016d" % n + text[(at := n * STEP % period) : at + rest] for n in range(first, last)]
