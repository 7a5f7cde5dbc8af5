"""The rules of a LaneGraph (section 3 of the format), each with its code."""

from __future__ import annotations

from collections.abc import Sequence

from byteor.spec.graph_topology import check_topology
from byteor.spec.limits import MAX_FAN, check_geometry, check_memory, check_stage_key
from byteor.spec.model import LaneGraph, Role
from byteor.spec.nearest import Guesses
from byteor.spec.report import Report

_P = "lane_graph."


def check_graph(spec: LaneGraph, report: Report, incomplete: frozenset[str] = frozenset()) -> None:
    """Report every rule that ``spec`` breaks. Lists in ``incomplete`` have stand-ins: what may come of
    those alone is not judged."""
    for section, items in (("lanes", spec.lanes), ("roles", spec.roles), ("endpoints", spec.endpoints)):
        _check_names(section, [item.name for item in items], report)
    _check_sizes(spec, report)
    for index, role in enumerate(spec.roles):
        _check_arity(index, role, report)
        if role.key is not None:
            check_stage_key(role.key, f"{_P}roles.{index}.key", report)
    if all(endpoint.kind for endpoint in spec.endpoints):
        for kind, code in (("ingress", "E_NO_INGRESS"), ("egress", "E_NO_EGRESS")):
            if not any(endpoint.kind == kind for endpoint in spec.endpoints):
                report.add(code, f"no endpoint is an {kind}", _P + "endpoints")
    if _P + "lanes" not in incomplete:
        _check_references(spec, report)
    check_topology(spec, report, whole=not incomplete)


def _check_names(section: str, names: Sequence[str], report: Report) -> None:
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        if name in seen:
            message = f"{section} {seen[name]} and {index} are both named `{name}`"
            report.add("E_DUP_NAME", message, f"{_P}{section}.{index}.name", value=name)
        elif name:
            seen[name] = index


def _check_sizes(spec: LaneGraph, report: Report) -> None:
    in_range = True
    for index, lane in enumerate(spec.lanes):
        prefix = f"{_P}lanes.{index}."
        in_range &= check_geometry(lane.capacity, lane.slot_bytes, prefix, report)
        if lane.kind == "fanout_broadcast" and not 1 <= (lane.consumers or 0) <= MAX_FAN:
            message = f"{lane.consumers} consumers is not in 1 to {MAX_FAN}"
            report.add("E_CONSUMERS", message, prefix + "consumers", value=lane.consumers)
    if in_range:
        check_memory(spec, _P + "lanes", report)


# kind -> (fewest rx, most rx, fewest tx, most tx)
ARITY = {
    "stage": (1, 1, 0, 1),
    "bridge": (1, 1, 1, 1),
    "router": (1, 1, 1, MAX_FAN),
    "merge": (2, MAX_FAN, 1, 1),
}


def _check_arity(index: int, role: Role, report: Report) -> None:
    limits = ARITY.get(role.kind)
    if limits is None:  # the kind itself was reported
        return
    for name, lanes, (low, high) in (("rx", role.rx, limits[:2]), ("tx", role.tx, limits[2:])):
        if not low <= len(lanes) <= high:
            wanted = str(low) if low == high else f"{low} to {high}"
            message = f"{role.kind} `{role.name}` has {len(lanes)} {name} lanes; it takes {wanted}"
            report.add(
                "E_ROLE_ARITY",
                message,
                f"{_P}roles.{index}.{name}",
                value=len(lanes),
                hint=_arity_hint(role.kind, name, len(lanes)),
            )


def _arity_hint(kind: str, name: str, count: int) -> str | None:
    if name == "rx" and kind != "merge" and count > 1:
        return "put a merge in front of it"
    if name == "tx" and kind != "router" and count > 1:
        return "put a router behind it"
    return None


def _check_references(spec: LaneGraph, report: Report) -> None:
    names = {lane.name for lane in spec.lanes}
    near = Guesses(names, "name one of lane_graph.lanes")
    used = [(f"endpoints.{i}.lane", endpoint.lane) for i, endpoint in enumerate(spec.endpoints)]
    for index, role in enumerate(spec.roles):
        used += [(f"roles.{index}.rx.{k}", lane) for k, lane in enumerate(role.rx)]
        used += [(f"roles.{index}.tx.{k}", lane) for k, lane in enumerate(role.tx)]
    for place, lane in used:
        if lane not in names:
            message = f"there is no lane `{lane}`"
            report.add("E_REF", message, _P + place, value=lane, hint=near.hint(lane))
