"""The rules of a plan (section 4): references and duplicates of both payloads, then what the target asks
for."""

from __future__ import annotations

from byteor.spec.fields import GRAPH_ON_FULL, RING_DEFAULTS
from byteor.spec.model import PipelinePlanV2
from byteor.spec.nearest import Guesses
from byteor.spec.order import find_cycle, topological_order
from byteor.spec.plan_graph import check_graph_plan
from byteor.spec.report import Report

_P = "pipeline."


def check_plan(plan: PipelinePlanV2, report: Report, incomplete: frozenset[str]) -> None:
    """Report every rule that ``plan`` breaks. Lists in ``incomplete`` have stand-ins: what may come of
    those alone is not judged."""
    _check_ids(plan, report)
    if not incomplete & {_P + "stages", _P + "boundaries"}:
        _check_dependencies(plan, report)
        _check_connections(plan, report)
        _check_policy_references(plan, report)
    if not incomplete & {_P + "stages", _P + "connections"}:
        _check_payload(plan, report)
    if plan.target == "SingleRing":
        _check_ring_boundaries(plan, report)
        _check_ring_cycle(plan, report)
    elif plan.target == "LaneGraph" and (plan.connections or incomplete):  # else E_PAYLOAD is the cause
        check_graph_plan(plan, report, whole=not incomplete)


def _check_ids(plan: PipelinePlanV2, report: Report) -> None:
    seen: dict[str, str] = {}
    named = [(f"boundaries.{index}", boundary.id) for index, boundary in enumerate(plan.boundaries)]
    named += [(f"stages.{index}", stage.id) for index, stage in enumerate(plan.stages)]
    for place, name in named:
        if name in seen:
            message = f"{seen[name]} and {place} both have the id `{name}`"
            report.add("E_DUPLICATE", message, f"{_P}{place}.id", value=name)
        elif name:
            seen[name] = place


def _check_dependencies(plan: PipelinePlanV2, report: Report) -> None:
    stages = {stage.id for stage in plan.stages}
    boundaries = {boundary.id for boundary in plan.boundaries}
    near = Guesses(stages, "name one of the stages")
    for index, stage in enumerate(plan.stages):
        needed: set[str] = set()
        for place, need in enumerate(stage.depends_on):
            key = f"{_P}stages.{index}.depends_on.{place}"
            if need == stage.id:
                report.add("E_SELF_DEPENDENCY", f"`{need}` depends on itself", key, value=need)
            elif need in boundaries:
                hint = "leave it out: the first stages read the ingress by themselves"
                report.add(
                    "E_UNKNOWN_REF", f"`{need}` is a boundary, not a stage", key, value=need, hint=hint
                )
            elif need not in stages:
                message = f"there is no stage `{need}`"
                report.add("E_UNKNOWN_REF", message, key, value=need, hint=near.hint(need))
            elif need in needed:
                hint = "remove one of the two"
                report.add("E_DUPLICATE", f"`{need}` stands twice in the list", key, value=need, hint=hint)
            needed.add(need)


def _places(plan: PipelinePlanV2) -> set[str]:
    return {boundary.id for boundary in plan.boundaries} | {stage.id for stage in plan.stages}


def _check_connections(plan: PipelinePlanV2, report: Report) -> None:
    places = _places(plan)
    near = Guesses(places, "name a boundary or a stage")
    seen: set[tuple[str, str]] = set()
    for index, connection in enumerate(plan.connections):
        if not connection.from_ and not connection.to:
            continue
        prefix = f"{_P}connections.{index}."
        for name, place in (("from", connection.from_), ("to", connection.to)):
            if place not in places:
                hint = near.hint(place)
                report.add("E_UNKNOWN_REF", f"there is no `{place}`", prefix + name, value=place, hint=hint)
        pair = (connection.from_, connection.to)
        if connection.from_ == connection.to:
            report.add(
                "E_SELF_DEPENDENCY",
                f"`{connection.to}` is connected to itself",
                prefix + "to",
                value=connection.to,
            )
        elif pair in seen and all(pair):
            message = f"`{connection.from_}` is connected to `{connection.to}` twice"
            report.add(
                "E_DUPLICATE", message, prefix + "to", value=connection.to, hint="remove one of the two"
            )
        seen.add(pair)


def _check_policy_references(plan: PipelinePlanV2, report: Report) -> None:
    places = _places(plan)
    near = Guesses(places, "name a boundary or a stage")
    for index, policy in enumerate(plan.boundary_policy):
        if policy.boundary not in places:
            key = f"{_P}boundary_policy.{index}.boundary"
            hint = near.hint(policy.boundary)
            report.add(
                "E_UNKNOWN_REF", f"there is no `{policy.boundary}`", key, value=policy.boundary, hint=hint
            )


def _check_payload(plan: PipelinePlanV2, report: Report) -> None:
    """The target's payload is there, and no setting but a default is for a target whose payload is not."""
    depends = any(stage.depends_on for stage in plan.stages)
    if plan.target == "LaneGraph":
        if not plan.connections:
            hint = "add pipeline.connections, or write pipeline.target=SingleRing"
            report.add(
                "E_PAYLOAD", "the target is LaneGraph, but there are no connections", _P + "target", hint=hint
            )
        if not depends:
            for name in (*RING_DEFAULTS, "shard_key"):
                if getattr(plan.constraints, name) not in (None, RING_DEFAULTS.get(name)):
                    _wrong_target(f"constraints.{name}", "SingleRing", plan, report)
    elif plan.target == "SingleRing":
        if plan.connections and not depends and len(plan.stages) > 1:
            hint = "add pipeline.stages.N.depends_on, or write pipeline.target=LaneGraph"
            message = "the target is SingleRing, but the plan has connections and no dependencies"
            report.add("E_PAYLOAD", message, _P + "target", hint=hint)
        if not plan.connections:
            if plan.on_full not in (None, GRAPH_ON_FULL):
                _wrong_target("on_full", "LaneGraph", plan, report)
            if plan.boundary_policy:
                _wrong_target("boundary_policy", "LaneGraph", plan, report)


def _wrong_target(name: str, belongs: str, plan: PipelinePlanV2, report: Report) -> None:
    message = f"`{name}` belongs to a {belongs} plan; the target is {plan.target}"
    report.add("E_TARGET", message, _P + name, hint="remove it, or change pipeline.target")


def _check_ring_boundaries(plan: PipelinePlanV2, report: Report) -> None:
    for kind in ("ingress", "egress"):
        same = [index for index, boundary in enumerate(plan.boundaries) if boundary.kind == kind]
        for index in same[1:]:
            message = f"a SingleRing plan has one {kind}; this is another"
            hint = "remove it, or write pipeline.target=LaneGraph and connections"
            report.add("E_BOUNDARY", message, f"{_P}boundaries.{index}.kind", value=kind, hint=hint)


def _check_ring_cycle(plan: PipelinePlanV2, report: Report) -> None:
    position = {stage.id: index for index, stage in enumerate(plan.stages)}
    if len(position) < len(plan.stages):  # an id that stands twice names no one stage
        return
    edges = [
        [position[need] for need in stage.depends_on if need in position and need != stage.id]
        for stage in plan.stages
    ]
    order = set(topological_order(edges))
    if len(order) == len(edges):
        return
    path = find_cycle(edges, order)
    names = " -> ".join(plan.stages[index].id for index in (*path, path[0]))
    report.add("E_CYCLE", f"the stages wait for each other: {names}", f"{_P}stages.{path[0]}.depends_on")
