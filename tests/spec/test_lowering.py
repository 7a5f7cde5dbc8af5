"""Lowering: the same plan gives the same spec everywhere; what is inserted is named and explained."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from byteor.spec import CompileReport, LaneGraph, PipelinePlanV2, SingleRing, check_value, compile_plan
from byteor.spec.model import PlanBoundary, PlanConnection, PlanConstraints, PlanPolicy, PlanStage

IN, OUT = PlanBoundary("in", "ingress"), PlanBoundary("out", "egress")


def graph(
    *connections: str,
    boundaries: tuple[PlanBoundary, ...] = (IN, OUT),
    policies: tuple[PlanPolicy, ...] = (),
    on_full: str = "Block",
) -> CompileReport:
    """A plan from ``a->b`` or ``a->b:Intent``; every end that is no boundary is an identity stage."""
    made = []
    for text in connections:
        ends, _, intent = text.partition(":")
        start, _, end = ends.partition("->")
        made.append(PlanConnection(start, end, intent or "Events"))
    known = {boundary.id for boundary in boundaries}
    ids = dict.fromkeys(end for c in made for end in (c.from_, c.to) if end not in known)
    stages = tuple(PlanStage(name, "identity") for name in ids)
    return compile_plan(
        PipelinePlanV2(
            "g", "LaneGraph", None, boundaries, stages, PlanConstraints(), tuple(made), policies, on_full
        )
    )


def shape(report: CompileReport) -> tuple[dict[str, str], list[str], list[str]]:
    """Lanes with kinds, roles as rx>name>tx, and inserted kinds with subjects."""
    spec = report.required().spec
    assert isinstance(spec, LaneGraph)
    lanes = {lane.name: lane.kind for lane in spec.lanes}
    roles = [f"{','.join(role.rx)}>{role.name}>{','.join(role.tx)}" for role in spec.roles]
    return lanes, roles, [f"{one.kind} {one.subject}" for one in report.lowering_diagnostics]


def test_a_chain_needs_nothing_inserted() -> None:
    lanes, roles, inserted = shape(graph("in->a", "a->b", "b->out"))
    assert lanes == {"lane-in-a": "events", "lane-a-b": "events", "lane-b-out": "events"}
    assert roles == ["lane-in-a>a>lane-a-b", "lane-a-b>b>lane-b-out"]
    assert inserted == []


def test_several_ways_out_get_a_router() -> None:
    lanes, roles, inserted = shape(
        graph("in->a", "a->b", "a->out", "b->out2", boundaries=(IN, OUT, PlanBoundary("out2", "egress")))
    )
    assert list(lanes) == ["lane-in-a", "out-a", "lane-a-b", "lane-a-out", "lane-b-out2"]
    assert roles == ["lane-in-a>a>out-a", "out-a>router-a>lane-a-b,lane-a-out", "lane-a-b>b>lane-b-out2"]
    assert inserted == ["RouterInserted router-a"]


def test_a_broadcast_gets_one_fan_lane_with_as_many_consumers() -> None:
    report = graph(
        "in->a",
        "a->b:FanoutBroadcast",
        "a->out:FanoutBroadcast",
        "b->e",
        boundaries=(IN, OUT, PlanBoundary("e", "egress")),
    )
    lanes, roles, _ = shape(report)
    assert lanes["fan-a"] == "fanout_broadcast" and "lane-a-b" not in lanes
    assert "out-a>router-a>fan-a" in roles and "fan-a>b>lane-b-e" in roles
    spec = report.required().spec
    assert isinstance(spec, LaneGraph)
    assert [lane.consumers for lane in spec.lanes if lane.name == "fan-a"] == [2]
    assert [endpoint.lane for endpoint in spec.endpoints if endpoint.name == "out"] == ["fan-a"]


def test_a_mixed_fan_is_no_broadcast_lane() -> None:
    lanes, _, _ = shape(
        graph(
            "in->a",
            "a->b:FanoutBroadcast",
            "a->out",
            "b->e",
            boundaries=(IN, OUT, PlanBoundary("e", "egress")),
        )
    )
    assert "fan-a" not in lanes
    assert (lanes["lane-a-b"], lanes["lane-a-out"]) == ("fanout_broadcast", "events")


def test_several_ways_in_get_a_merge() -> None:
    second = PlanBoundary("in2", "ingress")
    lanes, roles, inserted = shape(graph("in->a", "in2->a", "a->out", boundaries=(IN, second, OUT)))
    assert list(lanes) == ["lane-in-a", "in-a", "lane-in2-a", "lane-a-out"]
    assert roles == ["lane-in-a,lane-in2-a>merge-a>in-a", "in-a>a>lane-a-out"]
    assert inserted == ["MergeInserted merge-a"]


def test_another_intent_than_the_stage_has_gets_a_bridge_behind_it() -> None:
    lanes, roles, inserted = shape(graph("in->a", "a->out:Journal"))
    assert lanes == {"lane-in-a": "events", "pre-a-out": "events", "lane-a-out": "journal"}
    assert roles == ["lane-in-a>a>pre-a-out", "pre-a-out>bridge-a-out>lane-a-out"]
    assert inserted == ["BridgeInserted bridge-a-out"]


def test_a_stage_keeps_the_kind_that_its_inbound_connections_share() -> None:
    lanes, _, inserted = shape(graph("in->a:Journal", "a->out:Journal"))
    assert lanes == {"lane-in-a": "journal", "lane-a-out": "journal"}
    assert inserted == []


def test_inbound_intents_that_differ_are_bridged_before_the_merge() -> None:
    second = PlanBoundary("in2", "ingress")
    lanes, roles, inserted = shape(graph("in->a", "in2->a:Journal", "a->out", boundaries=(IN, second, OUT)))
    assert (lanes["lane-in2-a"], lanes["post-in2-a"], lanes["in-a"]) == ("journal", "events", "events")
    assert roles[:2] == ["lane-in2-a>bridge-in2-a>post-in2-a", "lane-in-a,post-in2-a>merge-a>in-a"]
    assert inserted == ["BridgeInserted bridge-in2-a", "MergeInserted merge-a"]


def test_a_stage_behind_a_broadcast_works_on_events() -> None:
    lanes, _, inserted = shape(graph("in->a:FanoutBroadcast", "a->out"))
    assert lanes == {"lane-in-a": "fanout_broadcast", "lane-a-out": "events"}
    assert inserted == []


def test_modes_reach_the_inserted_roles() -> None:
    second = PlanBoundary("in2", "ingress")
    policies = (PlanPolicy("a", "in_order"), PlanPolicy("a", "work_queue"))
    report = graph(
        "in->a",
        "in2->a",
        "a->b",
        "a->c",
        "b->out",
        "c->out",
        boundaries=(IN, second, OUT),
        policies=policies,
        on_full="Drop",
    )
    spec = report.required().spec
    assert isinstance(spec, LaneGraph)
    found = {role.name: role.mode or role.policy for role in spec.roles if role.kind != "stage"}
    assert found == {"merge-a": "in_order", "router-a": "work_queue", "merge-out": "round_robin"}
    assert spec.on_full == "drop"


def test_ids_become_indexes_in_topological_order_ties_by_position() -> None:
    stages = (
        PlanStage("d", "identity", ("b", "c")),
        PlanStage("c", "identity", ("a",)),
        PlanStage("b", "identity", ("a",)),
        PlanStage("a", "identity"),
    )
    spec = compile_plan(PipelinePlanV2("r", "SingleRing", stages=stages)).required().spec
    assert isinstance(spec, SingleRing)
    assert [(stage.name, stage.depends_on) for stage in spec.stages] == [
        ("a", ()),
        ("c", (0,)),
        ("b", (0,)),
        ("d", (1, 2)),
    ]


def test_findings_on_a_lowered_spec_name_the_lines_of_the_plan() -> None:
    stages = (PlanStage("b", "crc32c", ("a",)), PlanStage("a", "identity"), PlanStage("c", "exec:x", ("a",)))
    constraints = PlanConstraints(shards=99, ordering="PerKey", shard_key="json:/k", capacity=3)
    report = compile_plan(PipelinePlanV2("r", "SingleRing", stages=stages, constraints=constraints))
    assert [(f.code, f.where.key) for f in report.plan_diagnostics] == [
        ("E_SHARDS", "pipeline.constraints.shards"),
        ("E_CAPACITY", "pipeline.constraints.capacity"),
        ("E_EXEC_PATH", "pipeline.stages.2.key"),
    ]


@pytest.mark.parametrize(
    ("connections", "code", "category"),
    [
        (("in->a", "a->b", "b->c", "c->b", "c->out"), "E_CYCLE", "Cycle"),
        (("in->a", "a->out", "b->out"), "E_UNREACHABLE", "Unreachable"),
        (("in->a", "a->a", "a->out"), "E_SELF_DEPENDENCY", "SelfDependency"),
        (("in->a", "in->a", "a->out"), "E_DUPLICATE", "Duplicate"),
        (("in->a", "a->in", "a->out"), "E_BOUNDARY", "Boundary"),
        (("in->a", "out->a"), "E_BOUNDARY", "Boundary"),
        (("in->a",), "E_BOUNDARY", "Boundary"),
        # Two connections whose generated lanes would have one name.
        (("in->a", "a->b-c", "a-b->c", "in->a-b", "b-c->out", "c->out"), "E_DUPLICATE", "Duplicate"),
        (("in->a", *(f"a->s{n}" for n in range(17)), "s0->out"), "E_ROLE_ARITY", "Constraint"),
        (
            ("in->a", *(f"a->s{n}" for n in range(2)), "s0->out", "s1->router-a", "router-a->out"),
            "E_DUPLICATE",
            "Duplicate",
        ),
    ],
)
def test_a_graph_that_cannot_be_is_refused(connections: tuple[str, ...], code: str, category: str) -> None:
    report = graph(*connections)
    assert [(f.code, f.category) for f in report.plan_diagnostics] == [(code, category)]
    assert not report.ok


@pytest.mark.parametrize(("boundaries", "code"), [((IN,), "E_NO_EGRESS"), ((OUT,), "E_NO_INGRESS")])
def test_a_graph_needs_both_ends(boundaries: tuple[PlanBoundary, ...], code: str) -> None:
    report = graph("in->a" if IN in boundaries else "a->out", boundaries=boundaries)
    assert code in [finding.code for finding in report.plan_diagnostics]


def test_a_clash_of_made_names_is_told_in_words_of_the_plan() -> None:
    (finding,) = graph("in->a", "a->b-c", "a-b->c", "in->a-b", "b-c->out", "c->out").plan_diagnostics
    assert finding.where.key == "pipeline.connections.2"
    assert finding.message == (
        "`pipeline.connections.1` and `pipeline.connections.2` would both make a lane `lane-a-b-c`"
    )


def test_the_17th_way_out_is_the_one_too_many() -> None:
    (finding,) = graph("in->a", *(f"a->s{n}" for n in range(17)), "s0->out").plan_diagnostics
    assert finding.where.key == "pipeline.connections.17.from" and "the limit is 16" in finding.message


def test_16_ways_out_are_enough() -> None:
    assert graph("in->a", *(f"a->s{n}" for n in range(16)), "s0->out").ok


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        (PlanPolicy("a", "broadcast"), "E_BOUNDARY"),
        (PlanPolicy("a", "in_order"), "E_BOUNDARY"),
        (PlanPolicy("in", "round_robin"), "E_BOUNDARY"),
        (PlanPolicy("b", "broadcast"), "E_UNKNOWN_REF"),
    ],
)
def test_a_policy_stands_where_there_is_something_to_decide(policy: PlanPolicy, code: str) -> None:
    report = graph("in->a", "a->out", policies=(policy,))
    assert [finding.code for finding in report.plan_diagnostics] == [code]


def test_a_broadcast_cannot_be_shared_out() -> None:
    ends = (IN, OUT, PlanBoundary("e", "egress"))
    report = graph(
        "in->a", "a->out:FanoutBroadcast", "a->e", boundaries=ends, policies=(PlanPolicy("a", "work_queue"),)
    )
    assert [(f.code, f.category) for f in report.plan_diagnostics] == [("E_INTENT", "UnsupportedIntent")]


def test_two_policies_of_one_sort_are_a_duplicate() -> None:
    policies = (PlanPolicy("a", "broadcast"), PlanPolicy("a", "work_queue"))
    ends = (IN, OUT, PlanBoundary("e", "egress"))
    report = graph("in->a", "a->out", "a->e", boundaries=ends, policies=policies)
    assert [finding.code for finding in report.plan_diagnostics] == ["E_DUPLICATE"]


def test_both_payloads_in_one_plan_give_two_projections() -> None:
    stages = (PlanStage("a", "identity"), PlanStage("b", "crc32c", ("a",)))
    connections = (PlanConnection("in", "a"), PlanConnection("a", "b"), PlanConnection("b", "out"))
    plan = PipelinePlanV2("p", "SingleRing", boundaries=(IN, OUT), stages=stages, connections=connections)
    ring = compile_plan(plan).required()
    other = PipelinePlanV2("p", "LaneGraph", boundaries=(IN, OUT), stages=stages, connections=connections)
    assert (ring.model, compile_plan(other).required().model) == ("single_ring", "lane_graph")


@pytest.mark.parametrize("seed", ["0", "1", "4711"])
def test_the_hash_seed_of_python_changes_nothing(seed: str, specs: Path) -> None:
    files = sorted(map(str, specs.glob("*.kv")))
    script = "import sys\nfrom byteor.spec import load\nprint(*[load(f).canonical for f in sys.argv[1:]])"
    env = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(
        [sys.executable, "-c", script, *files], capture_output=True, text=True, check=True, env=env
    )
    from byteor.spec import load

    assert done.stdout.strip() == " ".join(str(load(file).canonical) for file in files)


def test_a_built_value_obeys_the_same_rules_as_a_file() -> None:
    smuggled = "identity\nsingle_ring.capacity=4"
    for key in (smuggled, "caf\u00e9", "a\0b", ""):
        plan = PipelinePlanV2("r", "SingleRing", stages=(PlanStage("a", key),))
        report = check_value(plan)
        assert not report.ok
        assert report.plan_diagnostics[0].code in ("E_ENCODING", "E_LINE")


def test_settings_of_the_other_target_are_told_unless_they_are_its_defaults() -> None:
    connections = (PlanConnection("in", "a"), PlanConnection("a", "out"))
    stages = (PlanStage("a", "identity"),)

    def found(target: str, **more: object) -> list[str]:
        plan = PipelinePlanV2("p", target, None, (IN, OUT), stages, **more)  # type: ignore[arg-type]
        return [finding.code for finding in compile_plan(plan).plan_diagnostics]

    graph_plan = {"connections": connections}
    assert found("LaneGraph", **graph_plan, constraints=PlanConstraints(shards=1, ordering="Strict")) == []
    assert found("LaneGraph", **graph_plan, constraints=PlanConstraints(shards=4)) == ["E_TARGET"]
    assert found("LaneGraph", **graph_plan, constraints=PlanConstraints(shard_key="json:/a")) == ["E_TARGET"]
    assert found("SingleRing", on_full="Block") == []
    assert found("SingleRing", on_full="Drop") == ["E_TARGET"]
    assert found("SingleRing", boundary_policy=(PlanPolicy("in", "work_queue"),)) == ["E_TARGET"]
    assert found("SingleRing", connections=connections, on_full="Drop") == []


def test_a_plan_that_cannot_be_lowered_is_still_told_about_its_settings() -> None:
    stages = (PlanStage("a", "exec:x", ("b",)), PlanStage("b", "identity", ("a",)))
    constraints = PlanConstraints(shards=4, ordering="Strict", producer="Mpmc", capacity=3)
    report = compile_plan(PipelinePlanV2("r", "SingleRing", stages=stages, constraints=constraints))
    assert sorted(finding.code for finding in report.plan_diagnostics) == [
        "E_CAPACITY",
        "E_CYCLE",
        "E_EXEC_PATH",
        "E_ORDERING",
        "E_ORDERING",
        "E_PRODUCER",
    ]
