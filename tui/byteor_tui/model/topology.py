"""Who hands messages to whom, from a spec, and its drawing as a few lines of text. Functions of values."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from byteor.spec import LaneGraph, SingleRing


class Edge(msgspec.Struct, frozen=True):
    """``lane`` is empty inside a ring."""

    source: str
    target: str
    lane: str = ""


class Topology(msgspec.Struct, frozen=True):
    """Edges in the order of the spec; node names are the names of workers."""

    edges: tuple[Edge, ...] = ()

    def before(self, name: str) -> tuple[str, ...]:
        """Who hands messages to ``name``."""
        return tuple(edge.source for edge in self.edges if edge.target == name)

    def after(self, name: str) -> tuple[str, ...]:
        return tuple(edge.target for edge in self.edges if edge.source == name)


INGRESS, EGRESS = "ingress", "egress"


def topology_of(spec: SingleRing | LaneGraph) -> Topology:
    """The edges of ``spec``. In a ring the ends are called ``ingress`` and ``egress``, as its workers are."""
    roles = getattr(spec, "roles", None)
    return Topology(tuple(_graph(spec) if roles is not None else _ring(spec)))  # type: ignore[arg-type]


def _ring(spec: SingleRing) -> list[Edge]:
    names = [stage.name for stage in spec.stages]
    needed = {need for stage in spec.stages for need in stage.depends_on}
    edges = [
        Edge(names[need], stage.name) if need >= 0 else Edge(INGRESS, stage.name)
        for stage in spec.stages
        for need in (stage.depends_on or (-1,))
    ]
    return edges + [Edge(name, EGRESS) for index, name in enumerate(names) if index not in needed]


def _graph(spec: LaneGraph) -> list[Edge]:
    sources: dict[str, list[str]] = {}
    targets: dict[str, list[str]] = {}
    for endpoint in spec.endpoints:
        (sources if endpoint.kind == "ingress" else targets).setdefault(endpoint.lane, []).append(
            endpoint.name
        )
    for role in spec.roles:
        for lane in role.tx:
            sources.setdefault(lane, []).append(role.name)
        for lane in role.rx:
            targets.setdefault(lane, []).append(role.name)
    return [
        Edge(source, target, lane.name)
        for lane in spec.lanes
        for source in sources.get(lane.name, ())
        for target in targets.get(lane.name, (lane.name,))
    ]


def levels(topology: Topology) -> list[list[str]]:
    """Nodes by their longest way from a start; a cycle, which no valid spec has, ends the search."""
    nodes = list(dict.fromkeys(name for edge in topology.edges for name in (edge.source, edge.target)))
    depth = dict.fromkeys(nodes, 0)
    for _ in nodes:
        moved = False
        for edge in topology.edges:
            if depth[edge.target] <= depth[edge.source] < len(nodes):
                depth[edge.target] = depth[edge.source] + 1
                moved = True
        if not moved:
            break
    rows: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name in nodes:
        rows[min(depth[name], len(rows) - 1)].append(name)
    return rows


Piece = tuple[str, str]
"""(text, node name or empty)."""


def chain(
    topology: Topology, width: int, height: int, rates: Mapping[str, str] | None = None
) -> list[list[Piece]]:
    """The graph in at most ``height`` lines: levels from left to right, branches under each other.

    ``rates`` stand on the arrow to a node, where there is room for all of them. A chain that is too wide goes
    on in the next line behind an arrow.
    """
    if rates:
        drawn = _drawn(topology, width, height, rates)
        if drawn:
            return drawn
    return _drawn(topology, width, height, {}) or _wrapped(levels(topology), width, height)


def _drawn(topology: Topology, width: int, height: int, rates: Mapping[str, str]) -> list[list[Piece]]:
    columns = levels(topology)
    if not columns or width < 8 or height < 1:
        return []
    if max(map(len, columns)) > height:
        return []
    return _columns(columns, width, rates) or []


def _wrapped(columns: list[list[str]], width: int, height: int) -> list[list[Piece]]:
    if not columns or width < 8 or height < 1:
        return []
    lines: list[list[Piece]] = [[]]
    used = 0
    for index, names in enumerate(columns):
        text = "|".join(names)
        arrow = " -> " if index else ""
        if used and used + len(arrow) + len(text) > width:
            if len(lines) == height:
                lines[-1].append((" ..", ""))
                break
            lines.append([("  -> ", "")])
            used, arrow = 5, ""
        lines[-1].append((arrow, ""))
        for place, name in enumerate(names):
            lines[-1].append(("|" if place else "", ""))
            lines[-1].append((name, name))
        used += len(arrow) + len(text)
    return lines


def _columns(columns: list[list[str]], width: int, rates: Mapping[str, str]) -> list[list[Piece]] | None:
    """One column a level, joined by arrows that carry rates; None when it does not fit."""
    widths = [max(map(len, names)) for names in columns]
    forks = [len(names) > 1 or len(after) > 1 for names, after in pairwise(columns)]
    room = [max(len(rates.get(name, "")) for name in names) for names in columns]
    gaps = [(5 if fork else 4) + size for fork, size in zip(forks, room[1:], strict=True)]
    if sum(widths) + sum(gaps) > width:
        return None
    lines: list[list[Piece]] = []
    for row in range(max(map(len, columns))):
        line: list[Piece] = []
        for index, names in enumerate(columns):
            name = names[row] if row < len(names) else ""
            if index:
                before = columns[index - 1]
                rate = rates.get(name, "").rjust(room[index], "-") if name else "-" * room[index]
                line.append((_joint(row, len(before), len(names), rate, forks[index - 1]), ""))
            line.append((name, name))
            rest = widths[index] - len(name)
            leads_on = bool(name) and index < len(forks) and forks[index]
            line.append((("-" if leads_on else " ") * rest, ""))
        lines.append(line)
    return lines


def _joint(row: int, before: int, after: int, rate: str, fork: bool) -> str:
    """The arrow from one level to the next in one row."""
    if not fork:
        return f" -{rate}> " if row < after else " " * (4 + len(rate))
    there, here = row < before, row < after
    if not here and not there:
        return " " * (5 + len(rate))
    stem = ("-" if there else " ") + ("+" if row or (before > 1 or after > 1) else "-")
    return f"{stem}{rate}-> " if here else f"{stem}{' ' * len(rate)}   "


def tall(topology: Topology, rates: Mapping[str, str], height: int) -> list[list[Piece]]:
    """The graph from top to bottom, a node a line with what reaches it on its arrow; empty when too long.

    Nodes of one level stand under each other; who does not take from the level before says from whom.
    """
    columns = levels(topology)
    if not columns or sum(map(len, columns)) + len(columns) - 1 > height:
        return []
    spread = sum(map(len, columns)) + 2 * (len(columns) - 1) <= height
    lines: list[list[Piece]] = []
    for index, names in enumerate(columns):
        before = columns[index - 1] if index else []
        if index:
            rate = rates.get(names[0], "") if len(names) == 1 else ""
            lines.append([(f"  | {rate}".rstrip(), "")])
            if spread:
                lines.append([("  v" if len(names) == 1 else "  |", "")])
        for name in names:
            sources = topology.before(name)
            joins = "" if len(before) <= 1 and set(sources) <= set(before) else f"  <- {', '.join(sources)}"
            arrow = "  " if len(names) == 1 else f"  +-{rates.get(name, '').rjust(6, '-')}-> "
            lines.append([(arrow, ""), (name, name), (joins, "")])
    return lines
