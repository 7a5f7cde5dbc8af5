"""Entries to model values: which document it is, types, required keys, index runs. Judges no rule of the
models."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import msgspec

from byteor.spec import model
from byteor.spec.encode import attribute
from byteor.spec.fields import (
    DOCUMENTS,
    GRAPH_ON_FULL,
    KEYS,
    RING_DEFAULTS,
    Field,
    Section,
)
from byteor.spec.finding import MAX_FINDINGS, Findings
from byteor.spec.lines import Entry
from byteor.spec.nearest import nearest
from byteor.spec.values import at, convert

Model = model.SingleRing | model.LaneGraph | model.PipelinePlanV2

_INDEX = re.compile(r"\.([0-9]+)")
_MAX_INDEX_DIGITS = 5  # 100,000 items of a list, ten times what anybody runs
_ITEMS = {
    "single_ring.stages": model.RingStage,
    "lane_graph.endpoints": model.Endpoint,
    "lane_graph.lanes": model.Lane,
    "lane_graph.roles": model.Role,
    "pipeline.boundaries": model.PlanBoundary,
    "pipeline.stages": model.PlanStage,
    "pipeline.connections": model.PlanConnection,
    "pipeline.boundary_policy": model.PlanPolicy,
}
_VALUES = {"single_ring": model.SingleRing, "lane_graph": model.LaneGraph, "plan": model.PipelinePlanV2}
_CHILDREN: dict[str, list[str]] = {}  # beginning of a key -> the segments that may follow
for _key in KEYS:
    _parts = _key.split(".")
    for _depth, _part in enumerate(_parts):
        _followers = _CHILDREN.setdefault(".".join(_parts[:_depth]), [])
        if _part not in _followers:
            _followers.append(_part)
_NEUTRAL: dict[str, Any] = {"int": 0, "name": "", "id": "", "stage_key": "identity", "enum": "", "text": ""}

# A cell of a row: one entry, or for a list field its entries by index.
Row = dict[str, Any]


class Draft(msgspec.Struct):
    """What was read: ``kind`` single_ring, lane_graph or plan; ``value`` with neutral stand-ins where a
    key was wrong; ``incomplete`` names the lists with such a stand-in for a name, a kind or a reference,
    or with a hole (then the list is empty): what refers to them cannot be told; ``lines`` maps keys to
    lines."""

    kind: str
    value: Model
    incomplete: frozenset[str]
    lines: dict[str, int]


class _Table:
    """The entries sorted into scalars and rows, by the prefixes of ``fields.KEYS``."""

    def __init__(self) -> None:
        self.scalars: dict[str, Entry] = {}
        self.rows: dict[str, dict[int, Row]] = defaultdict(lambda: defaultdict(dict))
        self.lines: dict[str, int] = {}
        self.bad_lists: set[str] = set()
        self.shapeless: set[str] = set()  # what should hold keys, but is another thing


def decode(entries: Iterable[Entry], findings: Findings, *, strict: bool = False) -> Draft | None:
    """Read ``entries``; ``None`` when it cannot be told which document they are. Reports to ``findings``."""
    table = _sort(entries, findings, strict)
    if findings.errors and not (table.scalars or table.rows):
        return None  # nothing could be read: what is missing is no news
    kind = _kind(table, findings)
    if kind is None:
        return None
    _report_foreign(table, kind, findings)
    scalars: Row = {}
    constraints: Row = {}
    lists: dict[str, tuple[Any, ...]] = {}
    for section in DOCUMENTS[kind]:
        if section.many:
            lists[section.attribute] = _rows(section, table, findings)
        elif section.attribute:
            constraints.update(_scalars(section, table, findings))
        else:
            scalars.update(_scalars(section, table, findings))
    for name in ("v", "model"):
        scalars.pop(name, None)
    if kind == "plan":
        if scalars["target"] == "SingleRing":
            for name, default in RING_DEFAULTS.items():
                if f"pipeline.constraints.{name}" not in table.scalars:
                    constraints[name] = default
        elif scalars["on_full"] is None and "pipeline.on_full" not in table.scalars:
            scalars["on_full"] = GRAPH_ON_FULL
        scalars["constraints"] = model.PlanConstraints(**constraints)
    value = _VALUES[kind](**scalars, **lists)
    return Draft(kind, value, frozenset(table.bad_lists), table.lines)


def _sort(entries: Iterable[Entry], findings: Findings, strict: bool) -> _Table:
    table = _Table()
    unknown: set[str] = set()
    cells: dict[Any, Any]
    cell: Any
    for entry in entries:
        key = entry.key
        pattern = _INDEX.sub(".N", key)
        known = KEYS.get(pattern)
        if known is None:
            if _place_container(entry, pattern, table):
                continue
            if len(unknown) <= MAX_FINDINGS:
                _unknown(entry, pattern, unknown, findings, strict)
            continue
        section, field = known
        if pattern == key:
            cells, cell = table.scalars, key
        else:
            indexes = _INDEX.findall(key)
            if max(map(len, indexes)) > _MAX_INDEX_DIGITS:
                findings.add("E_INDEX", "the index is too large", key=key, line=entry.line, column=1)
                table.bad_lists.add(section.prefix)
                continue
            row = table.rows[section.prefix][int(indexes[0])]
            if field.many:
                cells, cell = row.setdefault(field.name, {}), int(indexes[1])
            else:
                cells, cell = row, field.name
        if cell in cells and "bad" in (entry.native, cells[cell].native):  # told already: the other counts
            if entry.native == "bad":
                continue
        elif cell in cells:
            message = f"`{key}` stands twice" + (f", first in line {cells[cell].line}" if entry.line else "")
            findings.add("E_DUP_KEY", message, key=key, line=entry.line, column=1, value=entry.value)
            continue
        cells[cell] = entry
        if entry.line is not None:
            table.lines[key] = entry.line
    return table


def _place_container(entry: Entry, pattern: str, table: _Table) -> bool:
    """Take down an item of a list, or what stands where an item, a list or a section should (in JSON and
    TOML, which have them); whether the entry is about one."""
    if entry.native not in ("bad", "item") or entry.line is not None:
        return False
    if entry.native == "bad":
        table.shapeless.add(entry.key)
    prefix = pattern.removesuffix(".N")
    if prefix in _ITEMS:
        if pattern != prefix:
            table.rows[prefix][int(entry.key.rpartition(".")[2])] |= {}
        if entry.native == "bad":
            table.bad_lists.add(prefix)
        return True
    listed = KEYS.get(pattern + ".N")
    if listed is not None:
        table.bad_lists.add(listed[0].prefix)
    return listed is not None or pattern in _CHILDREN


def _unknown(entry: Entry, pattern: str, seen: set[str], findings: Findings, strict: bool) -> None:
    if entry.key in seen:
        findings.add("E_DUP_KEY", f"`{entry.key}` stands twice", key=entry.key, line=entry.line, column=1)
        return
    seen.add(entry.key)
    code = "E_UNKNOWN_KEY" if strict else "W_UNKNOWN_KEY"
    near = _meant(pattern)
    indexes = iter(_INDEX.findall(entry.key))
    hint = f"did you mean `{re.sub(r'[.]N', lambda _: '.' + next(indexes, 'N'), near)}`?" if near else None
    message = f"`{entry.key[:80]}` is not a key of any document"
    findings.add(code, message, key=entry.key, line=entry.line, column=1, value=entry.value, hint=hint)


def _meant(pattern: str) -> str | None:
    """The key that ``pattern`` was meant to be, segment by segment."""
    meant = ""
    for segment in pattern.split("."):
        likely = _CHILDREN.get(meant, [])
        near = segment if segment in likely else nearest(segment, likely)
        if near is None:
            return None
        meant = f"{meant}.{near}" if meant else near
    return meant if meant in KEYS or meant in _CHILDREN else None


def _kind(table: _Table, findings: Findings) -> str | None:
    """Which document it is: by ``v`` and ``model``, else by the keys that it uses, so that more can be
    said."""
    version, named = table.scalars.get("v"), table.scalars.get("model")
    used = {key.partition(".")[0] for key in (*table.scalars, *table.rows)}
    guesses = [
        k for k, root in (("plan", "pipeline"), ("single_ring",) * 2, ("lane_graph",) * 2) if root in used
    ]
    text = version.value if version is not None else None
    told = version is not None and version.native == "bad"
    if text == "2":
        return "plan"
    if text not in ("1", None) and version is not None and not told:
        findings.add("E_VERSION", f"version {text} is not known", value=text, **at(version))
    elif version is None:
        findings.add("E_MISSING", "`v` is missing", key="v", hint="begin with v=1 (spec) or v=2 (plan)")
        if "pipeline" in used:
            return "plan"
    if named is not None and named.value in ("single_ring", "lane_graph"):
        return named.value
    if named is not None and named.native != "bad":
        near = nearest(named.value, ("single_ring", "lane_graph"))
        hint = f"did you mean `{near}`?" if near else "write model=single_ring or model=lane_graph"
        message = f"`{named.value}` is not a model"
        findings.add("E_MODEL", message, value=named.value, hint=hint, **at(named))
    elif text == "1" and named is None:
        hint = "write model=single_ring or model=lane_graph"
        findings.add("E_MISSING", "`model` is missing", key="model", hint=hint)
    return guesses[0] if guesses else None


def _report_foreign(table: _Table, kind: str, findings: Findings) -> None:
    """Keys that are known, but of another document."""
    own = {section.prefix for section in DOCUMENTS[kind]}
    what = "a plan" if kind == "plan" else f"a {kind} spec"
    for key, entry in table.scalars.items():
        prefix = key.rpartition(".")[0]
        if prefix not in own or (kind == "plan" and key in ("model", "name")):
            findings.add("E_FIELD", f"`{key}` does not belong to {what}", value=entry.value, **at(entry))
    for prefix, rows in table.rows.items():
        if prefix not in own:
            first = min(rows)
            key = f"{prefix}.{first}"
            line = _row_line(rows[first])
            message = f"`{prefix}` does not belong to {what}"
            findings.add("E_FIELD", message, key=key, line=line, column=line and 1)


def _row_line(row: Row) -> int | None:
    cells = [
        cell for value in row.values() for cell in (value.values() if isinstance(value, dict) else (value,))
    ]
    return min((cell.line for cell in cells if cell.line is not None), default=None)


def _scalars(section: Section, table: _Table, findings: Findings) -> Row:
    prefix = section.prefix + "." if section.prefix else ""
    values: Row = {}
    for field in section.fields:
        entry = table.scalars.get(prefix + field.name)
        if entry is None:
            told = findings.has(prefix + field.name) or section.prefix in table.shapeless
            if field.required and not told:
                message = f"`{prefix}{field.name}` is missing"
                findings.add("E_MISSING", message, key=prefix + field.name, hint=_example(prefix, field))
            values[field.name] = _NEUTRAL[field.type] if field.required else field.default
        else:
            judged = findings.has(entry.key)  # by the line rules, or while telling the kind of document
            value = None if judged else convert(field, entry, findings)
            if value is None:
                value = field.default if not field.required else _NEUTRAL[field.type]
            values[field.name] = value
    return values


def _rows(section: Section, table: _Table, findings: Findings) -> tuple[Any, ...]:
    rows = table.rows.get(section.prefix, {})
    ordered = sorted(rows)
    if ordered and ordered[-1] != len(ordered) - 1:
        hole = next(i for i, index in enumerate(ordered) if i != index)
        line = _row_line(rows[ordered[hole]])
        message = f"`{section.prefix}.{hole}` is missing, but `{section.prefix}.{ordered[hole]}` is there"
        findings.add("E_INDEX", message, key=section.prefix, line=line, column=line and 1)
        table.bad_lists.add(section.prefix)
    make = _ITEMS[section.prefix]
    items = tuple(make(**_row(section, index, rows[index], table, findings)) for index in ordered)
    return () if findings.has(section.prefix) else items  # behind a hole, indexes would name other items


def _row(section: Section, index: int, row: Row, table: _Table, findings: Findings) -> Row:
    prefix = f"{section.prefix}.{index}."
    shapeless = prefix[:-1] in table.shapeless
    kind_cell = row.get("kind")
    kind = kind_cell.value if kind_cell is not None else None
    values: Row = {}
    for field in section.fields:
        before = findings.errors
        cell = row.get(field.name)
        name = attribute(field.name)
        belongs = not field.on or kind in field.on
        if cell is None:
            if field.many:
                values[name] = ()
            elif not belongs:
                values[name] = None
            elif field.required:
                if not shapeless:
                    _report_missing(prefix, field, row, findings)
                values[name] = _NEUTRAL[field.type]
            else:
                values[name] = field.default
        elif not belongs:
            if kind is not None and not findings.has(f"{prefix}kind"):
                message = (
                    f"`{field.name}` does not belong to a {kind} {section.prefix.rpartition('.')[2][:-1]}"
                )
                hint = f"it belongs to: {', '.join(field.on)}"
                findings.add("E_FIELD", message, value=cell.value, hint=hint, **at(cell))
            values[name] = None
        elif field.many:
            values[name] = _list(field, prefix + field.name, cell, table, findings)
        else:
            value = convert(field, cell, findings)
            values[name] = _NEUTRAL[field.type] if value is None else value
        if _refers(section, field) and (findings.errors != before or _refused(cell)):
            table.bad_lists.add(section.prefix)
    return values


def _report_missing(prefix: str, field: Field, row: Row, findings: Findings) -> None:
    message = f"`{prefix}{field.name}` is missing"
    line = _row_line(row)
    column = None if line is None else 1
    hint = _example(prefix, field)
    findings.add("E_MISSING", message, key=prefix + field.name, line=line, column=column, hint=hint)


def _refers(section: Section, field: Field) -> bool:
    """Whether other parts of the document are understood by this field. Stages of a ring refer to each other
    by index, not by name."""
    named = field.type in ("name", "id") and section.prefix != "single_ring.stages"
    return named or field.many or field.name == "kind"


def _refused(cell: Entry | dict[int, Entry] | None) -> bool:
    cells = cell.values() if isinstance(cell, dict) else (cell,)
    return any(entry is not None and entry.native == "bad" for entry in cells)


def _list(
    field: Field, key: str, cells: dict[int, Entry], table: _Table, findings: Findings
) -> tuple[int | str, ...]:
    ordered = sorted(cells)
    if ordered[-1] != len(ordered) - 1:
        hole = next(i for i, index in enumerate(ordered) if i != index)
        entry = cells[ordered[hole]]
        message = f"`{key}.{hole}` is missing, but `{entry.key}` is there"
        column = None if entry.line is None else 1
        findings.add("E_INDEX", message, key=key, line=entry.line, column=column)
    converted = [convert(field, cells[index], findings) for index in ordered]
    if findings.has(key):
        return ()
    neutral = -1 if field.type == "int" else ""  # what no item has
    return tuple(neutral if value is None else value for value in converted)


def _example(prefix: str, field: Field) -> str:
    samples = {"int": "1", "name": "name", "id": "id", "stage_key": "identity", "text": "text"}
    sample = field.choices[0] if field.choices else samples.get(field.type, "...")
    return f"add `{prefix}{field.name}={sample}`"
