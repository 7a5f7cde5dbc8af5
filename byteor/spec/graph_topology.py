"""The shape of a LaneGraph whose references are sound: writers, readers, kinds, cycles, reachability."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from byteor.spec.model import Lane, LaneGraph
from byteor.spec.order import find_cycle, topological_order
from byteor.spec.report import Report

_P = "lane_graph."


class _Wiring(msgspec.Struct):
    """Who writes and reads each lane: role indexes, and how many endpoints."""

    writers: dict[str, list[int]]
    readers: dict[str, list[int]]
    ingress: dict[str, int]
    egress: dict[str, int]


def check_topology(spec: LaneGraph, report: Report) -> None:
    """Report what is wrong with the shape of ``spec``; every lane that it names must exist."""
    wiring = _wire(spec)
    has_ingress = bool(wiring.ingress)
    for index, lane in enumerate(spec.lanes):
        _check_writers(index, lane, wiring, has_ingress, report)
        _check_readers(index, lane, wiring, report)
    _check_kinds(spec, report)
    _check_cycle(spec, wiring, report)
    if has_ingress:
        _check_reach(spec, wiring, report)


def _wire(spec: LaneGraph) -> _Wiring:
    writers: dict[str, list[int]] = {lane.name: [] for lane in spec.lanes}
    readers: dict[str, list[int]] = {lane.name: [] for lane in spec.lanes}
    ingress: dict[str, int] = {}
    egress: dict[str, int] = {}
    for endpoint in spec.endpoints:
        side = ingress if endpoint.kind == "ingress" else egress
        side[endpoint.lane] = side.get(endpoint.lane, 0) + 1
    for index, role in enumerate(spec.roles):
        for lane in role.rx:
            readers[lane].append(index)
        for lane in role.tx:
            writers[lane].append(index)
    return _Wiring(writers, readers, ingress, egress)


def _check_writers(index: int, lane: Lane, wiring: _Wiring, has_ingress: bool, report: Report) -> None:
    count = len(wiring.writers[lane.name]) + wiring.ingress.get(lane.name, 0)
    key = f"{_P}lanes.{index}.name"
    if lane.producers == "multi":
        if count < 2:
            message = f"lane `{lane.name}` has producers=multi but {count} writers"
            report.add("E_LANE_WRITERS", message, key, value=lane.name, hint="write producers=single")
    elif count > 1:
        message = f"lane `{lane.name}` has {count} writers"
        hint = "write producers=multi" if lane.kind == "events" else "join them with a merge"
        report.add("E_LANE_WRITERS", message, key, value=lane.name, hint=hint)
    elif count == 0 and has_ingress:  # without any ingress, E_NO_INGRESS is the cause
        message = f"nothing writes lane `{lane.name}`"
        report.add("E_LANE_WRITERS", message, key, value=lane.name, hint="remove it, or let a role write it")


def _check_readers(index: int, lane: Lane, wiring: _Wiring, report: Report) -> None:
    count = len(wiring.readers[lane.name]) + wiring.egress.get(lane.name, 0)
    wanted = 1
    if lane.kind == "journal":
        return
    if lane.kind == "fanout_broadcast":
        wanted = lane.consumers or 0
        if not 1 <= wanted <= 16:  # E_CONSUMERS says so
            return
    if count == wanted:
        return
    key = f"{_P}lanes.{index}." + ("consumers" if lane.kind == "fanout_broadcast" else "name")
    if lane.kind == "fanout_broadcast":
        message, hint = (
            f"lane `{lane.name}` has {count} readers and consumers={wanted}",
            f"write consumers={count}",
        )
    elif count:
        message, hint = f"lane `{lane.name}` has {count} readers", "put a router behind it"
    else:
        message, hint = f"nothing reads lane `{lane.name}`", "remove it, or let a role or an egress read it"
    report.add("E_LANE_READERS", message, key, value=lane.name, hint=hint)


def _check_kinds(spec: LaneGraph, report: Report) -> None:
    kind_of = {lane.name: lane.kind for lane in spec.lanes}
    for index, role in enumerate(spec.roles):
        if role.kind != "stage" or not role.rx:
            continue
        read = kind_of[role.rx[0]]
        read = "events" if read == "fanout_broadcast" else read
        for place, lane in enumerate(role.tx):
            if kind_of[lane] != read:
                message = f"stage `{role.name}` reads {read} and writes {kind_of[lane]} (`{lane}`)"
                report.add("E_KIND_MISMATCH", message, f"{_P}roles.{index}.tx.{place}", value=lane)


def _check_cycle(spec: LaneGraph, wiring: _Wiring, report: Report) -> None:
    needs = [[writer for lane in role.rx for writer in wiring.writers[lane]] for role in spec.roles]
    order = topological_order(needs)
    if len(order) == len(needs):
        return
    cycle = find_cycle(needs, frozenset(order))
    cycle[1:] = reversed(cycle[1:])  # as messages travel
    names: list[str] = []
    for place, index in enumerate(cycle):
        after = spec.roles[cycle[(place + 1) % len(cycle)]]
        names += [spec.roles[index].name, next(lane for lane in spec.roles[index].tx if lane in after.rx)]
    message = f"messages would go round: {' -> '.join([*names, names[0]])}"
    report.add("E_CYCLE", message, f"{_P}roles.{cycle[0]}.rx", value=spec.roles[cycle[0]].name)


def _check_reach(spec: LaneGraph, wiring: _Wiring, report: Report) -> None:
    reads = {lane.name: wiring.readers[lane.name] for lane in spec.lanes}
    forward = _spread(wiring.ingress, reads, [role.tx for role in spec.roles], ())
    ends = [lane.name for lane in spec.lanes if lane.kind == "journal" or lane.name in wiring.egress]
    acting = [index for index, role in enumerate(spec.roles) if role.kind == "stage" and not role.tx]
    backward = _spread(ends, wiring.writers, [role.rx for role in spec.roles], acting)
    for index, lane in enumerate(spec.lanes):
        place = f"lanes.{index}"
        _check_reached("lane", lane.name, place, lane.name in forward[0], lane.name in backward[0], report)
    for index, role in enumerate(spec.roles):
        place = f"roles.{index}"
        _check_reached("role", role.name, place, index in forward[1], index in backward[1], report)


def _check_reached(what: str, name: str, place: str, reached: bool, leads_out: bool, report: Report) -> None:
    if reached and leads_out:
        return
    why = "leads to no egress, acting stage or journal" if reached else "is not reached from any ingress"
    hint = "connect it, or remove it"
    report.add("E_UNREACHABLE", f"{what} `{name}` {why}", f"{_P}{place}.name", value=name, hint=hint)


def _spread(
    lanes: Iterable[str],
    to_roles: dict[str, list[int]],
    to_lanes: list[tuple[str, ...]],
    roles: Iterable[int],
) -> tuple[set[str], set[int]]:
    """Everything reached from ``lanes`` and ``roles``, lanes and roles apart."""
    seen_lanes, seen_roles = set(lanes), set(roles)
    pending = list(seen_lanes) + [
        lane for role in seen_roles for lane in to_lanes[role] if lane not in seen_lanes
    ]
    seen_lanes.update(pending)
    while pending:
        for role in to_roles[pending.pop()]:
            if role not in seen_roles:
                seen_roles.add(role)
                for lane in to_lanes[role]:
                    if lane not in seen_lanes:
                        seen_lanes.add(lane)
                        pending.append(lane)
    return seen_lanes, seen_roles
