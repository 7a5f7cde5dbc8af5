"""The rules of a lane graph, where the examples of the codes leave something open."""

from __future__ import annotations

import pytest

from byteor.spec import check_document, read_document
from byteor.spec.build import GraphBuilder, lane_graph
from byteor.spec.errors import SpecError
from byteor.spec.explain_examples import FAN, GRAPH, Edits, text
from byteor.spec.limits import memory_bytes

L, R = "lane_graph.lanes.", "lane_graph.roles."


def codes(base: dict[str, str], edits: Edits) -> list[str]:
    report = check_document(read_document(text(base, edits).encode()))
    return [finding.code for finding in report.plan_diagnostics]


def refused(builder: GraphBuilder) -> set[str]:
    with pytest.raises(SpecError) as caught:
        builder.build()
    return {finding.code for finding in caught.value.findings}


def test_a_cycle_is_named_as_messages_would_travel() -> None:
    built = (
        lane_graph("g")
        .lane("a")
        .lane("b")
        .lane("c")
        .lane("d")
        .lane("back")
        .ingress("in", "a")
        .egress("out", "d")
        .merge("join", rx=["a", "back"], tx="b")
        .stage("work", "identity", rx="b", tx="c")
        .router("split", rx="c", tx=["d", "back"])
    )
    with pytest.raises(SpecError) as caught:
        built.build()
    assert [finding.code for finding in caught.value.findings] == ["E_CYCLE"]
    assert "join -> b -> work -> c -> split -> back -> join" in caught.value.message


def test_a_lane_has_exactly_one_writer_and_one_reader() -> None:
    base = lane_graph("g").lane("a").lane("b").ingress("in", "a").egress("out", "b")
    assert refused(base.stage("s", "identity", rx="a", tx="b").stage("t", "identity", rx="a", tx="b")) == {
        "E_LANE_READERS",
        "E_LANE_WRITERS",
    }
    assert refused(base.stage("s", "identity", rx="a", tx="b").egress("again", "b")) == {"E_LANE_READERS"}
    assert refused(base.stage("s", "identity", rx="a", tx="b").ingress("again", "a")) == {"E_LANE_WRITERS"}


def test_several_producers_are_right_where_the_lane_says_so() -> None:
    base = lane_graph("g").lane("a", producers="multi").lane("b").ingress("in", "a").egress("out", "b")
    built = base.stage("s", "identity", rx="a", tx="b")
    assert refused(built) == {"E_LANE_WRITERS"}
    assert built.ingress("in2", "a").build().model == "lane_graph"


def test_a_journal_may_have_any_number_of_readers() -> None:
    for readers in range(3):
        built = lane_graph("g").lane("a").lane("b").lane("j", "journal").ingress("in", "a").egress("out", "b")
        built = built.router("r", rx="a", tx=["b", "j"])
        for number in range(readers):
            built = built.egress(f"tap{number}", "j")
        assert built.build()


def test_what_nothing_reaches_is_unreachable_even_when_other_rules_break_too() -> None:
    base = lane_graph("g").lane("a").lane("b").lane("x").lane("y").ingress("in", "a").egress("out", "b")
    base = base.bridge("s", rx="a", tx="b").bridge("lost", rx="x", tx="y")
    assert refused(base) == {"E_UNREACHABLE", "E_LANE_WRITERS", "E_LANE_READERS"}


def test_a_wrong_reference_is_told_alone_with_a_guess() -> None:
    report = check_document(read_document(text(GRAPH, {R + "0.rx.0": "aa", L + "0.name": "aaa"}).encode()))
    assert {finding.code for finding in report.plan_diagnostics} == {"E_REF"}
    assert any(finding.hint == "did you mean `aaa`?" for finding in report.plan_diagnostics)


@pytest.mark.parametrize(
    ("edits", "code"),
    [
        ({R + "0.key": None}, "E_MISSING"),
        ({R + "0.mode": "broadcast"}, "E_FIELD"),
        ({L + "0.consumers": "1"}, "E_FIELD"),
        ({L + "0.kind": "journal", L + "0.producers": "single", L + "1.kind": "journal"}, "E_FIELD"),
        ({L + "0.kind": "event"}, "E_VALUE"),
        ({L + "0.capacity": "1"}, "E_CAPACITY"),
        ({L + "0.capacity": "2097152"}, "E_CAPACITY"),
        ({L + "0.slot_bytes": "7"}, "E_CAPACITY"),
        ({L + "0.slot_bytes": "1048577"}, "E_CAPACITY"),
        ({L + "0.slot_bytes": "1048576", L + "0.capacity": "1048576"}, "E_CAPACITY"),
        ({"lane_graph.endpoints.0.kind": "inward"}, "E_VALUE"),
        ({R + "0.kind": "stages"}, "E_VALUE"),
    ],
)
def test_one_wrong_value_is_one_finding(edits: Edits, code: str) -> None:
    assert codes(GRAPH, edits) == [code]


@pytest.mark.parametrize(
    "edits",
    [
        {L + "0.capacity": "2", L + "0.slot_bytes": "8"},
        {L + "0.capacity": "1048576"},
        {L + "0.slot_bytes": "1048576", L + "0.capacity": "32768"},
        {R + "0.kind": "bridge", R + "0.key": None, L + "1.kind": "journal"},
        {R + "0.kind": "router", R + "0.key": None},
    ],
)
def test_values_at_the_edge_are_right(edits: Edits) -> None:
    assert codes(GRAPH, edits) == []


def test_64_gib_are_right_and_one_slot_s_rounding_more_is_not() -> None:
    edits: Edits = {L + "0.capacity": "1048576", L + "0.slot_bytes": "65504", L + "1.capacity": "16"}
    full = check_document(read_document(text(GRAPH, edits | {L + "1.slot_bytes": "1048512"}).encode()))
    assert memory_bytes(full.required().spec) == 64 << 30
    assert codes(GRAPH, edits | {L + "1.slot_bytes": "1048513"}) == ["E_CAPACITY"]


def test_a_stage_behind_a_broadcast_may_only_write_events() -> None:
    assert codes(FAN, {}) == []
    assert codes(FAN, {L + "1.kind": "sequenced_slots"}) == ["E_KIND_MISMATCH"]
