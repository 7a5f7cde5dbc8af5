"""The order of a lane with several producers, and what a full lane lost, are recorded, and a replay does the
same, whether workers are threads or processes."""

from __future__ import annotations

from pathlib import Path

import pytest
from kernels import needs_native
from scenes import Scene

from byteor.acts import replays
from byteor.acts.captures import capture_of
from byteor.acts.run import RunOrder, run
from byteor.incident.capture import Capture
from byteor.incident.recording import open_capture
from byteor.incident.replay.inputs import extent
from byteor.runtime.wiring.groups import Executor
from byteor.spec.build import GraphBuilder, lane_graph

STAGES = """
import time
from byteor.runtime.stages import stage

@stage
def tag(message):
    return message + b"!"

@stage
def slow(message):
    time.sleep(0.0005)
    return message

@stage
def twice(message):
    return [message, message + b"2"]
"""


def ran(home: Path, graph: GraphBuilder, executor: Executor, *sources: str) -> str:
    modules = home / f"stages_{home.name}.py"  # one of its own for each test: modules stay loaded
    modules.write_text(STAGES)
    path = home / "turns.spec.kv"
    path.write_bytes(graph.build().canonical)
    order = RunOrder(
        spec=path,
        sources=sources,
        sinks=("null:",),
        executor=executor,
        stage_modules=(str(modules),),
    )
    ended = run(order)
    assert ended.result.state == "finished", ended.result
    return ended.result.run_id


def shared() -> GraphBuilder:
    """Two sources and a broadcast whose branches end in one lane: the same origin comes twice."""
    return (
        lane_graph("turns")
        .lane("a", capacity=16).lane("b", capacity=16).lane("c", capacity=16)
        .lane("d", capacity=16, producers="multi").lane("e", capacity=16)
        .ingress("left", "a").ingress("right", "d")
        .router("both", rx="a", tx=["b", "c"], mode="broadcast")
        .stage("plain", "identity", rx="b", tx="d")
        .stage("tagged", "tag", rx="c", tx="d")
        .stage("last", "crc32c_append", rx="d", tx="e")
        .egress("out", "e")
    )  # fmt: skip


def dropping() -> GraphBuilder:
    return (
        lane_graph("turns", on_full="drop")
        .lane("a", capacity=64).lane("b", capacity=4).lane("c", capacity=64)
        .ingress("in", "a")
        .stage("more", "twice", rx="a", tx="b")
        .stage("late", "slow", rx="b", tx="c")
        .egress("out", "c")
    )  # fmt: skip


@needs_native
@pytest.mark.parametrize("executor", ["sp", "mp"])
def test_producers_of_one_lane_take_the_recorded_turns(home: Path, executor: Executor) -> None:
    run_id = ran(home, shared(), executor, "left=generate:2000,40,7", "right=generate:2000,40,8")
    for _ in range(2):
        done = replays.replay_now(replays.ReplayRequest(which=run_id)).replayed
        assert (done.counts.equal, done.diverged, done.ordered) == (6000, False, True)


@pytest.mark.parametrize("executor", ["sp", "mp"])
def test_what_a_full_lane_lost_is_lost_again_and_nothing_else(home: Path, executor: Executor) -> None:
    run_id = ran(home, dropping(), executor, "generate:2000,40,7")
    found = extent(capture_of(run_id))
    lost = -sum(n for ends in found.turns.values() for turns in ends.values() for _, n in turns if n < 0)
    assert lost > 0
    done = replays.replay_now(replays.ReplayRequest(which=run_id)).replayed
    assert (done.counts.beyond, done.diverged, done.ordered) == (0, False, True)
    assert done.counts.equal == found.outputs < 4000


@needs_native
@pytest.mark.parametrize("executor", ["sp", "mp"])
def test_a_merge_in_order_behind_losses_is_followed(home: Path, executor: Executor) -> None:
    """Its branches lose different messages, so that what it waits for is what the recording says."""
    graph = (
        lane_graph("turns", on_full="drop")
        .lane("a", capacity=64).lane("b", capacity=4).lane("c", capacity=4)
        .lane("d", capacity=8, producers="multi").lane("e", capacity=8)
        .lane("f", capacity=8).lane("g", capacity=8)
        .ingress("left", "a").ingress("right", "d")
        .router("both", rx="a", tx=["b", "c"], mode="broadcast")
        .stage("late", "slow", rx="b", tx="e")
        .stage("more", "twice", rx="c", tx="d")
        .stage("plain", "identity", rx="d", tx="f")
        .merge("again", rx=["e", "f"], tx="g", policy="in_order")
        .egress("out", "g")
    )  # fmt: skip
    run_id = ran(home, graph, executor, "left=generate:1500,40,7", "right=generate:1500,40,8")
    done = replays.replay_now(replays.ReplayRequest(which=run_id)).replayed
    assert (done.counts.equal, done.diverged, done.ordered) == (done.extent.outputs, False, True)
    assert 0 < done.counts.equal < 6000


def test_decisions_that_were_not_told_to_the_end_are_not_followed(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "", "identity")
    capture = Capture(tmp_path / "capture", scene.facts(), scene.spec.canonical)
    capture.ingress(0, 0, 0, 1, [b"a", b"b"])
    for row in (1, 2):
        capture.choices(row, 0, 2)
        capture.turns(row, 0, (0, 1))
        capture.turns(row, 0, (1, 1))
    capture.undecided(2)
    capture.note({"state": "failed"})
    capture.close()
    found = extent(open_capture(capture.folder))
    assert found.choices == {1: [(0, 2)]}
    assert found.turns == {1: {0: [(0, 1), (1, 1)]}}


def test_a_run_that_broke_off_may_lack_what_its_lanes_held(tmp_path: Path) -> None:
    """One branch was behind: outputs older than the last recorded one were still on their way."""
    from byteor.incident.frames import Batch, egress_frame, read_frame
    from byteor.incident.replay.compare import Comparison

    recorded = read_frame(egress_frame(0, Batch.of([0, 2, 9], [0] * 3, [b"a", b"c", b"j"]), 1))
    for in_flight, extra in ((0, 2), (1, 2), (2, 0)):
        compared = Comparison(0, [recorded], ordered=False, recorded_to=9, in_flight=in_flight)
        compared.feed(Batch.of([0, 1, 2, 3, 9, 10], [0] * 6, [b"a", b"b", b"c", b"d", b"j", b"k"]))
        counts = compared.finish().counts
        assert (counts.equal, counts.extra, counts.beyond) == (3, extra, 3 - extra)
