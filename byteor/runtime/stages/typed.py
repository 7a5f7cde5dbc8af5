"""Typed stages: JSON is decoded to a msgspec type before the function, and its result encoded after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from byteor.runtime.stages.api import NOT_JSON, Message, bad_input, told

OnInvalid = Literal["fail", "filter"]

_INVALID = object()  # stands for a message that is to be filtered before the function


def typed_message(
    key: str, function: Callable[[Any], object], decode: type, on_invalid: OnInvalid
) -> Callable[[bytes], object]:
    """``function`` of one value as a function of one message."""
    read = _reader(key, decode, on_invalid)
    write = msgspec.json.Encoder().encode

    def run(message: bytes) -> object:
        value = read(message, None)
        return None if value is _INVALID else _written(function(value), write)

    return run


def typed_batch(
    key: str, function: Callable[[list[Any]], Sequence[object]], decode: type, on_invalid: OnInvalid
) -> Callable[[Sequence[Message]], Sequence[object] | None]:
    """``function`` of a list of values as a function of a batch; it never sees what is filtered."""
    read = _reader(key, decode, on_invalid)
    write = msgspec.json.Encoder().encode

    def run(messages: Sequence[Message]) -> Sequence[object] | None:
        values = [read(message, index) for index, message in enumerate(messages)]
        good = [value for value in values if value is not _INVALID]
        results = function(good) if good else []
        if results is None:  # a forgotten return: whoever drives the stage says so
            return None
        if len(results) != len(good):
            raise ValueError(f"a batch of {len(good)} messages gave {len(results)} results")
        each = iter(results)
        return [None if value is _INVALID else _written(next(each), write) for value in values]

    return run


def _reader(key: str, decode: type, on_invalid: OnInvalid) -> Callable[[Message, int | None], object]:
    read: Callable[[Message], object] = msgspec.json.Decoder(decode).decode

    def guarded(message: Message, index: int | None) -> object:
        try:
            return read(message)
        except NOT_JSON as error:
            if on_invalid == "filter":
                return _INVALID
            hint = "filter such messages with on_invalid='filter'"
            raise bad_input(key, f"cannot read {told(message)}: {error}", index, hint) from error

    return guarded


def _written(result: object, write: Callable[[object], bytes]) -> object:
    if result is None:
        return None
    return [write(item) for item in result] if isinstance(result, list) else write(result)
