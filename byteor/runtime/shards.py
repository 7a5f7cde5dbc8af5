"""Which shard a message belongs to: CRC-32C of its shard key, modulo the number of shards.

The key ``bytes:OFF:LEN`` is that part of the payload, cut where the payload ends. The key ``json:POINTER``
(RFC 6901) is the text of the string there, or the compact JSON of any other value. A message without a key
has the empty key: all such messages share a shard and keep their order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from byteor.indexbus import crc32c

NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def shard_of(shard_key: str, shards: int) -> Callable[[bytes], int]:
    """A function from a payload to its shard, 0 to ``shards`` - 1; the same on every machine."""
    key = key_of(shard_key)
    return lambda payload: crc32c(key(payload)) % shards


def key_of(shard_key: str) -> Callable[[bytes], bytes]:
    """A function from a payload to the bytes of its shard key."""
    kind, _, argument = shard_key.partition(":")
    if kind == "json":
        return _json_key(argument)
    offset, length = (int(part) for part in argument.split(":"))
    return lambda payload: bytes(payload[offset : offset + length])


def place_of(shard_key: str) -> tuple[int, int] | None:
    """Offset and length of a key that is a part of the payload; None for a key that must be looked for."""
    kind, _, argument = shard_key.partition(":")
    if kind != "bytes":
        return None
    offset, length = argument.split(":")
    return int(offset), int(length)


def _json_key(pointer: str) -> Callable[[bytes], bytes]:
    tokens = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    decode: Callable[[bytes], Any] = msgspec.json.Decoder().decode

    def key(payload: bytes) -> bytes:
        try:
            value = decode(payload)
            for token in tokens:
                value = value[int(token)] if isinstance(value, list) else value[token]
        except (*NOT_JSON, KeyError, IndexError, ValueError, TypeError):
            return b""
        return value.encode() if isinstance(value, str) else msgspec.json.encode(value)

    return key
