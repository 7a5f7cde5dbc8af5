"""Who hands messages to whom, from a spec, and its drawing as a few lines of text. Functions of values."""

from __future__ import annotations

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


def chain(topology: Topology, width: int, height: int) -> list[list[Piece]]:
    """The graph in at most ``height`` lines: levels from left to right, branches under each other.

    A chain that is too wide goes on in the next line behind an arrow.
    """
    columns = levels(topology)
    if not columns or width < 8 or height < 1:
        return []
    tallest = max(map(len, columns))
    if tallest > 1 and tallest <= height:
        drawn = _columns(topology, columns, width)
        if drawn is not None:
            return drawn
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


def _columns(topology: Topology, columns: list[list[str]], width: int) -> list[list[Piece]] | None:
    """One column a level, joined by ``->``, ``-+->`` and ``+->``; None when it does not fit."""
    widths = [max(map(len, names)) for names in columns]
    gaps = [5 if len(columns[i + 1]) > 1 or len(columns[i]) > 1 else 4 for i in range(len(columns) - 1)]
    if sum(widths) + sum(gaps) > width:
        return None
    lines: list[list[Piece]] = []
    for row in range(max(map(len, columns))):
        line: list[Piece] = []
        for index, names in enumerate(columns):
            if index:
                gap = gaps[index - 1]
                here, before = row < len(names), row < len(columns[index - 1])
                joint = "-+->" if row == 0 and len(names) > 1 else "--->" if row == 0 else " +->"
                if len(columns[index - 1]) > 1 and len(names) == 1:
                    joint = "-+->" if row == 0 else "-+  "
                    here = before
                line.append(((f"{joint:<{gap}}" if gap == 5 else " -> ") if here else " " * gap, ""))
            name = names[row] if row < len(names) else ""
            fill = "-" if gaps and index < len(gaps) and gaps[index] == 5 and name else " "
            line.append((name, name))
            rest = widths[index] - len(name)
            line.append(((" " + fill * (rest - 1)) if rest > 0 and fill == "-" else " " * rest, ""))
        lines.append(line)
    return lines
