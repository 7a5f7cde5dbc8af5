"""State: the latest whole value. Router: every message delivered or counted, whatever the policy."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.router import Queues
from byteor.indexbus.state import LOCK_AT, State


def test_a_reader_sees_the_latest_value_and_its_version(shm: Path, kernel_name: str) -> None:
    state = State.create(shm / "state", slot_bytes=64, kernel=kernel_name)
    assert state.read() == (0, b"")
    with state.writer() as writer:
        for number in range(1, 5):
            writer.write(b"v%d" % number)
            assert state.read() == (number, b"v%d" % number)
        with pytest.raises(IndexBusError, match="65 bytes"):
            writer.write(bytes(65))
        with pytest.raises(IndexBusError, match="taken"):
            State.open(shm / "state").writer()
    assert State.open(shm / "state").read() == (4, b"v4")


def test_no_read_is_torn_while_a_thread_writes(shm: Path, kernel_pair: tuple[str, str]) -> None:
    State.create(shm / "state", slot_bytes=4096).close()
    state, reader = (State.open(shm / "state", kernel=name) for name in kernel_pair)
    done = threading.Event()

    def write() -> None:
        with state.writer() as writer:
            for number in range(1, 1500):
                writer.write(bytes([number & 0xFF]) * 4096)
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    last = 0
    while not done.is_set():
        version, value = reader.read(5)
        assert version >= last
        assert len(set(value)) <= 1
        last = version
    thread.join()
    assert reader.read()[0] == 1499


def test_a_writer_that_died_half_way_is_told_from_a_busy_one(shm: Path) -> None:
    state = State.create(shm / "state", slot_bytes=8)
    writer = state.writer()
    writer.write(b"old")
    with memoryview(state.region.mapping) as raw, raw.cast("Q") as words:
        words[LOCK_AT >> 3] |= 1
    with pytest.raises(IndexBusError) as caught:
        State.open(shm / "state").read(0.01)
    assert caught.value.code == "E_BUSY"
    writer.close()
    with pytest.raises(IndexBusError) as caught:
        state.read(0.01)
    assert caught.value.code == "E_PEER_DEAD"
    with state.writer() as writer:
        writer.write(b"new")
    assert state.read()[1] == b"new"


def test_an_observer_reads_whole_values_and_says_what_a_reader_would(shm: Path) -> None:
    state = State.create(shm / "state", slot_bytes=4096)
    (shm / "state").chmod(0o400)
    observer = State.observe(shm / "state")
    assert observer.read() == (0, b"")
    done = threading.Event()

    def write() -> None:
        with state.writer() as writer:
            for number in range(1, 800):
                writer.write(bytes([number & 0xFF]) * (number % 4000))
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    last = 0
    while not done.is_set():
        version, value = observer.read(5)
        assert version >= last
        assert value == bytes([version & 0xFF]) * (version % 4000)
        last = version
    thread.join()
    with memoryview(state.region.mapping) as raw, raw.cast("Q") as words:
        words[LOCK_AT >> 3] |= 1
    with pytest.raises(IndexBusError) as caught:
        observer.read(0.01)
    assert caught.value.code == "E_PEER_DEAD"
    (shm / "state").chmod(0o600)
    with (shm / "state").open("r+b") as file:
        file.truncate(0)
    with pytest.raises(IndexBusError) as caught:
        observer.read()
    assert caught.value.code == "E_REGION_GONE"


@pytest.fixture
def queues(shm: Path, kernel_name: str) -> Queues:
    return Queues.create(shm / "queues", capacity=4, slot_bytes=32, consumers=3, kernel=kernel_name)


def test_drop_loses_for_the_full_consumer_only_and_counts_it(queues: Queues) -> None:
    consumers = [queues.consumer(i) for i in range(3)]
    with queues.router("broadcast", "drop") as router:
        for number in range(10):
            router.publish(b"%d" % number)
            for consumer in consumers[:2]:
                assert consumer.receive() == b"%d" % number
    counters = queues.counters()
    assert counters["routed"] == 10
    assert counters["delivered"] == 24
    assert counters["dropped_full"] == 6
    assert counters["delivered"] + counters["dropped_full"] == 30
    assert consumers[2].receive_many(9) == [b"%d" % number for number in range(4)]


def test_a_work_queue_gives_each_message_to_one(queues: Queues) -> None:
    consumers = [queues.consumer(i) for i in range(3)]
    with queues.router("work_queue", "drop") as router:
        assert router.publish_many([b"%d" % number for number in range(14)]) == 12
        router.close_stream()
    got = [consumer.receive_many(9) for consumer in consumers]
    assert [len(part) for part in got] == [4, 4, 4]
    assert sorted(int(data) for part in got for data in part) == list(range(12))
    counters = queues.counters()
    assert (counters["routed"], counters["delivered"], counters["dropped_all_full"]) == (14, 12, 2)
    assert (counters["batches"], counters["batch_max"]) == (1, 14)


def test_nobody_gets_more_than_it_granted(queues: Queues) -> None:
    consumers = [queues.consumer(i) for i in range(3)]
    queues.grant(0, 2)
    queues.grant(1, 100)
    with queues.router("broadcast", "drop", credit_max=3) as router:
        for number in range(5):
            router.publish(b"%d" % number)
        assert [len(consumer.receive_many(9, 0)) for consumer in consumers] == [2, 3, 0]
        assert queues.counters()["dropped_no_credit"] == 3 + 2 + 5
        router.publish(b"x")
        assert [len(consumer.receive_many(9, 0)) for consumer in consumers] == [0, 1, 0]


def test_detach_ends_the_slow_consumer_and_says_so(queues: Queues) -> None:
    with queues.router("broadcast", "detach") as router:
        for _ in range(6):
            router.publish(b"x")
        assert router.attached == set()
        assert queues.counters()["detaches"] == 3
        assert queues.counters()["dropped_full"] == 3


@pytest.mark.parametrize("mode", ["broadcast", "work_queue"])
def test_park_waits_for_room_and_loses_nothing(queues: Queues, mode: Any) -> None:
    consumers = [queues.consumer(i) for i in range(3)]
    got: list[list[bytes]] = [[], [], []]

    def consume(index: int) -> None:
        while part := consumers[index].receive_many(2):
            got[index] += part

    threads = [threading.Thread(target=consume, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    with queues.router(mode, "park") as router:
        for number in range(100):
            router.publish(b"%d" % number)
        router.close_stream()
    for thread in threads:
        thread.join()
    numbers = sorted(int(data) for part in got for data in part)
    assert numbers == sorted(list(range(100)) * (3 if mode == "broadcast" else 1))
    assert all(part == sorted(part, key=int) for part in got)


def test_park_ends_with_the_stream(queues: Queues) -> None:
    with queues.router("broadcast", "park") as router:
        for _ in range(4):
            router.publish(b"x")
        timer = threading.Timer(0.05, queues.abort)
        timer.start()
        assert router.publish(b"y").delivered == ()
        timer.join()


def _code(call: Callable[[], object]) -> str:
    with pytest.raises(IndexBusError) as caught:
        call()
    return caught.value.code


def test_a_policy_or_consumer_that_does_not_exist_is_refused(queues: Queues) -> None:
    before = Path(queues.region.path).read_bytes()
    assert _code(lambda: queues.router("brodcast")) == "E_VALUE"  # type: ignore[arg-type]
    assert _code(lambda: queues.router("broadcast", "prak")) == "E_VALUE"  # type: ignore[arg-type]
    assert _code(lambda: queues.grant(5, 1)) == "E_ROLE"
    assert _code(lambda: queues.grant(0, -1)) == "E_VALUE"
    assert Path(queues.region.path).read_bytes() == before


def test_a_message_that_is_too_long_is_neither_routed_nor_counted(queues: Queues) -> None:
    with queues.router("broadcast", "drop") as router:
        assert _code(lambda: router.publish_many([b"x", b"y" * 33])) == "E_OVERSIZE"
        assert not any(queues.counters().values())
    assert _code(lambda: router.publish(b"x")) == "E_CLOSED"


def test_what_a_parked_router_could_not_deliver_before_the_end_is_counted(queues: Queues) -> None:
    with queues.router("broadcast", "park") as router:
        for _ in range(4):
            router.publish(b"x")
        queues.abort()
        assert router.publish(b"x").refused == (0, 1, 2)
    counters = queues.counters()
    assert (counters["routed"], counters["delivered"], counters["dropped_full"]) == (5, 12, 3)
