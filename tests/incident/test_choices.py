"""What timing decided in a run is recorded, and a replay decides the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from byteor.acts import replays
from byteor.acts.captures import capture_of
from byteor.acts.run import RunOrder, run
from byteor.incident.replay.decided import Decided
from byteor.incident.replay.inputs import Range, extent
from byteor.spec.build import GraphBuilder, lane_graph, single_ring


def merged() -> GraphBuilder:
    return (
        lane_graph("timed")
        .lane("a", capacity=64).lane("b", capacity=64).lane("c", capacity=64)
        .ingress("left", "a").ingress("right", "b")
        .merge("both", rx=["a", "b"], tx="c", policy="round_robin")
        .egress("out", "c")
    )  # fmt: skip


def ran(home: Path, graph: GraphBuilder, sources: tuple[str, ...]) -> str:
    path = home / "timed.spec.kv"
    path.write_bytes(graph.build().canonical)
    return run(RunOrder(spec=path, sources=sources, sinks=("null:",))).result.run_id


def test_a_merge_by_turns_is_followed_so_that_order_is_compared(home: Path) -> None:
    run_id = ran(home, merged(), ("left=generate:3000,40,7", "right=generate:3000,40,8"))
    choices = extent(capture_of(run_id)).choices
    assert [sum(count for _, count in runs) for runs in choices.values()] == [6000]
    for _ in range(3):
        done = replays.replay_now(replays.ReplayRequest(which=run_id)).replayed
        assert (done.counts.equal, done.diverged, done.ordered) == (6000, False, True)
    part = replays.replay_now(replays.ReplayRequest(which=run_id, range=Range(last=999))).replayed
    assert (part.counts.equal, part.ordered) == (1000, True)
    rest = replays.replay_now(replays.ReplayRequest(which=run_id, range=Range(first=1000))).replayed
    assert (rest.counts.equal, rest.diverged, rest.ordered) == (5000, False, False)


def test_other_choices_than_recorded_are_another_order(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = ran(home, merged(), ("left=generate:500,40,7", "right=generate:500,40,8"))
    found = extent(capture_of(run_id))
    (row,) = found.choices
    from byteor.incident.replay import session

    turned = [(1 - which, count) for which, count in found.choices[row]]
    monkeypatch.setattr(session, "as_decided", lambda wiring, *_, **__: Decided(wiring, {row: turned}))
    done = replays.replay_now(replays.ReplayRequest(which=run_id)).replayed
    assert done.counts.order > 0
    assert (done.counts.data, done.counts.missing, done.counts.extra) == (0, 0, 0)


def test_a_work_queue_is_followed_too(home: Path) -> None:
    graph = (
        lane_graph("timed")
        .lane("a", capacity=64).lane("b", capacity=64).lane("c", capacity=64).lane("d", capacity=64)
        .ingress("in", "a")
        .router("share", rx="a", tx=["b", "c"], mode="work_queue")
        .merge("both", rx=["b", "c"], tx="d", policy="round_robin")
        .egress("out", "d")
    )  # fmt: skip
    run_id = ran(home, graph, ("generate:3000,40,7",))
    assert len(extent(capture_of(run_id)).choices) == 2
    done = replays.replay_now(replays.ReplayRequest(which=run_id)).replayed
    assert (done.counts.equal, done.diverged, done.ordered) == (3000, False, True)


def test_of_shards_each_has_its_order(home: Path) -> None:
    path = home / "shards.spec.kv"
    ring = single_ring("shards", capacity=64, shards=3, shard_key="bytes:13:3")
    path.write_bytes(ring.stage("one", "crc32c_append").build().canonical)
    order = RunOrder(spec=path, sources=("generate:3000,40,7",), sinks=("null:",))
    run_id = run(order).result.run_id
    for wanted in (Range(), Range(first=1000, last=1999)):
        done = replays.replay_now(replays.ReplayRequest(which=run_id, range=wanted)).replayed
        assert (done.counts.equal, done.diverged, done.ordered) == (done.inputs, False, True)


def test_a_graph_of_journal_lanes_replays_from_end_to_end(home: Path) -> None:
    graph = lane_graph("timed")
    for lane in "abc":
        graph = graph.lane(lane, "journal", capacity=64)
    graph = (
        graph.ingress("in", "a")
        .stage("s1", "identity", rx="a", tx="b")
        .stage("s2", "crc32c_append", rx="b", tx="c")
        .egress("out", "c")
    )
    done = replays.replay_now(replays.ReplayRequest(which=ran(home, graph, ("generate:2000,40,7",)))).replayed
    assert (done.counts.equal, done.diverged, done.ordered) == (2000, False, True)
