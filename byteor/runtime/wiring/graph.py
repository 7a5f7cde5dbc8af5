"""Wire a LaneGraph: its lanes and roles as they are, with queues where one fan-out ring cannot serve."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from graphlib import TopologicalSorter

import msgspec

from byteor.runtime.wiring.model import LaneKind, LanePlan, Port, RoleKind, Wiring, WorkerPlan
from byteor.spec import LaneGraph
from byteor.spec.model import Endpoint, Lane, Role

KINDS: dict[str, LaneKind] = {
    "events": "events",
    "journal": "journal",
    "sequenced_slots": "sequenced",
    "fanout_broadcast": "fanout",
}


_ENDS = {"source": 0, "sink": 2}


class _Node(msgspec.Struct):
    """A worker to be: the names of the lanes that it reads and writes."""

    name: str
    role: RoleKind
    key: str
    rx: tuple[str, ...]
    tx: tuple[str, ...]
    stage: int = -1
    endpoint: int = -1
    mode: str = "broadcast"
    policy: str = "round_robin"


def wire_graph(graph: LaneGraph) -> Wiring:
    """Workers in topological order, ties in the order of the spec: sources, roles, sinks.

    One fan-out ring holds its producer back for the slowest consumer. Where a consumer may miss a message
    (``on_full=drop``, a ``work_queue`` router), the lane becomes a queue for each consumer,
    ``<lane>.<k>``; unless a router writes it already, one called ``<lane>.fan`` does, behind the lane
    ``<lane>.in``. Only jobs write and read journals: a bridge stands between one and a source or sink, and
    where nobody reads one, a bridge to nowhere frees its window. An endpoint that is called as a role
    becomes ``<name>.source`` or ``<name>.sink``.
    """
    nodes = _nodes(graph)
    lanes = {lane.name: lane for lane in graph.lanes}
    queued = _queued_fans(graph, nodes)
    plans = [
        plan
        for lane in graph.lanes
        for plan in (_queues(lane, queued[lane.name]) if lane.name in queued else (_plan(lane, nodes),))
    ]
    nodes = _through_queues(nodes, {name: lanes[name] for name in queued}, queued)
    nodes = _beside_journals(nodes, plans)
    nodes = _in_order(nodes)
    return Wiring(tuple(plans), _workers(nodes, plans), on_full=graph.on_full)


def _nodes(graph: LaneGraph) -> list[_Node]:
    taken = {role.name for role in graph.roles}

    def name(endpoint: Endpoint, kind: str) -> str:
        return f"{endpoint.name}.{kind}" if endpoint.name in taken else endpoint.name

    sources = [e for e in graph.endpoints if e.kind == "ingress"]
    sinks = [e for e in graph.endpoints if e.kind == "egress"]
    return [
        *(_Node(name(e, "source"), "source", "", (), (e.lane,), endpoint=i) for i, e in enumerate(sources)),
        *(_role(index, role) for index, role in enumerate(graph.roles)),
        *(_Node(name(e, "sink"), "sink", "", (e.lane,), (), endpoint=i) for i, e in enumerate(sinks)),
    ]


def _role(index: int, role: Role) -> _Node:
    kind: RoleKind = next(k for k in ("stage", "bridge", "router", "merge") if k == role.kind)
    return _Node(
        role.name,
        kind,
        role.key or role.mode or role.policy or "",
        role.rx,
        role.tx,
        stage=index if role.kind == "stage" else -1,
        mode=role.mode or "broadcast",
        policy=role.policy or "round_robin",
    )


def _queued_fans(graph: LaneGraph, nodes: Iterable[_Node]) -> dict[str, bool]:
    """Fan-out lanes that become queues; True when a router of the spec writes the queues itself."""
    writer = {name: node for node in nodes for name in node.tx}
    found = {}
    for lane in graph.lanes:
        if lane.kind == "fanout_broadcast":
            node = writer[lane.name]
            router = node.role == "router"
            if graph.on_full == "drop" or (router and node.mode == "work_queue"):
                found[lane.name] = router
    return found


def _plan(lane: Lane, nodes: Iterable[_Node]) -> LanePlan:
    writers = sum(node.tx.count(lane.name) for node in nodes)
    readers = sum(node.rx.count(lane.name) for node in nodes)
    return LanePlan(
        name=lane.name,
        kind=KINDS[lane.kind],
        capacity=lane.capacity,
        slot_bytes=lane.slot_bytes,
        producers=max(writers, 1),
        consumers=lane.consumers or readers,
    )


def _queues(lane: Lane, routed: bool) -> tuple[LanePlan, ...]:
    def queue(name: str) -> LanePlan:
        return LanePlan(name=name, kind="events", capacity=lane.capacity, slot_bytes=lane.slot_bytes)

    queues = tuple(queue(f"{lane.name}.{k}") for k in range(lane.consumers or 1))
    return queues if routed else (queue(f"{lane.name}.in"), *queues)


def _through_queues(nodes: list[_Node], lanes: dict[str, Lane], routed: dict[str, bool]) -> list[_Node]:
    taken: Counter[str] = Counter()
    found = []
    for node in nodes:
        rx = []
        for name in node.rx:
            rx.append(f"{name}.{taken[name]}" if name in lanes else name)
            taken[name] += 1
        tx: list[str] = []
        for name in node.tx:
            if name not in lanes:
                tx.append(name)
            elif routed[name]:
                tx += [f"{name}.{k}" for k in range(lanes[name].consumers or 1)]
            else:
                tx.append(f"{name}.in")
        found.append(msgspec.structs.replace(node, rx=tuple(rx), tx=tuple(tx)))
    for name, lane in lanes.items():
        if not routed[name]:
            queues = tuple(f"{name}.{k}" for k in range(lane.consumers or 1))
            found.append(_Node(f"{name}.fan", "router", "broadcast", (f"{name}.in",), queues))
    return found


def _beside_journals(nodes: list[_Node], plans: list[LanePlan]) -> list[_Node]:
    """Bridges between journals and ends; ``plans`` gets the lanes that this takes."""
    journals = {plan.name: plan for plan in plans if plan.kind == "journal"}
    found = []
    for node in nodes:
        for end, names in (("in", node.tx), ("out", node.rx)):
            if node.role not in _ENDS or not (names and names[0] in journals):
                continue
            journal = journals[names[0]]
            lane = f"{journal.name}.{end}.{node.endpoint}"
            plans.append(LanePlan(lane, "events", journal.capacity, journal.slot_bytes))
            if end == "in":
                found.append(_Node(f"{lane}.bridge", "bridge", "", (lane,), (journal.name,)))
                node = msgspec.structs.replace(node, tx=(lane,))
            else:
                found.append(_Node(f"{lane}.bridge", "bridge", "", (journal.name,), (lane,)))
                node = msgspec.structs.replace(node, rx=(lane,))
        found.append(node)
    read = {name for node in found for name in node.rx}
    for name, journal in journals.items():
        if name not in read:
            plans[plans.index(journal)] = msgspec.structs.replace(journal, consumers=1)
            found.append(_Node(f"{name}.tail", "bridge", "", (name,), ()))
    return found


def _in_order(nodes: list[_Node]) -> list[_Node]:
    writers: dict[str, list[int]] = {}
    for index, node in enumerate(nodes):
        for name in node.tx:
            writers.setdefault(name, []).append(index)
    sorter: TopologicalSorter[int] = TopologicalSorter()
    for index, node in enumerate(nodes):
        sorter.add(index, *(w for name in node.rx for w in writers.get(name, ())))
    depth: dict[int, int] = {}
    for index in sorter.static_order():
        before = (depth[w] for name in nodes[index].rx for w in writers.get(name, ()))
        depth[index] = 1 + max(before, default=-1)

    def place(index: int) -> tuple[int, int, int]:
        if nodes[index].role in _ENDS:  # endpoints keep the order of the spec
            return _ENDS[nodes[index].role], 0, index
        return 1, depth[index], index

    return [nodes[index] for index in sorted(range(len(nodes)), key=place)]


def _workers(nodes: list[_Node], plans: list[LanePlan]) -> tuple[WorkerPlan, ...]:
    number = {plan.name: index for index, plan in enumerate(plans)}
    ordered = _before_ordered_merges(nodes)
    written: Counter[str] = Counter()
    read: Counter[str] = Counter()

    def ports(names: Iterable[str], used: Counter[str]) -> tuple[Port, ...]:
        found = []
        for name in names:
            found.append(Port(number[name], used[name]))
            used[name] += 1
        return tuple(found)

    return tuple(
        WorkerPlan(
            row=row,
            name=node.name,
            role=node.role,
            key=node.key,
            rx=ports(node.rx, read),
            tx=ports(node.tx, written),
            stage=node.stage,
            endpoint=node.endpoint,
            mode=node.mode,
            policy=node.policy,
            watermarks=any(name in ordered for name in node.tx),
        )
        for row, node in enumerate(nodes)
    )


def _before_ordered_merges(nodes: list[_Node]) -> set[str]:
    """Lanes from which an ``in_order`` merge can be reached; ``nodes`` in topological order."""
    found: set[str] = set()
    for node in reversed(nodes):
        if (node.role == "merge" and node.policy == "in_order") or any(name in found for name in node.tx):
            found.update(node.rx)
    return found
