"""How deep a JSON text nests, without parsing it."""

from __future__ import annotations

import re
from itertools import accumulate

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\Z)', re.DOTALL)
_OTHERS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_STEPS = bytes.maketrans(b"[]{}", b"\x01\x00\x01\x00")
CHUNK = 1 << 16


def deeper_than(text: bytes, limit: int) -> bool:
    """Whether arrays and objects nest deeper than ``limit`` anywhere in ``text``; it need not be valid."""
    steps = _STRING.sub(b"", text).translate(_STEPS, _OTHERS)
    depth = 0
    for start in range(0, len(steps), CHUNK):
        piece = steps[start : start + CHUNK]
        opened = piece.count(1)
        if depth + opened > limit:
            depths = list(accumulate((1 if step else -1 for step in piece), initial=depth))
            if max(depths) > limit:
                return True
        depth += 2 * opened - len(piece)
    return False
