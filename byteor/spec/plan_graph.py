"""What the target LaneGraph asks of a plan: boundaries, policies, intents, fan limits, cycles,
reachability."""

from __future__ import annotations

from byteor.spec.fields import MERGE_POLICIES, ROUTER_MODES
from byteor.spec.model import PipelinePlanV2
from byteor.spec.order import find_cycle, topological_order
from byteor.spec.report import Report

_P = "pipeline."
_MAX_FAN = 16


class _Links:
    """The connections by place: indexes of those that leave and enter it."""

    def __init__(self, plan: PipelinePlanV2) -> None:
        self.out: dict[str, list[int]] = {}
        self.into: dict[str, list[int]] = {}
        for index, connection in enumerate(plan.connections):
            self.out.setdefault(connection.from_, []).append(index)
            self.into.setdefault(connection.to, []).append(index)


def check_graph_plan(plan: PipelinePlanV2, report: Report) -> None:
    """Report what ``plan`` breaks as a LaneGraph; its references must be sound."""
    links = _Links(plan)
    before = report.broken
    _check_boundaries(plan, links, report)
    _check_fans(links, report)
    _check_policies(plan, links, report)
    if report.broken == before:
        _check_shape(plan, links, report)


def _check_boundaries(plan: PipelinePlanV2, links: _Links, report: Report) -> None:
    for kind, code in (("ingress", "E_NO_INGRESS"), ("egress", "E_NO_EGRESS")):
        if not any(boundary.kind == kind for boundary in plan.boundaries):
            report.add(code, f"no boundary is an {kind}", _P + "boundaries")
    for index, boundary in enumerate(plan.boundaries):
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
        if boundary.id not in right and boundary.id not in wrong:
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
            if len(indexes) > _MAX_FAN:
                message = f"{len(indexes)} connections {words} `{place}`; the limit is {_MAX_FAN}"
                key = f"{_P}connections.{indexes[_MAX_FAN]}.{name}"
                report.add(
                    "E_ROLE_ARITY", message, key, value=place, hint="put a stage with key identity between"
                )


def _check_policies(plan: PipelinePlanV2, links: _Links, report: Report) -> None:
    seen: set[tuple[str, bool]] = set()
    for index, policy in enumerate(plan.boundary_policy):
        key = f"{_P}boundary_policy.{index}.mode"
        routes = policy.mode in ROUTER_MODES
        side, word = (links.out, "leave") if routes else (links.into, "enter")
        indexes = side.get(policy.boundary, [])
        if len(indexes) < 2:
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


def _check_shape(plan: PipelinePlanV2, links: _Links, report: Report) -> None:
    position = {stage.id: index for index, stage in enumerate(plan.stages)}
    needs = [
        [
            position[plan.connections[c].from_]
            for c in links.into.get(stage.id, ())
            if plan.connections[c].from_ in position
        ]
        for stage in plan.stages
    ]
    order = topological_order(needs)
    if len(order) < len(needs):
        cycle = find_cycle(needs, frozenset(order))
        cycle[1:] = reversed(cycle[1:])  # as messages travel
        names = [plan.stages[index].id for index in cycle]
        pairs = set(zip(names, [*names[1:], names[0]], strict=True))
        connection = next(i for i, c in enumerate(plan.connections) if (c.from_, c.to) in pairs)
        message = f"messages would go round: {' -> '.join([*names, names[0]])}"
        report.add(
            "E_CYCLE", message, f"{_P}connections.{connection}.to", value=plan.connections[connection].to
        )
        return
    reached = {boundary.id for boundary in plan.boundaries if boundary.kind == "ingress"}
    pending = list(reached)
    while pending:
        for connection in links.out.get(pending.pop(), ()):
            to = plan.connections[connection].to
            if to not in reached:
                reached.add(to)
                pending.append(to)
    for index, stage in enumerate(plan.stages):
        if stage.id not in reached:
            message = f"stage `{stage.id}` is not reached from any ingress"
            report.add(
                "E_UNREACHABLE",
                message,
                f"{_P}stages.{index}.id",
                value=stage.id,
                hint="connect it, or remove it",
            )
