"""What somebody else's code said, made fit to be kept and shown: bounded, and without control characters."""

from __future__ import annotations

import re

from byteor.errors import ByteorError

MAX_CHARACTERS = 1000
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """``text`` in one line that no terminal obeys: controls and lone surrogates escaped, the rest cut."""
    kept = text[:MAX_CHARACTERS].encode("utf-8", "backslashreplace").decode()
    kept = _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), kept)
    return kept if len(text) <= MAX_CHARACTERS else f"{kept}… ({len(text):,} characters)"


def in_words(error: BaseException) -> tuple[str, str]:
    """(code, text) of whatever was raised; an exception of no layer of ours is ``E_STAGE_RAISED``."""
    if isinstance(error, ByteorError):
        return error.code, plain(error.message)
    if isinstance(error, MemoryError):
        return "E_STAGE_MEMORY", f"its process has no memory left ({plain(str(error)) or 'MemoryError'})"
    try:
        text = str(error)
    except Exception as second:  # noqa: BLE001  (the user's __str__)
        text = f"(its text cannot be told: {type(second).__name__})"
    name = type(error).__name__
    return "E_STAGE_RAISED", plain(f"{name}: {text}" if text else name)
