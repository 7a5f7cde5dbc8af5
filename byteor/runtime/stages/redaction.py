"""Change named members of a JSON text wherever they stand, and leave every other value's bytes as they are.

Safe against what hides a member: a name written with escapes is decoded before it is compared, and of a
name that stands twice in one object only the last survives, for whatever may hold a wanted name is written
anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

Raw = msgspec.Raw
Action = Callable[[Raw], Raw | None]  # a value to what stands in its place; None: the member goes
Path = tuple[str, ...]

ANY = "*"  # in a path: every member or element

_MEMBERS = msgspec.json.Decoder(dict[str, Raw]).decode
_ITEMS = msgspec.json.Decoder(list[Raw]).decode
_ENCODE = msgspec.json.Encoder().encode


class Rule(NamedTuple):
    """``name`` at any depth when ``path`` is empty, else the member at ``path`` (with ``ANY``)."""

    name: str
    path: Path
    action: Action


class Redactor:
    """Applies rules to JSON objects; ``hits[i]`` counts the values that rule ``i`` changed.

    The first rule that names a value is the one applied, and nothing inside that value is looked at.
    """

    def __init__(self, rules: list[Rule]) -> None:
        self.hits = [0] * len(rules)
        self._rules = rules
        self._by_name: Mapping[str, int] = {
            rule.name: i for i, rule in reversed(list(enumerate(rules))) if not rule.path
        }
        self._paths = [(rule.path, i) for i, rule in enumerate(rules) if rule.path]
        names = [_ENCODE(name) for name in self._by_name]
        self._may_hold_name = _finder(names)
        self._may_hold_any = _finder(names + [_needle(path) for path, _ in self._paths])

    def apply(self, message: bytes) -> bytes | None:
        """The JSON object ``message`` with the rules applied; None: none of them concerns it.

        Raises one of ``NOT_JSON`` when it is no object.
        """
        members = _MEMBERS(message)
        if self._may_hold_any(message) is None:
            return None
        return _ENCODE(self._object(members, ()))

    def members(self, members: dict[str, Raw]) -> dict[str, Raw]:
        """The rules applied to an object that is decoded already; a member that goes is left out."""
        return self._object(members, ())

    def _value(self, value: Raw, path: Path) -> Raw:
        text = bytes(value)
        if not text.startswith((b"{", b"[")):
            return value
        if self._may_hold_name(text) is None and not self._leads(path):
            return value
        if text.startswith(b"{"):
            return Raw(_ENCODE(self._object(_MEMBERS(text), path)))
        items = []
        for at, item in enumerate(_ITEMS(text)):
            below = (*path, str(at))
            rule = self._at(below)
            # An element that goes leaves a null (None), so that the others keep their places.
            items.append(self._value(item, below) if rule is None else self._changed(rule, item))
        return Raw(_ENCODE(items))

    def _object(self, members: dict[str, Raw], path: Path) -> dict[str, Raw]:
        by_name, places, below = self._by_name, self._paths, path
        found = {}
        for name, value in members.items():
            rule = by_name.get(name)
            if places:
                below = (*path, name)
                at = self._at(below)
                if at is not None and (rule is None or at < rule):
                    rule = at
            changed = self._value(value, below) if rule is None else self._changed(rule, value)
            if changed is not None:
                found[name] = changed
        return found

    def _at(self, path: Path) -> int | None:
        """The rule for exactly this place, if any."""
        for wanted, rule in self._paths:
            if len(wanted) == len(path) and _matches(wanted, path):
                return rule
        return None

    def _leads(self, path: Path) -> bool:
        """Whether a rule's place lies below ``path``."""
        return any(len(wanted) > len(path) and _matches(wanted, path) for wanted, _ in self._paths)

    def _changed(self, rule: int, value: Raw) -> Raw | None:
        self.hits[rule] += 1
        return self._rules[rule].action(value)


def _finder(needles: list[bytes]) -> Callable[[bytes], object]:
    """A search that finds nothing only in a text that can hold none of the names: neither as it is nor
    written with escapes."""
    return re.compile(b"|".join([rb"\\", *map(re.escape, needles)])).search


def _matches(wanted: Path, path: Path) -> bool:
    """Whether ``path``, as far as it goes, is what is ``wanted``."""
    return all(a in (b, ANY) for a, b in zip(wanted, path, strict=False))


def _needle(path: Path) -> bytes:
    """A text that every JSON without escapes has that has something at ``path``."""
    names = [part for part in path if part != ANY and not part.isdigit()]
    return _ENCODE(names[-1]) if names else b""  # elements alone: no name to look for
