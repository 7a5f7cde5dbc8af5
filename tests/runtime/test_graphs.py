"""Lane graphs and shards, run in this process: what a person would promise of them, one by one."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from plays import ListSink, ListSource, QuietSource, play_ends

from byteor.errors import ByteorError
from byteor.indexbus import kernel_name
from byteor.runtime.folders import find_run, read_run
from byteor.runtime.observe import RunObserver
from byteor.runtime.prepare import Prepared, prepare
from byteor.runtime.shards import shard_of
from byteor.runtime.snapshot import take_snapshot
from byteor.spec.build import lane_graph, single_ring

MODULES = ("graph_stages",)
no_twin = pytest.mark.skipif(kernel_name() == "pure", reason="the twin has no MPSC")


def numbers(count: int, batch: int = 50) -> ListSource:
    messages = [b"in:%d" % n for n in range(count)]
    return ListSource([messages[at : at + batch] for at in range(0, count, batch)])


def line(*keys: str, on_full: str = "block", capacity: int = 64) -> Prepared:
    """One source, a stage for each of ``keys``, one sink."""
    graph = lane_graph("line", on_full=on_full).ingress("in", "l0")
    for index, key in enumerate(keys):
        graph = graph.lane(f"l{index}", capacity=capacity)
        graph = graph.stage(f"s{index}", key, rx=f"l{index}", tx=f"l{index + 1}")
    graph = graph.lane(f"l{len(keys)}", capacity=capacity).egress("out", f"l{len(keys)}")
    return prepare(graph.build(), MODULES)


def merged(policy: str) -> Prepared:
    graph = (
        lane_graph("merged")
        .lane("a").lane("b").lane("c")
        .ingress("left", "a").ingress("right", "b")
        .merge("both", rx=["a", "b"], tx="c", policy=policy)
        .egress("out", "c")
    )  # fmt: skip
    return prepare(graph.build(), MODULES)


class Remembering(ListSource):
    """When its batches are over it looks what it may forget, until that is half of its messages."""

    def __init__(self, count: int) -> None:
        super().__init__([[b"in:%d" % n] for n in range(count)])
        self._half, self._given, self.committed, self.meanwhile = count // 2, 0, 0, 0

    def read(self, max_messages: int, timeout_s: float) -> Sequence[bytes] | None:
        found = super().read(max_messages, timeout_s)
        if found is not None:
            self._given += len(found)
            return found
        self.meanwhile = self.committed
        if self.meanwhile >= self._half:
            return None
        time.sleep(timeout_s)
        return []

    def checkpoint(self) -> object:
        return self._given

    def commit(self, position: object) -> None:
        assert isinstance(position, int)
        self.committed = position


def shared() -> Prepared:
    graph = lane_graph("shared").lane("all", producers="multi").ingress("left", "all").ingress("right", "all")
    return prepare(graph.egress("out", "all").build(), MODULES)


def sharded() -> Prepared:
    ring = single_ring("sharded", shards=2, shard_key="bytes:3:4").stage("mark", "tag:m")
    return prepare(ring.build(), MODULES)


@pytest.mark.parametrize(
    ("prepared", "others"),
    [
        (lambda: line("doubles:d", "identity"), []),
        (lambda: merged("in_order"), [QuietSource]),
        (lambda: merged("round_robin"), [QuietSource]),
        pytest.param(shared, [QuietSource], marks=no_twin),
        (sharded, []),
    ],
    ids=["line", "merged in order", "merged by turns", "several producers", "shards"],
)
def test_a_source_may_forget_while_the_run_works(
    folders: Path, prepared: Callable[[], Prepared], others: list[Callable[[], QuietSource]]
) -> None:
    source = Remembering(400)
    ends: Any = [source, *(other() for other in others)]
    ended, _ = play_ends(prepared(), ends, [ListSink()], run_for_s=1.5 if others else None)
    assert ended.result.state == "finished"
    assert source.meanwhile >= 200
    assert source.committed == 400


@pytest.mark.parametrize("policy", ["round_robin", "in_order"])
def test_a_quiet_source_holds_nobody_up(folders: Path, policy: str) -> None:
    sink = ListSink()
    ended, _ = play_ends(merged(policy), [numbers(500), QuietSource()], [sink], run_for_s=1.5)
    assert (ended.result.state, ended.result.unfinished) == ("finished", 0)
    assert sink.got == [b"in:%d" % n for n in range(500)]


def test_what_a_full_lane_drops_is_counted_to_the_message(folders: Path) -> None:
    sink = ListSink(slow_s=0.002)
    ended, sample = play_ends(line("identity", on_full="drop", capacity=4), [numbers(2000)], [sink])
    result = ended.result
    assert result.state == "finished"
    assert result.messages_in == 2000 == result.messages_out + result.dropped
    assert result.dropped > 0
    assert sum(lane.dropped_full for lane in sample.lanes) == result.dropped
    assert max(lane.high_water for lane in sample.lanes) == 4


def test_a_list_fans_out_and_none_filters(folders: Path) -> None:
    sink = ListSink()
    ended, _ = play_ends(line("doubles:d", "thirds:t"), [numbers(90)], [sink])
    assert ended.result.filtered + len(sink.got) == 180
    assert ended.result.filtered > 0


def test_the_first_failure_is_told_by_stage_message_and_digest(folders: Path) -> None:
    prepared = line("identity", 'json_append:"a":1')
    source = ListSource([[b'{"n":1}', b'{"n":2}', b"no json"], [b"{}"]])
    ended, sample = play_ends(prepared, [source], [ListSink()])
    failure = ended.result.first_failure
    assert ended.result.state == "failed" and failure is not None
    assert (failure.stage, failure.sequence, failure.code) == ("s1", 2, "E_STAGE_INPUT")
    assert failure.digest == f"sha256:{hashlib.sha256(b'no json').hexdigest()}"
    assert [worker.state for worker in sample.workers if worker.name == "s1"] == ["failed"]
    assert {lane.stream for lane in sample.lanes} <= {"aborted", "closed"}  # the evidence is kept


def test_a_stage_without_output_only_acts(folders: Path) -> None:
    graph = (
        lane_graph("acts").lane("a").lane("b").lane("c").ingress("in", "a")
        .router("split", rx="a", tx=["b", "c"]).stage("act", "tag:act", rx="b").egress("out", "c")
    )  # fmt: skip
    sink = ListSink()
    ended, sample = play_ends(prepare(graph.build(), MODULES), [numbers(100)], [sink])
    assert (ended.result.state, len(sink.got)) == ("finished", 100)
    assert [worker.messages_in for worker in sample.workers if worker.name == "act"] == [100]


def test_shards_keep_the_order_of_each_key_and_all_work(folders: Path) -> None:
    ring = single_ring("sharded", shards=4, shard_key="bytes:0:2").stage("mark", "tag:m")
    prepared = prepare(ring.build(), MODULES)
    messages = [b"%02d;%d" % (n * 7 % 23, n) for n in range(2000)]
    sink = ListSink()
    ended, sample = play_ends(prepared, [ListSource([messages[:999], messages[999:]])], [sink])
    assert ended.result.state == "finished"
    assert sorted(sink.got) == sorted(message + b",m" for message in messages)
    for key in range(23):
        mine = [int(m[3:].split(b",")[0]) for m in sink.got if m.startswith(b"%02d;" % key)]
        assert mine == sorted(mine)
    place = shard_of("bytes:0:2", 4)
    expected = [sum(place(message) == shard for message in messages) for shard in range(4)]
    assert [worker.messages_in for worker in sample.workers if worker.role == "stage"] == expected
    assert min(expected) > 0


def test_every_worker_of_a_quiet_run_gives_signs_of_life(folders: Path) -> None:
    ages: dict[str, int] = {}

    class Looker(QuietSource):
        looks = 0

        def read(self, max_messages: int, timeout_s: float) -> Sequence[bytes] | None:
            self.looks += 1
            if self.looks == 20:  # a second has passed
                with RunObserver(Path(find_run("play").folder)) as observer:
                    ages.update({worker.name: worker.age_ns for worker in observer.sample().workers})
                self.ended = True
            return super().read(max_messages, timeout_s)

    ring = single_ring("sharded", shards=2, shard_key="bytes:0:2").stage("mark", "tag:m")
    play_ends(prepare(ring.build(), MODULES), [Looker()], [ListSink()])
    assert set(ages) == {"ingress", "mark.0", "mark.1", "egress"}
    assert max(ages.values()) < 700_000_000


def test_neighbours_share_a_worker_where_cores_are_few_and_run_json_says_so(folders: Path) -> None:
    prepared = line("identity", "crc32c", "identity")
    for cores, groups in ((1, 1), (8, 3)):
        sink = ListSink()
        play_ends(prepared, [numbers(300)], [sink], cores=cores, name=f"cores-{cores}")
        assert sink.got == [b"in:%d" % n for n in range(300)]
        identity = read_run(Path(find_run(f"cores-{cores}").folder)).identity
        stages = [worker for worker in identity.workers if worker.role == "stage"]
        assert len({worker.group for worker in stages}) == groups
        told = any("fused into one worker: s0, s1, s2" in note for note in identity.notes)
        assert told == (groups == 1)


def test_a_live_graph_can_be_looked_at_lane_by_lane(folders: Path) -> None:
    prepared = merged("round_robin")
    sink = ListSink()
    seen: dict[str, Any] = {}
    quiet = QuietSource()

    def look() -> None:
        while [lane["stream"] for lane in seen.get("lanes", ())] != ["closed", "open", "open"]:
            with contextlib.suppress(ByteorError):
                seen.update(msgspec.json.decode(take_snapshot(find_run("play"))))
        quiet.ended = True

    watcher = threading.Thread(target=look)
    watcher.start()
    play_ends(prepared, [numbers(100), quiet], [sink])
    watcher.join()
    assert (seen["model"], seen["state"]) == ("lane_graph", "running")
    lanes = {lane["name"]: lane for lane in seen["lanes"]}
    assert (lanes["a"]["published"], lanes["a"]["depth"], lanes["a"]["stream"]) == (100, 0, "closed")
    assert (lanes["b"]["published"], lanes["b"]["stream"]) == (0, "open")
    assert [role["role"] for role in seen["roles"]] == ["source", "source", "merge", "sink"]


def test_the_example_graph_gives_both_sinks_everything(folders: Path) -> None:
    graph = (
        lane_graph("fan").lane("a").lane("f", kind="fanout_broadcast", consumers=2)
        .ingress("in", "a").router("split", rx="a", tx=["f"]).egress("one", "f").egress("two", "f")
    )  # fmt: skip
    one, two = ListSink(), ListSink(slow_s=0.001)
    ended, sample = play_ends(prepare(graph.build(), MODULES), [numbers(500)], [one, two])
    assert one.got == two.got == [b"in:%d" % n for n in range(500)]
    assert [lane.kind for lane in sample.lanes] == ["events", "fanout"]
    assert ended.result.messages_out == 1000


def test_a_journal_that_nobody_reads_holds_nobody_up(folders: Path) -> None:
    graph = (
        lane_graph("tap").lane("a").lane("b").lane("j", kind="journal", capacity=16)
        .ingress("in", "a").router("split", rx="a", tx=["b", "j"]).egress("out", "b")
    )  # fmt: skip
    sink = ListSink()
    ended, sample = play_ends(prepare(graph.build(), MODULES), [numbers(3000)], [sink])
    assert (ended.result.state, len(sink.got)) == ("finished", 3000)
    journal = next(lane for lane in sample.lanes if lane.name == "j")
    assert (journal.kind, journal.published) == ("journal", 3000)


@no_twin
def test_several_may_write_one_lane_and_each_keeps_its_order(folders: Path) -> None:
    graph = (
        lane_graph("many").lane("all", producers="multi", capacity=8)
        .ingress("left", "all").ingress("right", "all").egress("out", "all")
    )  # fmt: skip
    sink = ListSink()
    right = ListSource([[b"r:%d" % n for n in range(at, at + 7)] for at in range(0, 700, 7)])
    ended, sample = play_ends(prepare(graph.build(), MODULES), [numbers(700), right], [sink])
    assert (ended.result.state, sample.lanes[0].published) == ("finished", 1400)
    for prefix in (b"in", b"r"):
        assert [m for m in sink.got if m.startswith(prefix)] == [b"%s:%d" % (prefix, n) for n in range(700)]


def test_a_source_that_waits_for_its_peer_is_idle(folders: Path) -> None:
    quiet = QuietSource()
    _, sample = play_ends(merged("round_robin"), [numbers(10), quiet], [ListSink()], run_for_s=1.0)
    waiting = next(worker for worker in sample.workers if worker.name == "right")
    assert waiting.idle_ns > 5 * waiting.busy_ns
