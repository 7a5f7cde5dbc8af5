"""What differs between two specs, by structure: added, removed, changed, renamed, rewired; not line by
line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from byteor.spec.encode import document_kind
from byteor.spec.model import LaneGraph, SingleRing
from byteor.spec.renames import WIRING, find_renames, moved
from byteor.spec.validated import ValidatedSpec


class Change(msgspec.Struct, frozen=True):
    """``op`` is added, removed, changed, renamed or rewired; ``path`` names the thing by its (new) name;
    ``a`` and ``b`` are the old and the new value where there is one."""

    op: str
    path: str
    a: Any = None
    b: Any = None


class SpecDiff(msgspec.Struct, frozen=True):
    """``same`` is by hash. ``gained`` and ``lost`` are capabilities."""

    a: ValidatedSpec
    b: ValidatedSpec
    changes: tuple[Change, ...]
    gained: tuple[str, ...]
    lost: tuple[str, ...]

    @property
    def same(self) -> bool:
        return self.a.spec_hash == self.b.spec_hash


def diff(a: ValidatedSpec, b: ValidatedSpec) -> SpecDiff:
    """Compare ``a`` (old) with ``b`` (new)."""
    gained = tuple(sorted(set(b.capabilities) - set(a.capabilities)))
    lost = tuple(sorted(set(a.capabilities) - set(b.capabilities)))
    return SpecDiff(a, b, tuple(_changes(a.spec, b.spec)), gained, lost)


def _changes(a: SingleRing | LaneGraph, b: SingleRing | LaneGraph) -> list[Change]:
    changes: list[Change] = []
    old, new = _items(a), _items(b)
    model_a, model_b = document_kind(a), document_kind(b)
    if model_a != model_b:
        changes.append(Change("changed", "model", model_a, model_b))
    changes += _fields("", {**_scalars(a)}, {**_scalars(b)}, frozenset())
    renames = find_renames(old, new)
    for section in dict.fromkeys([*old, *new]):
        changes += _section(section, old.get(section, {}), new.get(section, {}), renames)
    return changes


def _scalars(spec: SingleRing | LaneGraph) -> dict[str, Any]:
    return {
        name: value
        for name, value in msgspec.structs.asdict(spec).items()
        if not isinstance(value, tuple) and value is not None
    }


Items = dict[str, dict[str, dict[str, Any]]]


def _items(spec: SingleRing | LaneGraph) -> Items:
    """Section -> name -> fields. Stages of both models stand under ``stages``, so that models can be
    compared."""
    if isinstance(spec, SingleRing):
        names = [stage.name for stage in spec.stages]
        return {
            "stages": {
                stage.name: {"key": stage.key, "depends_on": tuple(names[need] for need in stage.depends_on)}
                for stage in spec.stages
            }
        }
    items: Items = {"stages": {}, "endpoints": {}, "lanes": {}, "roles": {}}
    for role in spec.roles:
        fields = msgspec.structs.asdict(role)
        section = "stages" if fields["kind"] == "stage" else "roles"
        items[section][role.name] = _present(fields, "name", *(("kind",) if section == "stages" else ()))
    for endpoint in spec.endpoints:
        items["endpoints"][endpoint.name] = _present(msgspec.structs.asdict(endpoint), "name")
    for lane in spec.lanes:
        items["lanes"][lane.name] = _present(msgspec.structs.asdict(lane), "name")
    return items


def _present(fields: Mapping[str, Any], *without: str) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None and name not in without}


def _section(
    section: str,
    old: dict[str, dict[str, Any]],
    new: dict[str, dict[str, Any]],
    renames: Mapping[str, Mapping[str, str]],
) -> list[Change]:
    renamed = renames.get(section, {})
    back = {after: before for before, after in renamed.items()}
    changes = [
        Change("removed", f"{section}.{name}", _plain(fields))
        for name, fields in old.items()
        if name not in new and name not in renamed
    ]
    for name, fields in new.items():
        before = back.get(name, name)
        if before not in old or (name not in back and name in renamed):
            changes.append(Change("added", f"{section}.{name}", None, _plain(fields)))
            continue
        if name in back:
            changes.append(Change("renamed", f"{section}.{name}", before, name))
        translated = {
            field: _translate(value, renames.get(WIRING.get(field, ""), {}))
            for field, value in old[before].items()
        }
        changes += _fields(f"{section}.{name}.", translated, fields, frozenset(WIRING))
    order_old = [renamed.get(name, name) for name in old if renamed.get(name, name) in new]
    order_new = [name for name in new if back.get(name, name) in old]
    if section != "endpoints" and sorted(order_old) == sorted(order_new):
        for name in moved(order_old, order_new):
            place = f"{section}.{name}.position"
            changes.append(Change("changed", place, order_old.index(name), order_new.index(name)))
    return changes


def _translate(value: Any, renamed: Mapping[str, str]) -> Any:
    if isinstance(value, tuple):
        return tuple(renamed.get(item, item) for item in value)
    return renamed.get(value, value) if isinstance(value, str) else value


def _fields(
    prefix: str, old: Mapping[str, Any], new: Mapping[str, Any], wiring: frozenset[str]
) -> list[Change]:
    changes = []
    for name in dict.fromkeys([*old, *new]):
        a, b = old.get(name), new.get(name)
        if a != b:
            op = (
                "rewired"
                if name in wiring
                else "added"
                if a is None
                else "removed"
                if b is None
                else "changed"
            )
            changes.append(Change(op, prefix + name, _plain(a), _plain(b)))
    return changes


def _plain(value: Any) -> Any:
    """``value`` as JSON has it: tuples become lists."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
