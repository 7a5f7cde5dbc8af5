"""A plain model of a LaneGraph: what may come of one message, and specs of random graphs to try it on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import graph_stages
from hypothesis import strategies as st

from byteor.spec import LaneGraph, PipelinePlanV2, ValidatedSpec, compile_plan
from byteor.spec.model import PlanBoundary, PlanConnection, PlanConstraints, PlanPolicy, PlanStage

Outcome = frozenset[tuple[tuple[str, bytes], int]]  # (sink, payload) with how often, all of one message
STAGES = ("tag", "tag_batch", "thirds", "doubles", "slow", "identity")


def outcomes(spec: LaneGraph, lane: str, payload: bytes) -> set[Outcome]:
    """Everything that ``payload``, put on ``lane``, may become where nothing is dropped."""
    found = {_counted({})}
    for ways in _of_each_reader(spec, lane, payload):
        found = {_sum(one, other) for one in found for other in ways}
    return found


def _of_each_reader(spec: LaneGraph, lane: str, payload: bytes) -> list[set[Outcome]]:
    ends = [end.name for end in spec.endpoints if end.kind == "egress" and end.lane == lane]
    found = [{_counted({(name, payload): 1})} for name in ends]
    for role in spec.roles:
        if lane not in role.rx:
            continue
        if role.kind == "stage":
            ways = {_counted({})}
            for part in graph_stages.apply(role.key or "", payload) if role.tx else []:
                more = _on_all(spec, role.tx, part)
                ways = {_sum(one, other) for one in ways for other in more}
            found.append(ways)
        elif role.kind == "router" and role.mode == "work_queue":
            # One of the lanes; of a fan-out lane, one of its readers.
            each = [ways for tx in role.tx for ways in _of_each_reader(spec, tx, payload)]
            found.append(set[Outcome]().union(*each))
        else:
            found.append(_on_all(spec, role.tx, payload))
    return found


def _on_all(spec: LaneGraph, lanes: tuple[str, ...], payload: bytes) -> set[Outcome]:
    found = {_counted({})}
    for lane in lanes:
        ways = outcomes(spec, lane, payload)
        found = {_sum(one, other) for one in found for other in ways}
    return found


def _counted(counts: dict[tuple[str, bytes], int]) -> Outcome:
    return frozenset(counts.items())


def _sum(one: Outcome, other: Outcome) -> Outcome:
    return frozenset((Counter(dict(one)) + Counter(dict(other))).items())


def path_of(payload: bytes) -> bytes:
    """Which stages a payload has passed; its number stands before the first comma."""
    return payload.partition(b",")[2]


def number_of(payload: bytes) -> int:
    return int(payload.partition(b",")[0].rpartition(b":")[2])


@st.composite
def plans(draw: st.DrawFn) -> PipelinePlanV2:
    """Small plans: stages in a row, edges forward only, every place on a way from an ingress to an egress."""
    ins = [f"in{n}" for n in range(draw(st.integers(1, 2)))]
    outs = [f"out{n}" for n in range(draw(st.integers(1, 2)))]
    stages = [f"s{n}" for n in range(draw(st.integers(1, 4)))]
    order = [*ins, *stages, *outs]
    edges: set[tuple[str, str]] = set()
    for place in [*stages, *outs]:  # everybody is reached
        before = [p for p in order[: order.index(place)] if p not in outs]
        edges.add((draw(st.sampled_from(before)), place))
    for place in [*ins, *stages]:  # everybody leads on
        after = [p for p in order[order.index(place) + 1 :] if p not in ins]
        if not any(start == place for start, _ in edges):
            edges.add((place, draw(st.sampled_from(after))))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.sampled_from([*ins, *stages]))
        after = [p for p in order[order.index(start) + 1 :] if p not in ins]
        edges.add((start, draw(st.sampled_from(after))))
    ordered = sorted(edges)
    intents = st.sampled_from(["Events", "Events", "SequencedSlots", "FanoutBroadcast", "Journal"])
    merge = draw(st.sampled_from(["round_robin", "in_order"]))
    return PipelinePlanV2(
        name="random",
        target="LaneGraph",
        boundaries=tuple(PlanBoundary(p, "ingress") for p in ins)
        + tuple(PlanBoundary(p, "egress") for p in outs),
        stages=tuple(PlanStage(name, _key(draw, name)) for name in stages),
        constraints=PlanConstraints(capacity=draw(st.sampled_from([2, 4, 16, 64])), slot_bytes=64),
        connections=tuple(PlanConnection(start, end, draw(intents)) for start, end in ordered),
        boundary_policy=tuple(_policies(draw, ordered, merge)),
        on_full=draw(st.sampled_from(["Block", "Block", "Drop"])),
    )


def _key(draw: st.DrawFn, name: str) -> str:
    kind = draw(st.sampled_from(STAGES))
    return kind if kind == "identity" else f"{kind}:{name}"


def _policies(draw: st.DrawFn, edges: list[tuple[str, str]], merge: str) -> Iterator[PlanPolicy]:
    """A place that both merges and routes can carry one policy: its merge's, then it broadcasts."""
    starts, ends = Counter(start for start, _ in edges), Counter(end for _, end in edges)
    for place in sorted({*starts, *ends}):
        if ends[place] > 1:
            yield PlanPolicy(place, merge)
        elif starts[place] > 1 and draw(st.booleans()):
            yield PlanPolicy(place, "work_queue")


def compiled(plan: PipelinePlanV2) -> ValidatedSpec | None:
    """The spec of ``plan``; None where a rule refuses the combination that was drawn."""
    report: Any = compile_plan(plan)
    return report.spec
