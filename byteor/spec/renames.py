"""Renames told apart from remove plus add, and moves: by what a thing is and what it is wired to, not
its name."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

# Fields that hold names of other things: a difference there is wiring.
WIRING = {"depends_on": "stages", "lane": "lanes", "rx": "lanes", "tx": "lanes"}
_ROUNDS = 8

Items = Mapping[str, Mapping[str, Mapping[str, Any]]]
Renames = dict[str, dict[str, str]]


def find_renames(old: Items, new: Items) -> Renames:
    """Section -> old name -> new name, for things that are gone under one name and there under another.

    Two such things are one when their fields agree and the things that they are wired to agree, as far as
    those are known; each round knows the renames of the rounds before. A thing with two likely partners is
    not matched: calling a removal a rename would hide it.
    """
    found: Renames = {section: {} for section in {**old, **new}}
    for _ in range(_ROUNDS):
        before = sum(len(names) for names in found.values())
        known_old, known_new = _known_names(old, new, found)
        for section in old:
            gone = [name for name in old[section] if name not in known_old[section]]
            came = [name for name in new.get(section, {}) if name not in known_new[section]]
            if not gone or not came:
                continue
            left = _by_signature(section, gone, old, known_old)
            right = _by_signature(section, came, new, known_new)
            for signature, names in left.items():
                others = right.get(signature, [])
                if len(names) == len(others) == 1:
                    found[section][names[0]] = others[0]
        if sum(len(names) for names in found.values()) == before:
            break
    return found


# Section -> name -> what to call it on both sides. What is not in there is not known yet.
_Known = dict[str, dict[str, str]]


def _known_names(old: Items, new: Items, found: Renames) -> tuple[_Known, _Known]:
    known_old: _Known = {}
    known_new: _Known = {}
    for section in found:
        both = {name: name for name in old.get(section, {}) if name in new.get(section, {})}
        known_old[section] = both | found[section]
        known_new[section] = both | {name: name for name in found[section].values()}
    return known_old, known_new


def _by_signature(section: str, names: Sequence[str], items: Items, known: _Known) -> dict[Any, list[str]]:
    """``names`` grouped by what they are: fields, and neighbours both ways, an unknown neighbour being
    ``?``."""
    grouped: dict[Any, list[str]] = defaultdict(list)
    users = _users(section, items, known)
    for name in names:
        fields = sorted(items[section][name].items())
        own = tuple((field, _neighbours(value, field, known)) for field, value in fields)
        grouped[(own, tuple(sorted(users.get(name, ()))))].append(name)
    return grouped


def _users(section: str, items: Items, known: _Known) -> dict[str, list[tuple[str, str, str]]]:
    """Who is wired to each thing of ``section``: (its section, the field, its name)."""
    users: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for other, rows in items.items():
        for name, fields in rows.items():
            for field, target in WIRING.items():
                if target == section and field in fields:
                    value = fields[field]
                    for item in value if isinstance(value, tuple) else (value,):
                        users[item].append((other, field, known[other].get(name, "?")))
    return users


def _neighbours(value: Any, field: str, known: _Known) -> Any:
    target = WIRING.get(field)
    if target is None:
        return value
    names = known.get(target, {})
    return tuple(names.get(item, "?") for item in (value if isinstance(value, tuple) else (value,)))


def moved(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """Names whose place among the others changed: those outside a longest increasing run (patience
    sorting)."""
    place = {name: index for index, name in enumerate(old)}
    tails: list[int] = []
    tail_items: list[int] = []
    back: list[int] = []
    positions = [place[name] for name in new]
    for index, position in enumerate(positions):
        at = bisect_left(tails, position)
        back.append(tail_items[at - 1] if at else -1)
        tails[at : at + 1] = [position]
        tail_items[at : at + 1] = [index]
    kept: set[int] = set()
    index = tail_items[-1] if tail_items else -1
    while index >= 0:
        kept.add(index)
        index = back[index]
    return [name for index, name in enumerate(new) if index not in kept]
