"""One text for one value: RFC 8785 JSON, unpadded base64url, RFC 3339 seconds. Other spellings are refused.

Every function raises ``ValueError`` and nothing else; the caller knows which code that is.
"""

from __future__ import annotations

import base64
import binascii
import calendar
import hashlib
import re
import time
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

MAX_TEXT_BYTES = 1 << 20
MAX_SAFE_INTEGER = 2**53 - 1

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def canonical_json(value: Any) -> bytes:
    """RFC 8785 text of ``value``: a struct, or any JSON value."""
    import rfc8785

    try:
        return rfc8785.dumps(msgspec.to_builtins(value))
    except (rfc8785.CanonicalizationError, RecursionError, TypeError) as error:
        raise ValueError(f"no canonical JSON: {error}") from None


def decode_canonical(text: bytes, kind: type[T]) -> T:
    """``text`` as a ``kind`` (a struct that forbids unknown fields), only if it is its RFC 8785 text.

    Writing the value again and comparing also catches a key that stands twice, blanks, escapes and 1.0 for 1.
    """
    value = _decode(text, kind)
    if canonical_json(value) != text:
        raise ValueError("not canonical JSON (RFC 8785)")
    return value


def decode_json(text: bytes, kind: type[T]) -> T:
    """``text`` as a ``kind``, in any layout, but no key twice: two readers may differ on which one counts."""
    value = _decode(text, kind)
    _refuse_repeated_keys(text)
    return value


def _decode(text: bytes, kind: type[T]) -> T:
    if len(text) > MAX_TEXT_BYTES:
        raise ValueError(f"over {MAX_TEXT_BYTES:,} bytes long")
    try:
        return msgspec.json.decode(text, type=kind)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse_repeated_keys(text: bytes) -> None:
    import json

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key stands twice")
        return found

    json.loads(text, object_pairs_hook=once)


def sha256_of(data: bytes) -> str:
    """``sha256:<hex>`` of ``data``."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def digest_of(value: Any) -> str:
    """``sha256:<hex>`` of the RFC 8785 text of ``value``."""
    return sha256_of(canonical_json(value))


def is_digest(text: str) -> bool:
    """Whether ``text`` is ``sha256:`` and 64 lower-case hex digits."""
    return _DIGEST.fullmatch(text) is not None


def is_uuid(text: str) -> bool:
    """Whether ``text`` is a UUID in its lower-case form with hyphens."""
    return _UUID.fullmatch(text) is not None


def encode_base64url(data: bytes) -> str:
    """Unpadded base64url of ``data``."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode_base64url(text: bytes) -> bytes:
    """The bytes of unpadded base64url ``text``, only in its one spelling.

    No padding, no blanks, no stray bits: the standard decoder passes over characters outside the alphabet
    and ignores the last bits, so several texts would mean one token. Only what the encoder writes does.
    """
    try:
        data = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        raise ValueError("not base64url") from None
    if base64.urlsafe_b64encode(data).rstrip(b"=") != text:
        raise ValueError("not canonical base64url")
    return data


def unix_of(text: str) -> int:
    """Seconds since 1970 of RFC 3339 UTC ``text`` with whole seconds and ``Z``."""
    if _TIME.fullmatch(text) is None:
        raise ValueError("not RFC 3339 UTC with seconds and Z")
    parts = (
        int(text[0:4]),
        int(text[5:7]),
        int(text[8:10]),
        int(text[11:13]),
        int(text[14:16]),
        int(text[17:19]),
    )
    seconds = calendar.timegm(parts)
    # timegm takes 31 February and 24:00 without a word; only a moment that writes back the same is one.
    if time_of(seconds) != text:
        raise ValueError("no such moment")
    return seconds


def time_of(unix: int) -> str:
    """``unix`` seconds since 1970 as RFC 3339 UTC with whole seconds and ``Z``. Years 1 to 9999."""
    try:
        moment = time.gmtime(unix)
    except (OverflowError, OSError):
        raise ValueError("no such moment") from None
    if not 1 <= moment.tm_year <= 9999:
        raise ValueError("no such moment")
    year, month, day, hour, minute, second = moment[:6]
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}Z"
