"""All findings of a file in one pass, and no finding that is only the consequence of another."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from byteor.spec import check_document, encode, read_document
from byteor.spec.explain_examples import FAN, GRAPH, GRAPH_PLAN, PLAN, RING, Edits, text

sys.path.insert(0, str(Path(__file__).parent))

import spec_documents

L, R, E = "lane_graph.lanes.", "lane_graph.roles.", "lane_graph.endpoints."
S, C, B = "pipeline.stages.", "pipeline.connections.", "pipeline.boundaries."
LOST: Edits = {S + "1.id": "lost", S + "1.key": "identity"}  # a stage that nothing is connected to
DIAMOND = (
    GRAPH_PLAN | LOST | {C + "2.from": "in", C + "2.to": "lost", C + "3.from": "lost", C + "3.to": "out"}
)


@pytest.mark.parametrize(
    ("base", "edits", "expected"),
    [
        # one wrong reference hides nothing that it is not the cause of
        (GRAPH_PLAN, {C + "0.from": "inn", **LOST}, {"E_UNKNOWN_REF", "E_UNREACHABLE"}),
        (
            GRAPH_PLAN,
            {C + "1.to": "nowhere", B + "1.kind": "ingress"},
            {"E_UNKNOWN_REF", "E_NO_EGRESS", "E_BOUNDARY"},
        ),
        (GRAPH_PLAN, {C + "0.from": "inn"}, {"E_UNKNOWN_REF"}),
        (GRAPH_PLAN, {C + "0.to": "scor"}, {"E_UNKNOWN_REF"}),
        (GRAPH_PLAN, {C + "1.to": "nowhere"}, {"E_UNKNOWN_REF"}),
        (
            GRAPH_PLAN,
            {C + "1.to": "nowhere", C + "0.from": "score", C + "0.to": "in"},
            {"E_UNKNOWN_REF", "E_BOUNDARY"},
        ),
        (
            DIAMOND,
            {C + "0.from": "inn", C + "3.to": "score", C + "1.to": "lost"},
            {"E_UNKNOWN_REF", "E_CYCLE", "E_BOUNDARY"},
        ),
        (GRAPH_PLAN, {S + "0.id": "Score"}, {"E_NAME"}),
        (GRAPH_PLAN, {B + "0.kind": "inward"}, {"E_VALUE"}),
        (GRAPH_PLAN, {S + "0.key": "Bad", B + "1.kind": "ingress"}, {"E_VALUE", "E_NO_EGRESS", "E_BOUNDARY"}),
        (GRAPH_PLAN, {C + "0.intent": "Event", **LOST}, {"E_INTENT", "E_UNREACHABLE"}),
        (GRAPH_PLAN, {C + "0.from": "score", C + "0.to": "in"}, {"E_BOUNDARY"}),
        (PLAN, {S + "0.depends_on.0": "detect", S + "1.key": "Bad"}, {"E_VALUE", "E_CYCLE"}),
        (
            PLAN,
            {S + "1.depends_on.1": "nothing", S + "0.depends_on.0": "detect"},
            {"E_UNKNOWN_REF", "E_CYCLE"},
        ),
        (PLAN, {S + "1.depends_on.0": None, S + "1.depends_on.1": "parse"}, {"E_INDEX"}),
        # spec: lane graph
        (
            GRAPH,
            {L + "0.capacity": "1k", E + "1.kind": "ingress", R + "0.rx.0": "bb"},
            {"E_TYPE", "E_NO_EGRESS", "E_REF", "E_LANE_WRITERS"},
        ),
        (GRAPH, {E + "0.lane": "nolane"}, {"E_REF"}),
        (GRAPH, {E + "1.lane": "nolane"}, {"E_REF"}),
        (GRAPH, {R + "0.rx.0": "nolane"}, {"E_REF"}),
        (GRAPH, {R + "0.tx.0": "nolane"}, {"E_REF"}),
        (GRAPH, {L + "0.name": "A"}, {"E_NAME"}),
        (GRAPH, {L + "1.name": "a"}, {"E_DUP_NAME", "E_REF"}),
        (
            GRAPH,
            {L + f"{n}.{k}": v for n in "23" for k, v in (("name", "j"), ("kind", "journal"))},
            {"E_DUP_NAME"},
        ),
        (GRAPH, {R + "0.rx.0": None}, {"E_ROLE_ARITY", "E_LANE_READERS", "E_UNREACHABLE"}),
        (GRAPH, {R + "0.rx.1": "a", R + "0.rx.0": None}, {"E_INDEX"}),
        (
            GRAPH,
            {R + "0.rx.1": "b", E + "0.lane": "nolane"},
            {"E_REF", "E_ROLE_ARITY", "E_LANE_READERS", "E_CYCLE"},
        ),
        (FAN, {L + "0.consumers": "many"}, {"E_TYPE"}),
        (FAN, {R + "1.kind": "act", E + "1.kind": "ingress"}, {"E_VALUE", "E_NO_EGRESS", "E_LANE_WRITERS"}),
        # spec: ring
        (
            RING,
            {"single_ring.stages.0.key": "Bad", "single_ring.stages.1.depends_on.0": "7"},
            {"E_VALUE", "E_DEP_RANGE"},
        ),
        (
            RING,
            {"single_ring.stages.0.name": "Bad", "single_ring.stages.1.depends_on.0": "7"},
            {"E_NAME", "E_DEP_RANGE"},
        ),
        (RING, {"single_ring.stages.1.depends_on.0": "x"}, {"E_TYPE"}),
        (
            RING,
            {"single_ring.stages.1.depends_on.0": "0", "single_ring.stages.1.depends_on.1": "x"},
            {"E_TYPE"},
        ),
        (
            RING,
            {"single_ring.stages.1.depends_on.0": None, "single_ring.stages.1.depends_on.1": "0"},
            {"E_INDEX"},
        ),
    ],
)
def test_what_is_wrong_is_told_at_once_and_what_follows_is_not(
    base: dict[str, str], edits: Edits, expected: set[str]
) -> None:
    report = check_document(read_document(text(base, edits).encode()))
    assert {finding.code for finding in report.plan_diagnostics} == expected, report.plan_diagnostics


@pytest.mark.parametrize("seed", range(12))
def test_one_misspelt_reference_in_a_right_plan_is_one_finding(seed: int) -> None:
    """Whatever the plan: what a typo brings about is not told as further faults."""
    r = random.Random(seed)
    lines = encode(spec_documents.right_plan(r, 6)).decode().splitlines()
    ends = [n for n, line in enumerate(lines) if line.partition("=")[0].endswith((".from", ".to"))]
    for place in ends:
        changed = [*lines[:place], lines[place] + "x", *lines[place + 1 :]]
        report = check_document(read_document("\n".join(changed).encode()))
        codes = [finding.code for finding in report.plan_diagnostics]
        assert codes == ["E_UNKNOWN_REF"], (lines[place], codes)


@pytest.mark.parametrize("seed", range(12))
def test_one_misspelt_lane_in_a_right_spec_is_one_finding(seed: int) -> None:
    r = random.Random(seed)
    lowered = check_document(read_document(encode(spec_documents.right_plan(r, 6)))).required()
    lines = lowered.canonical.decode().splitlines()
    for place, line in enumerate(lines):
        key = line.partition("=")[0]
        if key.endswith(".lane") or ".rx." in key or ".tx." in key:
            changed = [*lines[:place], line + "x", *lines[place + 1 :]]
            report = check_document(read_document("\n".join(changed).encode()))
            codes = [finding.code for finding in report.plan_diagnostics]
            assert codes == ["E_REF"], (line, codes)


def test_a_role_that_names_a_lane_twice_is_one_user_of_it() -> None:
    edits: Edits = {
        L + "1.producers": "multi",
        R + "0.kind": "router",
        R + "0.key": None,
        R + "0.tx.1": "b",
    }
    report = check_document(read_document(text(GRAPH, edits).encode()))
    assert [(f.code, f.where.key) for f in report.plan_diagnostics] == [
        ("E_LANE_WRITERS", L + "1.name"),
        ("E_ROLE_ARITY", R + "0.tx.1"),
    ]
    merge: Edits = {L + "0.kind": "fanout_broadcast", L + "0.consumers": "2", R + "0.kind": "merge"}
    merge |= {R + "0.key": None, R + "0.rx.1": "a"}
    report = check_document(read_document(text(GRAPH, merge).encode()))
    assert {finding.code for finding in report.plan_diagnostics} == {"E_LANE_READERS", "E_ROLE_ARITY"}
