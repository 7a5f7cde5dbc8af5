"""Stages that filter what was there already: ``dedupe`` by number, ``dedupe_within`` by time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import msgspec

from byteor.runtime.stages.api import NOT_JSON, Example, Message
from byteor.runtime.stages.context import Context
from byteor.runtime.stages.declare import batch_stage
from byteor.runtime.stages.expression import MISSING, at_path, parse_pointer
from byteor.runtime.stages.parameters import whole

BatchOf = Callable[[Sequence[Message]], Sequence[Message | None]]
DEFAULT_LAST = 65_536
MAX_LAST = 1_000_000


@batch_stage(
    "dedupe",
    writes=False,
    parameters="NAME,LAST",
    required=True,
    example=Example("dedupe:id,1024", ('{"id":1}', '{"id":1}', '{"id":2}'), ('{"id":1}', None, '{"id":2}')),
)
def dedupe(parameters: str) -> BatchOf:
    """Filters JSON whose member NAME has a value that one of the LAST different values had.

    NAME is a member or a JSON pointer (/order/id). A value seen again counts as new for its age. What has no
    such member passes.
    """
    name, _, count = parameters.rpartition(",")
    if not name:
        raise ValueError("NAME and LAST are both needed")
    last = whole(count, "LAST", 1, MAX_LAST)
    key_of = _key_of(name)
    seen: OrderedDict[bytes, None] = OrderedDict()

    def known(message: Message) -> bool:
        value = key_of(message)
        if value is None:
            return False
        if value in seen:
            seen.move_to_end(value)
            return True
        seen[value] = None
        if len(seen) > last:
            seen.popitem(last=False)
        return False

    return lambda messages: [None if known(message) else message for message in messages]


@batch_stage(
    "dedupe_within",
    kind="clocked",
    writes=False,
    parameters="NAME,WINDOW_MS[,LAST]",
    required=True,
    example=Example("dedupe_within:id,5000"),
)
def dedupe_within(parameters: str, context: Context) -> BatchOf:
    """Filters JSON whose member NAME has a value that passed within WINDOW_MS before, by arrival.

    Time counts from the message that passed, so that a value repeated for ever passes once a window. At most
    LAST (65536) values are remembered, the newest; NAME as in dedupe.
    """
    name, *rest = parameters.split(",")
    if not name or not 1 <= len(rest) <= 2:
        raise ValueError("NAME and WINDOW_MS are both needed")
    window_ns = whole(rest[0], "WINDOW_MS", 1, 86_400_000) * 1_000_000
    last = whole(rest[1], "LAST", 1, MAX_LAST) if len(rest) > 1 else DEFAULT_LAST
    key_of = _key_of(name)
    passed: OrderedDict[bytes, int] = OrderedDict()  # value -> arrival of the message that passed, in ns

    def known(message: Message, index: int) -> bool:
        value = key_of(message)
        if value is None:
            return False
        now_ns = context.now_ns(index)
        before_ns = passed.pop(value, None)
        # A clock that was set back must not hold a value back for longer than a window.
        if before_ns is not None and 0 <= now_ns - before_ns < window_ns:
            passed[value] = before_ns
            return True
        passed[value] = now_ns
        if len(passed) > last:
            passed.popitem(last=False)
        return False

    return lambda messages: [None if known(m, index) else m for index, m in enumerate(messages)]


def _key_of(name: str) -> Callable[[Message], bytes | None]:
    """The canonical text of the member's value: equal values are the same however they are written."""
    path = parse_pointer(name) if name.startswith("/") else (name,)
    decode = msgspec.json.Decoder().decode

    def key_of(message: Message) -> bytes | None:
        try:
            value = at_path(decode(message), path)
            return None if value is MISSING else msgspec.json.encode(value, order="sorted")
        except NOT_JSON:
            return None

    return key_of
