"""What the target LaneGraph asks of a plan: boundaries, policies, intents, fan limits, cycles,
reachability."""

from __future__ import annotations

from collections import Counter

from byteor.spec.fields import MERGE_POLICIES, ROUTER_MODES
from byteor.spec.limits import MAX_FAN
from byteor.spec.model import PipelinePlanV2
from byteor.spec.order import find_cycle, topological_order
from byteor.spec.report import Report

_P = "pipeline."


class _Links:
    """The connections by place: indexes of those that leave and enter it. A place is an id that stands once;
    ``all_out`` and ``all_into``: nothing else may leave or enter one, because every end could be followed."""

    def __init__(self, plan: PipelinePlanV2, whole: bool) -> None:
        ids = Counter([boundary.id for boundary in plan.boundaries] + [stage.id for stage in plan.stages])
        self.places = {name for name, times in ids.items() if name and times == 1}
        self.out: dict[str, list[int]] = {}
        self.into: dict[str, list[int]] = {}
        for index, connection in enumerate(plan.connections):
            self.out.setdefault(connection.from_, []).append(index)
            self.into.setdefault(connection.to, []).append(index)
        self.all_out = whole and self.out.keys() <= self.places
        self.all_into = whole and self.into.keys() <= self.places


def check_graph_plan(plan: PipelinePlanV2, report: Report, *, whole: bool = True) -> None:
    """Report what ``plan`` breaks as a LaneGraph, as far as its references can be followed: what an end that
    is nowhere, an id that stands twice, or (``whole`` False) a stand-in may be the cause of is not told."""
    links = _Links(plan, whole)
    _check_boundaries(plan, links, report)
    _check_fans(links, report)
    _check_policies(plan, links, report)
    _check_cycle(plan, links, report)
    _check_reach(plan, links, report)


def _check_boundaries(plan: PipelinePlanV2, links: _Links, report: Report) -> None:
    if all(boundary.kind for boundary in plan.boundaries):
        for kind, code in (("ingress", "E_NO_INGRESS"), ("egress", "E_NO_EGRESS")):
            if not any(boundary.kind == kind for boundary in plan.boundaries):
                report.add(code, f"no boundary is an {kind}", _P + "boundaries")
    for index, boundary in enumerate(plan.boundaries):
        if boundary.id not in links.places or not boundary.kind:
            continue
        ingress = boundary.kind == "ingress"
        right, wrong = (links.out, links.into) if ingress else (links.into, links.out)
        for connection in wrong.get(boundary.id, ()):
            name = "to" if ingress else "from"
            message = f"`{boundary.id}` is an {boundary.kind}: it is never {'entered' if ingress else 'left'}"
            report.add(
                "E_BOUNDARY",
                message,
                f"{_P}connections.{connection}.{name}",
                value=boundary.id,
                hint="turn the connection round",
            )
        told = links.all_out if ingress else links.all_into
        if told and boundary.id not in right and boundary.id not in wrong:
            message = f"{boundary.kind} `{boundary.id}` is connected to nothing"
            report.add(
                "E_BOUNDARY",
                message,
                f"{_P}boundaries.{index}.id",
                value=boundary.id,
                hint="connect it, or remove it",
            )


def _check_fans(links: _Links, report: Report) -> None:
    for name, sides, words in (("from", links.out, "leave"), ("to", links.into, "enter")):
        for place, indexes in sides.items():
            if len(indexes) > MAX_FAN and place in links.places:
                message = f"{len(indexes)} connections {words} `{place}`; the limit is {MAX_FAN}"
                key = f"{_P}connections.{indexes[MAX_FAN]}.{name}"
                report.add(
                    "E_ROLE_ARITY", message, key, value=place, hint="put a stage with key identity between"
                )


def _check_policies(plan: PipelinePlanV2, links: _Links, report: Report) -> None:
    seen: set[tuple[str, bool]] = set()
    for index, policy in enumerate(plan.boundary_policy):
        key = f"{_P}boundary_policy.{index}.mode"
        if policy.boundary not in links.places or not policy.mode:
            continue
        routes = policy.mode in ROUTER_MODES
        side, word, told = (
            (links.out, "leave", links.all_out) if routes else (links.into, "enter", links.all_into)
        )
        indexes = side.get(policy.boundary, [])
        if len(indexes) < 2 and told:
            other = MERGE_POLICIES if routes else ROUTER_MODES
            count = len(indexes)
            message = f"{policy.mode} needs several connections that {word} `{policy.boundary}`, not {count}"
            report.add(
                "E_BOUNDARY",
                message,
                key,
                value=policy.mode,
                hint=f"remove it, or use one of: {', '.join(other)}",
            )
        elif (policy.boundary, routes) in seen:
            hint = "remove one of the two"
            report.add(
                "E_DUPLICATE", f"`{policy.boundary}` has two such policies", key, value=policy.mode, hint=hint
            )
        elif policy.mode == "work_queue":
            for connection in indexes:
                if plan.connections[connection].intent == "FanoutBroadcast":
                    message = (
                        f"`{policy.boundary}` shares out its messages, a broadcast would give all to each"
                    )
                    place = f"{_P}connections.{connection}.intent"
                    report.add(
                        "E_INTENT", message, place, value="FanoutBroadcast", hint="write intent=Events"
                    )
        seen.add((policy.boundary, routes))


def _check_cycle(plan: PipelinePlanV2, links: _Links, report: Report) -> None:
    position = {stage.id: index for index, stage in enumerate(plan.stages) if stage.id in links.places}
    needs: list[list[int]] = [[] for _ in plan.stages]
    for connection in plan.connections:
        ends = connection.from_, connection.to
        if ends[0] != ends[1] and all(end in position for end in ends):
            needs[position[connection.to]].append(position[connection.from_])
    order = topological_order(needs)
    if len(order) == len(needs):
        return
    cycle = find_cycle(needs, frozenset(order))
    cycle[1:] = reversed(cycle[1:])  # as messages travel
    names = [plan.stages[index].id for index in cycle]
    pairs = set(zip(names, [*names[1:], names[0]], strict=True))
    first = next(i for i, c in enumerate(plan.connections) if (c.from_, c.to) in pairs)
    message = f"messages would go round: {' -> '.join([*names, names[0]])}"
    report.add("E_CYCLE", message, f"{_P}connections.{first}.to", value=plan.connections[first].to)


def _check_reach(plan: PipelinePlanV2, links: _Links, report: Report) -> None:
    """A stage that no ingress leads to. What comes from nowhere known may come from an ingress, what leads to
    nowhere known may lead anywhere, and what leads to an ingress is meant the other way round."""
    entrances = {boundary.id for boundary in plan.boundaries if boundary.kind == "ingress"}
    if not entrances or not links.all_into:  # without any ingress, E_NO_INGRESS is the cause
        return
    turned = {c.from_ for c in plan.connections if c.to in entrances}
    reached = entrances | turned | {c.to for c in plan.connections if c.from_ not in links.places}
    pending = list(reached)
    while pending:
        for connection in links.out.get(pending.pop(), ()):
            to = plan.connections[connection].to
            if to not in reached:
                reached.add(to)
                pending.append(to)
    for index, stage in enumerate(plan.stages):
        if stage.id in links.places and stage.id not in reached:
            message = f"stage `{stage.id}` is not reached from any ingress"
            key = f"{_P}stages.{index}.id"
            report.add("E_UNREACHABLE", message, key, value=stage.id, hint="connect it, or remove it")
