"""The shape of a LaneGraph: writers, readers, kinds, cycles, reachability."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from byteor.spec.limits import MAX_FAN
from byteor.spec.model import Lane, LaneGraph
from byteor.spec.order import find_cycle, topological_order
from byteor.spec.report import Report

_P = "lane_graph."


class _Wiring(msgspec.Struct):
    """Who writes and reads each lane: role indexes, and how many endpoints. ``all_writers`` and
    ``all_readers``: nobody else may, because every name could be followed."""

    writers: dict[str, list[int]]
    readers: dict[str, list[int]]
    ingress: dict[str, int]
    egress: dict[str, int]
    all_writers: bool
    all_readers: bool


def check_topology(spec: LaneGraph, report: Report, *, whole: bool = True) -> None:
    """Report what is wrong with the shape of ``spec``, as far as its names can be followed: what a lane
    that does not exist, a name that stands twice, or (``whole`` False) a stand-in may be the cause of is
    not told."""
    wiring = _wire(spec, whole)
    has_ingress = bool(wiring.ingress)
    for index, lane in enumerate(spec.lanes):
        if lane.name in wiring.writers and lane.kind and lane.producers != "":
            _check_writers(index, lane, wiring, has_ingress, report)
            _check_readers(index, lane, wiring, report)
    _check_repeats(spec, report)
    _check_kinds(spec, report)
    _check_cycle(spec, wiring, report)
    if has_ingress:
        _check_reach(spec, wiring, report)


def _wire(spec: LaneGraph, whole: bool) -> _Wiring:
    names = [lane.name for lane in spec.lanes]
    times = Counter(names)
    writers: dict[str, list[int]] = {name: [] for name in names if name and times[name] == 1}
    readers: dict[str, list[int]] = {name: [] for name in writers}
    ingress: dict[str, int] = {}
    egress: dict[str, int] = {}
    strays = {True: 0, False: 0}  # by whether they write: references to no one lane
    for endpoint in spec.endpoints:
        if not endpoint.kind:
            continue
        writes = endpoint.kind == "ingress"
        if endpoint.lane in writers:
            side = ingress if writes else egress
            side[endpoint.lane] = side.get(endpoint.lane, 0) + 1
        else:
            strays[writes] += 1
    for index, role in enumerate(spec.roles):
        for lanes, users, writes in ((role.rx, readers, False), (role.tx, writers, True)):
            for lane in dict.fromkeys(lanes):  # a role that names a lane twice is one user of it
                if lane in users:
                    users[lane].append(index)
                else:
                    strays[writes] += 1
    return _Wiring(writers, readers, ingress, egress, whole and not strays[True], whole and not strays[False])


def _check_repeats(spec: LaneGraph, report: Report) -> None:
    for index, role in enumerate(spec.roles):
        for name, lanes in (("rx", role.rx), ("tx", role.tx)):
            seen: set[str] = set()
            for place, lane in enumerate(lanes):
                if lane in seen:
                    message = f"{role.kind} `{role.name}` names lane `{lane}` twice"
                    key = f"{_P}roles.{index}.{name}.{place}"
                    report.add("E_ROLE_ARITY", message, key, value=lane, hint="remove one of the two")
                elif lane:
                    seen.add(lane)


def _check_writers(index: int, lane: Lane, wiring: _Wiring, has_ingress: bool, report: Report) -> None:
    count = len(wiring.writers[lane.name]) + wiring.ingress.get(lane.name, 0)
    key = f"{_P}lanes.{index}.name"
    if lane.producers == "multi":
        if count < 2 and wiring.all_writers:
            message = f"lane `{lane.name}` has producers=multi but {count} writers"
            report.add("E_LANE_WRITERS", message, key, value=lane.name, hint="write producers=single")
    elif count > 1:
        message = f"lane `{lane.name}` has {count} writers"
        hint = "write producers=multi" if lane.kind == "events" else "join them with a merge"
        report.add("E_LANE_WRITERS", message, key, value=lane.name, hint=hint)
    elif count == 0 and has_ingress and wiring.all_writers:  # without any ingress, E_NO_INGRESS is the cause
        message = f"nothing writes lane `{lane.name}`"
        report.add("E_LANE_WRITERS", message, key, value=lane.name, hint="remove it, or let a role write it")


def _check_readers(index: int, lane: Lane, wiring: _Wiring, report: Report) -> None:
    count = len(wiring.readers[lane.name]) + wiring.egress.get(lane.name, 0)
    wanted = 1
    if lane.kind == "journal":
        return
    if lane.kind == "fanout_broadcast":
        wanted = lane.consumers or 0
        if not 1 <= wanted <= MAX_FAN:  # E_CONSUMERS says so
            return
    if count == wanted or (count < wanted and not wiring.all_readers):
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
    kind_of: dict[str, str] = {}
    for lane in spec.lanes:  # a name that stands twice has no kind
        kind_of[lane.name] = "" if lane.name in kind_of else lane.kind
    for index, role in enumerate(spec.roles):
        if role.kind != "stage" or not role.rx:
            continue
        read = kind_of.get(role.rx[0], "")
        read = "events" if read == "fanout_broadcast" else read
        for place, written in enumerate(role.tx):
            if read and kind_of.get(written, "") not in ("", read):
                message = f"stage `{role.name}` reads {read} and writes {kind_of[written]} (`{written}`)"
                report.add("E_KIND_MISMATCH", message, f"{_P}roles.{index}.tx.{place}", value=written)


def _check_cycle(spec: LaneGraph, wiring: _Wiring, report: Report) -> None:
    needs = [[writer for lane in role.rx for writer in wiring.writers.get(lane, ())] for role in spec.roles]
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
    known = wiring.readers.keys()
    rx = [tuple(lane for lane in role.rx if lane in known) for role in spec.roles]
    tx = [tuple(lane for lane in role.tx if lane in known) for role in spec.roles]
    forward: tuple[set[str], set[int]] = set(known), set(range(len(spec.roles)))
    backward = forward
    if wiring.all_writers:  # else any lane may be reached
        strays = [index for index, role in enumerate(spec.roles) if len(rx[index]) < len(role.rx)]
        forward = _spread(wiring.ingress, wiring.readers, tx, strays)
    if wiring.all_readers:
        journals = {lane.name for lane in spec.lanes if lane.kind == "journal"}
        ends = known & (journals | wiring.egress.keys())
        acting = [index for index, role in enumerate(spec.roles) if role.kind == "stage" and not role.tx]
        strays = [index for index, role in enumerate(spec.roles) if len(tx[index]) < len(role.tx)]
        backward = _spread(ends, wiring.writers, rx, [*acting, *strays])
    for index, lane in enumerate(spec.lanes):
        if lane.name in known:
            reached = lane.name in forward[0], lane.name in backward[0]
            _check_reached("lane", lane.name, f"lanes.{index}", *reached, report)
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
