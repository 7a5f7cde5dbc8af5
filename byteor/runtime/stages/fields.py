"""Stages that work on the members of JSON objects: select, drop, rename, redact."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from byteor.runtime.stages.api import NOT_JSON, Example, Message, StageError, bad_input, told
from byteor.runtime.stages.declare import batch_stage
from byteor.runtime.stages.parameters import listed
from byteor.runtime.stages.redaction import Redactor, Rule

Members = dict[str, msgspec.Raw]
BatchOf = Callable[[Sequence[Message]], Sequence[Message | None]]

CLOSING_BRACE = ord("}")
REDACTED = msgspec.Raw(b'"[redacted]"')
_DECODE = msgspec.json.Decoder(Members).decode
_ENCODE = msgspec.json.Encoder().encode


def with_members(message: Message, members: bytes, absent: bool) -> bytes:
    """``message`` (a JSON object with a member or more) with ``members`` set.

    Where they are ``absent`` they are put before the closing brace and every other byte stays.
    """
    if absent:
        if message[-1] != CLOSING_BRACE:
            message = bytes(message).rstrip()
        return b"".join((message[:-1], b",", members, b"}"))
    return _ENCODE({**_DECODE(message), **_DECODE(b"{%b}" % members)})


def each_object(key: str, change: Callable[[Members], Members | None]) -> BatchOf:
    """A batch function that applies ``change`` to every message's members; None: the message stays as it is.

    A message that is no JSON object raises ``StageError`` ``E_STAGE_INPUT``.
    """

    def apply(messages: Sequence[Message]) -> list[Message | None]:
        results: list[Message | None] = []
        for message in messages:
            try:
                members = change(_DECODE(message))
            except NOT_JSON as error:
                raise no_object(key, message, error, len(results)) from error
            results.append(message if members is None else _ENCODE(members))
        return results

    return apply


def no_object(key: str, message: Message, error: Exception, index: int) -> StageError:
    """``E_STAGE_INPUT`` for what is no JSON object."""
    hint = "put json_normalise before this stage: it turns every line into an object"
    return bad_input(key, f"needs a JSON object: {told(message)}: {error}", index, hint)


@batch_stage(
    "json_select",
    parameters="NAME,...",
    required=True,
    example=Example("json_select:id,qty", ('{"id":1,"qty":2,"note":"x"}',), ('{"id":1,"qty":2}',)),
)
def json_select(parameters: str) -> BatchOf:
    """Keeps only the named top-level members of each JSON object, in the object's own order."""
    names = frozenset(listed(parameters, "name"))
    return each_object(
        "json_select", lambda members: {name: value for name, value in members.items() if name in names}
    )


@batch_stage(
    "json_drop",
    parameters="NAME,...",
    required=True,
    example=Example("json_drop:note", ('{"id":1,"note":"x"}',), ('{"id":1}',)),
)
def json_drop(parameters: str) -> BatchOf:
    """Leaves out the named top-level members of each JSON object."""
    names = frozenset(listed(parameters, "name"))

    def drop(members: Members) -> Members | None:
        if names.isdisjoint(members):
            return None
        return {name: value for name, value in members.items() if name not in names}

    return each_object("json_drop", drop)


@batch_stage(
    "json_rename",
    parameters="OLD=NEW,...",
    required=True,
    example=Example("json_rename:id=order_id", ('{"id":1}',), ('{"order_id":1}',)),
)
def json_rename(parameters: str) -> BatchOf:
    """Renames top-level members of each JSON object; a member that has the new name already is replaced."""
    pairs: dict[str, str] = {}
    for item in listed(parameters, "pair"):
        old, equals, new = item.partition("=")
        if not (old and equals and new):
            raise ValueError(f"{item!r} is no OLD=NEW")
        if old in pairs:
            raise ValueError(f"{old!r} is renamed twice")
        pairs[old] = new
    fresh = frozenset(pairs.values())
    if len(fresh) < len(pairs):
        raise ValueError("two members get the same new name")

    def rename(members: Members) -> Members | None:
        taken = pairs.keys() & members.keys()
        if not taken:
            return None
        replaced = {pairs[old] for old in taken}
        return {
            pairs.get(name, name): value
            for name, value in members.items()
            if name in taken or name not in replaced
        }

    return each_object("json_rename", rename)


@batch_stage(
    "redact",
    parameters="NAME,...",
    required=True,
    example=Example(
        "redact:email,token",
        ('{"user":{"email":"a@b.c","id":7}}',),
        ('{"user":{"email":"[redacted]","id":7}}',),
    ),
)
def redact(parameters: str) -> BatchOf:
    """Replaces the values of the named members by "[redacted]", at any depth of each JSON object."""
    apply = Redactor([Rule(name, (), lambda _: REDACTED) for name in listed(parameters, "name")]).apply

    def hide(messages: Sequence[Message]) -> list[Message | None]:
        results: list[Message | None] = []
        for message in messages:
            try:
                changed = apply(bytes(message))
            except NOT_JSON as error:
                raise no_object("redact", message, error, len(results)) from error
            results.append(message if changed is None else changed)
        return results

    return hide
