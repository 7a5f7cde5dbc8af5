"""Jobs between lanes: one table of cases for both kernels and every kind of lane."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from byteor.indexbus import Events, Fanout, IndexBusError, MetricsRegion, SequencedSlots, Wait, crc32c
from byteor.indexbus.abi import End
from byteor.indexbus.generated import fill_text, message
from byteor.indexbus.jobs import (
    AnyJob,
    Bridge,
    Discard,
    Generate,
    InPlace,
    Merge,
    Route,
    Through,
    WorkEnd,
)
from byteor.indexbus.journal_lane import JournalLane
from byteor.indexbus.work import work

KINDS = ("events", "sequenced", "fanout", "journal")
Pair = tuple[Any, Any]


class Lanes:
    """Small lanes of one kernel, each as (producer, consumer)."""

    def __init__(self, folder: Path, kernel_name: str) -> None:
        self.folder, self.kernel = folder, kernel_name
        self.made: dict[str, Any] = {}

    def __call__(self, name: str, kind: str = "events", capacity: int = 8, slot_bytes: int = 64) -> Pair:
        path = self.folder / name
        sizes: dict[str, Any] = {"capacity": capacity, "slot_bytes": slot_bytes}
        lane: Any
        if kind == "events":
            lane = Events.create(path, **sizes, kernel=self.kernel)
            ends = lane.producer(), lane.consumer()
        elif kind == "sequenced":
            lane = SequencedSlots.create(path, **sizes, egress=(0,), kernel=self.kernel)
            ends = lane.producer(), lane.egress(())
        elif kind == "fanout":
            lane = Fanout.create(path, **sizes, consumers=1, kernel=self.kernel)
            ends = lane.producer(), lane.consumer(0)
        else:
            lane = JournalLane.create(path, **sizes, readers=1, kernel=self.kernel)
            ends = lane.producer(), lane.consumer(0)
        self.made[name] = lane
        return ends


@pytest.fixture
def lanes(shm: Path, kernel_name: str) -> Lanes:
    return Lanes(shm, kernel_name)


def generated(count: int, size: int = 20, seed: int = 1) -> list[bytes]:
    text, period = fill_text(seed, size)
    return [message(number, size, text, period) for number in range(count)]


def gather(rx: Any, into: list[bytes]) -> Through:
    """A job that keeps everything."""
    return Through(rx, None, function=into.append)


def finished(end: WorkEnd) -> None:
    assert end == WorkEnd(End.FINISHED, -1, 0, None)


@pytest.mark.parametrize("max_batch", [1, 3, 256])
@pytest.mark.parametrize("kind", KINDS)
def test_a_bridge_carries_everything_between_lanes_of_any_kind(
    lanes: Lanes, kind: str, max_batch: int
) -> None:
    first, second = lanes("a", kind), lanes("b")
    got: list[bytes] = []
    jobs: list[AnyJob] = [
        Generate([first[0]], 50, 20, 1),
        Bridge(first[1], second[0]),
        gather(second[1], got),
    ]
    finished(work(jobs, max_batch=max_batch))
    assert got == generated(50)


@pytest.mark.parametrize("kind", KINDS)
def test_a_bridge_keeps_ingress_and_origin(lanes: Lanes, kind: str) -> None:
    first, second = lanes("a"), lanes("b", kind)
    first[0].publish(b"x", 7, 99)
    first[0].publish(b"y", 8, 2**63)
    first[0].close_stream()
    finished(work([Bridge(first[1], second[0])]))
    assert second[1].peek(8, 0) == 2
    assert [second[1].describe(i)[2:] for i in range(2)] == [(7, 99), (8, 2**63)]


def shout(given: bytes) -> bytes:
    return given.upper()


def halve(given: bytes) -> object:
    return None if given[15] % 2 else given


def twice(given: bytes) -> object:
    return [given, given[:3]]


def in_place(batch: list[Any]) -> None:
    for view in batch:
        view[0] = 33


# What a stage does from lane to lane: its options, and the same as a function of a message to messages.
STAGES: dict[str, tuple[dict[str, Any], Callable[[bytes], list[bytes]]]] = {
    "identity": ({}, lambda m: [m]),
    "native": ({"native": ("crc32c", b"")}, lambda m: [m]),
    "function": ({"function": shout}, lambda m: [m.upper()]),
    "same object": ({"function": lambda m: m}, lambda m: [m]),
    "filter": ({"function": halve}, lambda m: [] if m[15] % 2 else [m]),
    "fan out": ({"function": twice}, lambda m: [m, m[:3]]),
    "batch": ({"batch": lambda ms: [m.lower() for m in ms]}, lambda m: [m.lower()]),
    "batch filter": ({"batch": lambda ms: [halve(m) for m in ms]}, lambda m: [] if m[15] % 2 else [m]),
    "batch fan out": ({"batch": lambda ms: [twice(m) for m in ms]}, lambda m: [m, m[:3]]),
    "batch none": ({"batch": lambda ms: None}, lambda m: [m]),
    "batch views": ({"batch": in_place, "views": True}, lambda m: [b"!" + m[1:]]),
}


@pytest.mark.parametrize("kind", ["events", "journal"])
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_does_the_same_to_every_message(lanes: Lanes, stage: str, kind: str) -> None:
    options, model = STAGES[stage]
    first, second = lanes("a", kind), lanes("b", kind)
    got: list[bytes] = []
    jobs: list[AnyJob] = [
        Generate([first[0]], 40, 20, 1),
        Through(first[1], second[0], **options),
        gather(second[1], got),
    ]
    finished(work(jobs, max_batch=5))
    assert got == [result for one in generated(40) for result in model(one)]


@pytest.mark.parametrize("shape", ["function", "batch"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_slot_is_given_back_when_all_that_came_of_it_lies_in_the_next_lane(
    lanes: Lanes, kind: str, shape: str
) -> None:
    first, second = lanes("a", kind), lanes("b")
    released: list[int] = []

    def look(_: bytes) -> None:
        lane = lanes.made["a"]
        released.append(lane.head if kind == "events" else lane.gating[0])

    def twenty(given: bytes) -> object:
        return [given] * 20  # more than the next lane holds

    way = {shape: twenty if shape == "function" else lambda ms: [twenty(m) for m in ms]}
    first[0].publish_many([b"x"] * 3) if kind != "journal" else [first[0].put(b"x", 0, n) for n in range(3)]
    first[0].close_stream()
    finished(work([Through(first[1], second[0], **way), Through(second[1], None, function=look)]))
    capacity = 8
    for at, done in enumerate(released):
        unwritten = at % 20 + capacity < 20
        assert done <= at // 20 if unwritten else done <= at // 20 + 1, f"result {at}: {done} given back"
    assert len(released) == 60
    assert (lanes.made["a"].head if kind == "events" else lanes.made["a"].gating[0]) == 3


@pytest.mark.parametrize("stage", [name for name in STAGES if "fan out" not in name])
def test_a_stage_works_in_the_slots_of_a_ring(shm: Path, kernel_name: str, stage: str) -> None:
    options, model = STAGES[stage]
    ring = SequencedSlots.create(
        shm / "ring", capacity=8, slot_bytes=64, gates=2, egress=(1,), kernel=kernel_name
    )
    got: list[bytes] = []
    jobs: list[AnyJob] = [
        Generate([ring.producer()], 40, 20, 1),
        InPlace(ring.stage(0), **options),
        InPlace(ring.stage(1, (0,)), native=("crc32c_append", b"")),
        gather(ring.egress(), got),
    ]
    finished(work(jobs, max_batch=5))
    assert [one[:-4] for one in got] == [result for one in generated(40) for result in model(one)]


@pytest.mark.parametrize("kind", ["events", "journal"])
def test_a_router_gives_every_lane_every_message(lanes: Lanes, kind: str) -> None:
    source, outs = lanes("a", kind), [lanes(f"out{i}", kind, capacity=8 << i) for i in range(3)]
    got: list[list[bytes]] = [[], [], []]
    jobs: list[AnyJob] = [
        Generate([source[0]], 60, 20, 1),
        Route(source[1], [out[0] for out in outs]),
        *(gather(out[1], one) for out, one in zip(outs, got, strict=True)),
    ]
    finished(work(jobs, max_batch=7))
    assert got == [generated(60)] * 3


def test_a_work_queue_gives_each_message_to_one_lane_in_turn(lanes: Lanes) -> None:
    source, outs = lanes("a", capacity=64), [lanes(f"out{i}", capacity=4) for i in range(3)]
    got: list[list[bytes]] = [[], [], []]
    chosen: list[tuple[int, int]] = []
    jobs: list[AnyJob] = [
        Generate([source[0]], 60, 20, 1),
        Route(source[1], [out[0] for out in outs], "work_queue", choices=lambda j, n: chosen.append((j, n))),
        *(gather(out[1], one) for out, one in zip(outs, got, strict=True)),
    ]
    finished(work(jobs, max_batch=7))
    assert sorted(one for each in got for one in each) == generated(60)
    assert all(each == sorted(each) and each for each in got)
    told = [j for j, n in chosen for _ in range(n)]
    assert [told.count(j) for j in range(3)] == [len(each) for each in got]
    for number, j in enumerate(told):
        assert generated(60)[number] in got[j]


@pytest.mark.parametrize("mode", ["broadcast", "work_queue"])
def test_what_a_full_lane_loses_is_counted_to_the_message(lanes: Lanes, shm: Path, mode: Any) -> None:
    source, outs = lanes("a", capacity=64), [lanes(f"out{i}", capacity=4) for i in range(2)]
    with MetricsRegion.create(shm / "metrics", 3) as metrics:
        rows = [metrics.row(i) for i in range(3)]
        for row, role in zip(rows, ("router", "lane", "lane"), strict=True):
            row.begin(role, "", role, "thread")
        for out, row in zip(outs, rows[1:], strict=True):
            out[0].attach_lane_row(row)
        assert source[0].publish_many(generated(20)) == 20
        source[0].close_stream()
        job = Route(source[1], [out[0] for out in outs], mode, on_full="drop", row=rows[0])
        finished(work([job]))
        router, *there = metrics.rows()
        kept = [len(out[1].receive_many(64, 0)) for out in outs]
        assert kept == [4, 4] == [lane.taken for lane in there] == [lane.high_water for lane in there]
        lost = 32 if mode == "broadcast" else 12
        assert (router.taken, router.handed_on, router.dropped, router.dropped_full) == (20, 8, lost, lost)
        assert sum(lane.dropped_full for lane in there) == lost
        for out in outs:
            out[0].attach_lane_row(None)


@pytest.mark.parametrize("kind", ["events", "journal"])
@pytest.mark.parametrize("policy", ["round_robin", "in_order"])
def test_a_merge_takes_everything_and_in_order_means_by_origin(lanes: Lanes, kind: str, policy: Any) -> None:
    ins, out = [lanes(f"in{i}", kind, capacity=64) for i in range(3)], lanes("out", kind)
    for number in range(60):
        assert ins[number * number % 3][0].put(b"%03d" % number, 0, number)
    for producer, _ in ins:
        producer.close_stream()
    got: list[bytes] = []
    chosen: list[tuple[int, int]] = []
    merge = Merge([one[1] for one in ins], out[0], policy, choices=lambda j, n: chosen.append((j, n)))
    finished(work([merge, gather(out[1], got)], max_batch=7))
    assert sorted(got) == [b"%03d" % number for number in range(60)]
    told = [j for j, n in chosen for _ in range(n)]
    assert told == [int(one) ** 2 % 3 for one in got]
    if policy == "in_order":
        assert got == sorted(got)


def test_a_merge_in_order_waits_for_a_quiet_lane_only_until_its_watermark(lanes: Lanes) -> None:
    (first, a), (second, b), out = lanes("a"), lanes("b"), lanes("out")
    merge = Merge([a, b], out[0], "in_order")
    threading.Thread(target=lambda: work([merge]), daemon=True).start()
    second.publish_many([b"5", b"6"], 0, 5)
    assert out[1].receive(0.1) is None
    assert first.watermark(4)
    assert out[1].receive(0.1) is None
    assert first.watermark(5)
    assert (out[1].receive(5), out[1].receive(0.1)) == (b"5", None)
    first.close_stream()
    assert out[1].receive(5) == b"6"
    second.close_stream()
    assert (out[1].receive(5), out[1].ended) == (None, End.FINISHED)


@pytest.mark.parametrize("mode", ["broadcast", "work_queue"])
@pytest.mark.parametrize("max_batch", [1, 4, 256])
def test_a_fused_diamond_with_tiny_lanes_neither_hangs_nor_loses_order(
    lanes: Lanes, mode: Any, max_batch: int
) -> None:
    a, b, c, d, e, out = (lanes(name, capacity=4) for name in "abcdef")
    got: list[bytes] = []
    jobs: list[AnyJob] = [
        Generate([a[0]], 100, 20, 1),
        Route(a[1], [b[0], c[0]], mode, watermarks=True),
        Through(b[1], d[0], function=lambda m: m if m[15] == 48 else None, watermarks=True),
        Through(c[1], e[0], function=twice, watermarks=True),
        Merge([d[1], e[1]], out[0], "in_order"),
        gather(out[1], got),
    ]
    finished(work(jobs, max_batch=max_batch))
    text = generated(100)
    if mode == "broadcast":
        wanted = [([m] if m[15] == 48 else []) + [m, m[:3]] for m in text]
        assert got == [one for each in wanted for one in each]
    else:
        numbers = [int(m[:16]) for m in got if len(m) == 20]
        assert numbers == sorted(numbers)


def test_several_sources_end_in_one_sink(lanes: Lanes) -> None:
    first, second = lanes("a"), lanes("b")
    jobs: list[AnyJob] = [Generate([first[0], second[0]], 41, 30, 2), Discard([first[1], second[1]])]
    finished(work(jobs))
    assert (lanes.made["a"].cursor, lanes.made["b"].cursor) == (21, 20)


@pytest.mark.parametrize("size", [5, 20, 64])
@pytest.mark.parametrize("key", [(0, 4), (3, 0), (12, 4), (14, 6), (18, 9), (60, 100)])
def test_a_generator_sends_each_message_to_the_lane_of_its_key(
    lanes: Lanes, size: int, key: tuple[int, int]
) -> None:
    ends, got = [lanes(name) for name in "abc"], dict[int, list[bytes]]()
    keep = [gather(consumer, got.setdefault(lane, [])) for lane, (_, consumer) in enumerate(ends)]
    finished(work([Generate([producer for producer, _ in ends], 90, size, 4, key=key), *keep], max_batch=7))
    made = generated(90, size, 4)
    for lane, of_lane in got.items():
        assert of_lane == [m for m in made if crc32c(m[key[0] : key[0] + key[1]]) % 3 == lane]


def raising(given: bytes) -> bytes:
    if given.startswith(b"0000000000000007"):
        raise ValueError("seven")
    return given


@pytest.mark.parametrize(
    ("options", "reason", "sequence"),
    [
        ({"function": raising}, End.STAGE_ERROR, 7),
        ({"batch": lambda ms: ms[:-1]}, End.STAGE_ERROR, 0),
        ({"function": lambda m: m * 5}, End.TOO_LONG, 0),
        ({"function": lambda m: 3.5}, End.STAGE_ERROR, 0),
        ({"native": ("json_append", b',"a":1')}, End.STAGE_ERROR, 0),
    ],
    ids=["raises", "wrong number", "too long", "no bytes", "native"],
)
@pytest.mark.parametrize("place", ["lane", "ring"])
def test_a_job_that_fails_says_where_and_why(
    lanes: Lanes, place: str, options: dict[str, Any], reason: End, sequence: int
) -> None:
    first, second = lanes("a", "sequenced", capacity=64), lanes("b", capacity=64)
    stage: AnyJob = Through(first[1], second[0], **options)
    if place == "ring":
        stage = InPlace(first[1], **options)
    first[0].publish_many(generated(10))
    first[0].close_stream()
    end = work([Discard([second[1]]), stage], max_batch=4)
    assert (end.reason, end.job_index, end.sequence) == (reason, 1, sequence)
    assert not end.clean
    if "native" not in options:
        assert end.error is not None
    if place == "lane" and sequence:
        assert second[0].sequence == sequence, "what came before was handed on"


def test_a_list_in_a_ring_is_refused(lanes: Lanes) -> None:
    first = lanes("a", "sequenced")
    first[0].publish(b"x")
    end = work([InPlace(first[1], function=lambda m: [m])])
    assert (end.reason, type(end.error)) == (End.STAGE_ERROR, TypeError)


@pytest.mark.parametrize("wait", [Wait.BACKOFF, Wait.BLOCK, Wait.YIELD])
def test_an_abort_ends_idle_work_at_once_and_a_stop_only_its_source(
    lanes: Lanes, shm: Path, wait: Wait
) -> None:
    first, second = lanes("a", capacity=64), lanes("b")
    ends: list[WorkEnd] = []
    source = threading.Thread(
        target=lambda: ends.append(work([Generate([first[0]], 0, 20)], wait=wait)), daemon=True
    )
    bridge = threading.Thread(
        target=lambda: ends.append(work([Bridge(first[1], second[0])], wait=wait)), daemon=True
    )
    source.start()
    bridge.start()
    assert len(second[1].receive_many(4, 5)) > 0
    first[0].stop()
    source.join(5)
    finished(ends.pop())
    lanes.made["b"].abort()
    bridge.join(5)
    assert ends.pop().reason == End.ABORTED


def test_a_consumer_that_is_stopped_stops_its_worker(lanes: Lanes) -> None:
    first, second = lanes("a"), lanes("b")
    ends: list[WorkEnd] = []
    thread = threading.Thread(target=lambda: ends.append(work([Bridge(first[1], second[0])])), daemon=True)
    thread.start()
    first[1].stop()
    thread.join(5)
    assert ends[0].reason == End.STOPPED


def test_rows_of_jobs_add_up_and_latency_goes_end_to_end(lanes: Lanes, shm: Path) -> None:
    a, b, c = lanes("a"), lanes("b"), lanes("c")
    roles = ("source", "bridge", "stage", "sink")
    with MetricsRegion.create(shm / "metrics", 4) as metrics:
        rows = [metrics.row(i) for i in range(4)]
        for row, role in zip(rows, roles, strict=True):
            row.begin(role, "", role, "thread")
        jobs: list[AnyJob] = [
            Generate([a[0]], 100, 20, 1, row=rows[0]),
            Bridge(a[1], b[0], row=rows[1]),
            Through(b[1], c[0], function=halve, row=rows[2]),
            Discard([c[1]], row=rows[3]),
        ]
        finished(work(jobs))
        source, bridge, stage, sink = metrics.rows()
        assert [source.handed_on, bridge.taken, bridge.handed_on, stage.taken] == [100] * 4
        assert [stage.handed_on, stage.filtered, sink.taken, sink.handed_on] == [50] * 4
        assert sum(sink.histogram) > 0
        assert all(row.heartbeat_ns > 0 and row.busy_ns > 0 for row in (source, bridge, stage, sink))


def test_what_a_generator_loses_is_counted_once(lanes: Lanes, shm: Path) -> None:
    first = lanes("a", capacity=8)
    with MetricsRegion.create(shm / "metrics", 2) as metrics:
        rows = [metrics.row(i) for i in range(2)]
        for row, role in zip(rows, ("source", "sink"), strict=True):
            row.begin(role, "", role, "thread")
        generate = Generate([first[0]], 100, 20, 1, row=rows[0], on_full="drop")
        finished(work([generate, Discard([first[1]], row=rows[1])]))
        source, sink = metrics.rows()
        assert (source.taken, source.handed_on) == (100, sink.taken)
        assert source.handed_on + source.dropped == 100
        assert source.dropped > 0


def test_jobs_that_make_no_sense_are_refused(lanes: Lanes) -> None:
    first = lanes("a")
    for jobs in ([], [Route(first[1], [])], [Discard([])], [Through(first[1], function=shout, batch=list)]):
        with pytest.raises(IndexBusError) as caught:
            work(jobs)  # type: ignore[arg-type]
        assert caught.value.code == "E_VALUE"
