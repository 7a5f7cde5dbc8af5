"""The rules of DataGuard: ``FIELD:ACTION,...``, and what each action makes of a value.

drop | replace_with=VALUE | hash | mask=PREFIX:SUFFIX:CHARACTER | truncate=LENGTH
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable

import msgspec

from byteor.runtime.stages.expression import parse_pointer
from byteor.runtime.stages.parameters import split, unquoted
from byteor.runtime.stages.redaction import ANY, Action, Path, Raw

HASH_BYTES = 16  # of the HMAC: enough that no two of a stream's values meet
MAX_LENGTH = 1 << 20

_MASK = re.compile(r"([0-9]{1,7}):([0-9]{1,7}):(.)")
_NULL = b"null"
_ENCODE = msgspec.json.Encoder().encode
_CANONICAL = msgspec.json.Encoder(order="sorted").encode


class FieldRule(msgspec.Struct, frozen=True):
    """``field`` as written; ``path`` is empty when it is a name, which is meant at any depth."""

    field: str
    path: Path
    action: str  # drop, replace_with, hash, mask or truncate
    argument: str

    @property
    def name(self) -> str:
        """The last name that the rule says; empty when its path ends in an element or in any."""
        last = self.path[-1] if self.path else self.field
        return "" if self.path and (last == ANY or last.isdigit()) else last


def parse_rules(text: str) -> list[FieldRule]:
    """Rules in their order. Raises ``ValueError`` with a sentence."""
    rules = [_rule(item) for item in split(text, ",")]
    fields = [rule.field for rule in rules]
    for field in fields:
        if fields.count(field) > 1:
            raise ValueError(f"two rules are about {field!r}")
    return rules


def _rule(text: str) -> FieldRule:
    field, *rest = split(text, ":")
    action, equals, argument = ":".join(rest).partition("=")
    field = field if field.startswith("/") else unquoted(field)
    if not field or not rest:
        raise ValueError(f"{text!r} is no FIELD:ACTION")
    if action not in _ACTIONS:
        raise ValueError(f"{action!r} is none of {', '.join(_ACTIONS)}")
    takes = action in ("replace_with", "mask", "truncate")
    if takes is not bool(equals):
        raise ValueError(f"{action} {'needs a value' if takes else 'takes no value'}: {text!r}")
    rule = FieldRule(field, parse_pointer(field) if field.startswith("/") else (), action, argument)
    action_of(rule, bytes(32))  # the argument's own sentence, now
    return rule


def action_of(rule: FieldRule, key: bytes) -> Action:
    """What ``rule`` makes of a value. ``key`` is of the hash; the rule's argument has been checked."""
    return _ACTIONS[rule.action](rule.argument, key)


def _drop(_: str, __: bytes) -> Action:
    return lambda value: None


def _replace(argument: str, _: bytes) -> Action:
    try:
        value = msgspec.json.decode(argument)
    except msgspec.DecodeError:
        value = argument
    if isinstance(value, dict | list):
        raise ValueError(f"replace_with takes text, a number, true, false or null, not {argument}")
    new = Raw(_ENCODE(value))
    return lambda value: new


def _hash(_: str, key: bytes) -> Action:
    """HMAC-SHA-256 over the value's canonical JSON, so that text and numbers are told apart."""

    def hashed(value: Raw) -> Raw:
        text = _CANONICAL(msgspec.json.decode(value))
        return _text(hmac.new(key, text, hashlib.sha256).digest()[:HASH_BYTES].hex())

    return hashed


def _mask(argument: str, _: bytes) -> Action:
    found = _MASK.fullmatch(argument)
    if found is None:
        raise ValueError(f"mask is PREFIX:SUFFIX:CHARACTER, as in mask=0:4:*, not {argument!r}")
    prefix, suffix, char = int(found[1]), int(found[2]), found[3]

    def masked(text: str) -> str:
        hidden = len(text) - prefix - suffix
        # What is no longer than its ends would pass whole.
        if hidden <= 0:
            return char * len(text)
        return text[:prefix] + char * hidden + text[len(text) - suffix :]

    return _of_text(masked)


def _truncate(argument: str, _: bytes) -> Action:
    if not (argument.isascii() and argument.isdigit() and int(argument) <= MAX_LENGTH):
        raise ValueError(f"truncate takes a number of characters, not {argument!r}")
    length = int(argument)
    return _of_text(lambda text: text[:length])


def _of_text(change: Callable[[str], str]) -> Action:
    """``change`` of text; of a number or a boolean, of its JSON text. An object or array becomes null."""

    def changed(value: Raw) -> Raw:
        text = bytes(value)
        if text == _NULL or text.startswith((b"{", b"[")):
            return Raw(_NULL)
        return _text(change(msgspec.json.decode(text) if text.startswith(b'"') else text.decode()))

    return changed


def _text(text: str) -> Raw:
    return Raw(_ENCODE(text))


_ACTIONS: dict[str, Callable[[str, bytes], Action]] = {
    "drop": _drop,
    "replace_with": _replace,
    "hash": _hash,
    "mask": _mask,
    "truncate": _truncate,
}
