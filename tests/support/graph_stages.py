"""Stages for random graphs: each leaves its name in the message, some filter, fan out or take their time."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence

from byteor.runtime.stages import Context, batch_stage, stage


def _name(context: Context) -> bytes:
    return b"," + context.parameters.encode()


@stage(parameters="NAME", required=True)
def tag(context: Context) -> Callable[[bytes], bytes]:
    name = _name(context)
    return lambda message: message + name


@batch_stage(parameters="NAME", required=True)
def tag_batch(context: Context) -> Callable[[Sequence[bytes]], list[bytes]]:
    name = _name(context)
    return lambda messages: [bytes(message) + name for message in messages]


@stage(parameters="NAME", required=True)
def thirds(context: Context) -> Callable[[bytes], bytes | None]:
    """Filters about every third message, by its content."""
    name = _name(context)
    return lambda message: None if zlib.crc32(message) % 3 == 0 else message + name


@stage(parameters="NAME", required=True)
def doubles(context: Context) -> Callable[[bytes], list[bytes]]:
    name = _name(context)
    return lambda message: [message + name + b"1", message + name + b"2"]


@stage(parameters="NAME", required=True)
def slow(context: Context) -> Callable[[bytes], bytes]:
    name = _name(context)

    def dawdle(message: bytes) -> bytes:
        if zlib.crc32(message) % 7 == 0:
            time.sleep(0.0005)
        return message + name

    return dawdle


def apply(key: str, message: bytes) -> list[bytes]:
    """What the stage ``key`` makes of ``message``."""
    kind, _, name = key.partition(":")
    tagged = message + b"," + name.encode()
    if kind == "thirds":
        return [] if zlib.crc32(message) % 3 == 0 else [tagged]
    if kind == "doubles":
        return [tagged + b"1", tagged + b"2"]
    return [message] if kind == "identity" else [tagged]
