"""The invariants of every lane of slots, for {threads, processes} x {native, pure, mixed}."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import indexbus_worker as worker
import pytest

from byteor.indexbus.abi import Wait

NEAR_WRAP = 2**64 - 100
LANES = ("sequenced", "events", "mpsc", "fanout")


def create(lane: str, path: Path, start: int) -> list[str]:
    """Make the lane; its consuming roles, sources last."""
    if lane == "sequenced":
        worker.SequencedSlots.create(
            path, capacity=64, slot_bytes=64, gates=2, egress=(1,), start=start
        ).close()
        return ["egress"]
    if lane == "fanout":
        worker.Fanout.create(path, capacity=64, slot_bytes=64, consumers=2, start=start).close()
        return ["consumer:0", "consumer:1"]
    producers = 3 if lane == "mpsc" else 1
    worker.Events.create(path, capacity=64, slot_bytes=64, producers=producers, start=start).close()
    return ["consumer"]


def sources(lane: str) -> list[str]:
    return ["producer:0", "producer:1", "producer:2"] if lane == "mpsc" else ["producer"]


# The twin has no MPSC.
LANE_PAIRS = [
    pytest.param(lane, pair, id="-".join((lane, *pair)))
    for lane in LANES
    for pair in worker.kernel_pairs()
    if lane != "mpsc" or pair == ("native", "native")
]
# Spinning and yielding are one in the twin, and threads cover the mix.
LANE_PAIR_WAITS = [
    pytest.param(*case.values, wait, id=f"{case.id}-{wait.name.lower()}")
    for case in LANE_PAIRS
    for wait in Wait
    if wait in (Wait.BACKOFF, Wait.BLOCK) or case.values[1] == ("native", "native")
]


@pytest.mark.parametrize("batch", [1, 7, 200], ids=lambda n: f"batch{n}")
@pytest.mark.parametrize("start", [0, NEAR_WRAP], ids=["zero", "wrap"])
@pytest.mark.parametrize(("lane", "kernel_pair"), LANE_PAIRS)
def test_threads_deliver_everything_in_order_and_whole(
    shm: Path, lane: str, kernel_pair: tuple[str, str], start: int, batch: int
) -> None:
    count = 600
    path = shm / "lane"
    consumers = create(lane, path, start)
    results: dict[str, str] = {}
    kind = "events" if lane == "mpsc" else lane
    lanes = [worker.LANES[kind].open(path, kernel=name) for name in kernel_pair]

    def consume(role: str) -> None:
        with worker.take_role(lanes[1], role, Wait.YIELD) as handle:
            results[role] = worker.consume(handle, batch)

    def produce(role: str) -> None:
        index = int(role.partition(":")[2] or 0)
        with worker.take_role(lanes[0], role, Wait.YIELD) as handle:
            results[role] = worker.produce(handle, index, count, batch, close=lane != "mpsc")

    def stage(index: int) -> None:
        with lanes[index].stage(index, range(index), wait=Wait.YIELD) as handle:
            results[f"stage {index}"] = worker.stage(handle)

    threads = [threading.Thread(target=consume, args=(role,)) for role in consumers]
    threads += [threading.Thread(target=stage, args=(i,)) for i in range(2 if lane == "sequenced" else 0)]
    writers = [threading.Thread(target=produce, args=(role,)) for role in sources(lane)]
    for thread in threads + writers:
        thread.start()
    for thread in writers:
        thread.join()
    if lane == "mpsc":
        lanes[0].close_stream()
    for thread in threads:
        thread.join()
    whole = [(i, count) for i in range(len(writers))]
    assert [results[role] for role in consumers] == [f"received {whole} FINISHED"] * len(consumers)
    assert [results[role] for role in sources(lane)] == [f"sent {count} OK"] * len(writers)


@pytest.mark.parametrize(("lane", "kernel_pair", "wait"), LANE_PAIR_WAITS)
def test_processes_deliver_everything_in_order_and_whole(
    shm: Path, spawn: Any, lane: str, kernel_pair: tuple[str, str], wait: Wait
) -> None:
    count = 3000
    path = shm / "lane"
    consumers = create(lane, path, NEAR_WRAP)
    kind = "events" if lane == "mpsc" else lane
    if wait == Wait.SPIN and lane != "events":
        wait = Wait.YIELD  # never spin with more roles than cores
    arguments = (kind, path)
    stages = [spawn(*arguments, kernel_pair[1], f"stage:{0}", 0, 1, wait.name)] if lane == "sequenced" else []
    if lane == "sequenced":
        # Stage 1 is terminal: its gate is the egress's.
        stages.append(spawn(*arguments, kernel_pair[0], "stage:1", 0, 1, wait.name))
    readers = [spawn(*arguments, kernel_pair[1], role, 0, 64, wait.name) for role in consumers]
    writers = [spawn(*arguments, kernel_pair[0], role, count, 10, wait.name) for role in sources(lane)]
    sent = [process.communicate(timeout=60) for process in writers]
    if lane == "mpsc":
        worker.Events.open(path).close_stream()
    received = [process.communicate(timeout=60) for process in readers + stages]
    whole = [(i, count) for i in range(len(writers))]
    for out, error in sent:
        assert f"sent {count} OK" in out, (out, error)
    for out, error in received[: len(readers)]:
        assert f"received {whole} FINISHED" in out, (out, error)


@pytest.mark.parametrize(("lane", "kernel_pair"), LANE_PAIRS)
def test_full_and_empty_are_results_and_the_slowest_gate_is_never_passed(
    shm: Path, lane: str, kernel_pair: tuple[str, str]
) -> None:
    path = shm / "lane"
    consumers = create(lane, path, NEAR_WRAP)
    kind = "events" if lane == "mpsc" else lane
    a, b = (worker.LANES[kind].open(path, kernel=name) for name in kernel_pair)
    handles: list[Any] = [worker.take_role(b, role, Wait.YIELD) for role in consumers]
    if lane == "sequenced":
        handles = [b.stage(0), b.stage(1, (0,)), *handles]
    producer = worker.take_role(a, sources(lane)[0], Wait.YIELD)
    assert all(handle.receive(0) is None for handle in handles)
    assert producer.try_publish_many([worker.message(0, i) for i in range(100)]) == 64
    assert producer.try_publish(b"x") is False
    for passed in range(1, 200):
        for handle in handles[:-1]:
            assert handle.receive(0) is not None
        assert producer.try_publish(b"x") is False, "the slowest has not moved"
        assert handles[-1].receive(0) is not None
        assert producer.try_publish(worker.message(0, 63 + passed)) is True
        assert producer.try_publish(b"x") is False
    for handle in [producer, *handles]:
        handle.close()
