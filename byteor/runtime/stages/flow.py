"""Stages that let only some messages through: ``json_filter``, ``sample``, ``dedupe``."""

from __future__ import annotations

import operator
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from byteor.runtime.stages.api import NOT_JSON, Message
from byteor.runtime.stages.declare import batch_stage
from byteor.runtime.stages.parameters import whole

BatchOf = Callable[[Sequence[Message]], Sequence[Message | None]]

COMPARISON = re.compile(r"(?P<name>[^<>=!]+)(?P<operator><=|>=|!=|=|<|>)(?P<value>.+)")
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@batch_stage("json_filter", writes=False, parameters="NAME OP VALUE", required=True)
def json_filter(parameters: str) -> BatchOf:
    """Lets JSON objects through whose member NAME compares as asked, as in json_filter:outlier=true.

    OP is = != < <= > >=, VALUE a JSON scalar or plain text. Numbers compare with numbers and text with
    text; a missing member, another type and what is no object do not pass.
    """
    match = COMPARISON.fullmatch(parameters)
    if match is None:
        raise ValueError(f"{parameters!r} is no comparison")
    name, compare = match["name"].strip(), OPERATORS[match["operator"]]
    expected = _scalar(match["value"].strip())
    if isinstance(expected, bool | None) and match["operator"] not in ("=", "!="):
        raise ValueError(f"only = and != compare with {match['value'].strip()}")
    family = _family(expected)
    decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

    def passes(message: Message) -> bool:
        try:
            members = decode(message)
        except NOT_JSON:
            return False
        if name not in members:
            return False
        try:
            value = msgspec.json.decode(members[name])
        except NOT_JSON:
            return False
        return _family(value) is family and compare(value, expected)

    return lambda messages: [message if passes(message) else None for message in messages]


def _scalar(text: str) -> object:
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    if isinstance(value, list | dict):
        raise ValueError(f"VALUE must be a scalar, not {text}")
    return value


def _family(value: object) -> object:
    """Values compare within a family only; in Python alone, true would equal 1."""
    return float if type(value) is int else type(value)


@batch_stage("sample", writes=False, parameters="N", required=True)
def sample(parameters: str) -> BatchOf:
    """Lets the first message through and then every N-th."""
    every = whole(parameters, "N", 1, 1 << 40)
    seen = 0

    def pick(messages: Sequence[Message]) -> list[Message | None]:
        nonlocal seen
        first = seen
        seen += len(messages)
        return [
            message if number % every == 0 else None for number, message in enumerate(messages, start=first)
        ]

    return pick


@batch_stage("dedupe", writes=False, parameters="NAME,LAST", required=True)
def dedupe(parameters: str) -> BatchOf:
    """Filters a JSON object whose member NAME has a value that one of the LAST different values had.

    A value seen again counts as new for its age. What has no such member passes.
    """
    name, _, count = parameters.rpartition(",")
    if not name:
        raise ValueError("NAME and LAST are both needed")
    last = whole(count, "LAST", 1, 1_000_000)
    seen: OrderedDict[bytes, None] = OrderedDict()
    decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

    def known(message: Message) -> bool:
        try:
            raw = decode(message).get(name)
            if raw is None:
                return False
            value = msgspec.json.encode(msgspec.json.decode(raw), order="sorted")
        except NOT_JSON:
            return False
        if value in seen:
            seen.move_to_end(value)
            return True
        seen[value] = None
        if len(seen) > last:
            seen.popitem(last=False)
        return False

    return lambda messages: [None if known(message) else message for message in messages]
