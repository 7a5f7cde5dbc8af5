"""The lanes that are no single ring of slots: their invariants for {threads, processes} x {native, pure,
mixed}.

Each lane is a writer and its readers. A role returns ``ok``, or what was wrong. The reader of a journal and
of a metrics region reads with ``pread`` and has no kernel but the process's own: mixed means something for
them between processes only. Rings of slots are in test_conformance.py.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import indexbus_worker as worker
import pytest

from byteor.indexbus import (
    DiskJournalReader,
    DiskJournalWriter,
    Events,
    IndexBusError,
    Journal,
    MetricsRegion,
    Queues,
    State,
)
from byteor.indexbus.journal_lane import JournalLane

COUNT = 300
NEAR_WRAP = 2**64 - 100
Role = Callable[[Path, str], str]


class Shape(NamedTuple):
    create: Callable[[Path], Any]
    writer: Role
    readers: list[Role]
    crosses: bool = True  # whether its reader runs on the kernel of a pair when both are threads


def in_order(numbers: list[int], wanted: range | None = None) -> str:
    if wanted is not None and numbers != list(wanted):
        return f"got {len(numbers)} of {len(wanted)}: {numbers[:5]}...{numbers[-5:]}"
    return "ok" if numbers == sorted(set(numbers)) else f"out of order or twice: {numbers}"


def number_of(data: bytes) -> int:
    return worker.parse(data)[1]  # raises for a torn message


# -- the router's queues


def make_queues(path: Path) -> None:
    Queues.create(path, capacity=8, slot_bytes=64, consumers=2, start=NEAR_WRAP).close()


def route(mode: Any, on_full: Any, credit_max: int = 0) -> Role:
    def work(path: Path, kernel: str) -> str:
        lane = Queues.open(path, kernel=kernel)
        with lane.router(mode, on_full, credit_max=credit_max) as router:
            for number in range(COUNT):
                router.publish(worker.message(0, number))
            router.close_stream()
        counters = lane.counters()
        owed = COUNT * (1 if mode == "work_queue" else 2)
        lost = counters["dropped_full"] + counters["dropped_all_full"] + counters["dropped_no_credit"]
        told = counters["delivered"] + lost == owed and (on_full == "drop" or not lost)
        return "ok" if told and counters["routed"] == COUNT else f"miscounted: {counters}"

    return work


def take(index: int, wanted: range | None, credits: int = 0) -> Role:
    def work(path: Path, kernel: str) -> str:
        lane = Queues.open(path, kernel=kernel)
        got: list[int] = []
        granted = 0
        with lane.consumer(index) as consumer:
            while True:
                if credits and len(got) == granted:
                    lane.grant(index, credits)
                    granted += credits
                part = consumer.receive_many(5)
                got += map(number_of, part)
                if credits and len(got) > granted:
                    return f"{len(got)} messages for {granted} credits"
                if not part:
                    arrived = (lane.tail_of(index) - NEAR_WRAP) % 2**64
                    return in_order(got, wanted) if len(got) == arrived else f"{len(got)} of {arrived}"

    return work


# -- journals


def write_window(path: Path, kernel: str) -> str:
    with Journal.open(path, kernel=kernel).writer() as writer:
        for number in range(0, COUNT, 3):
            writer.append(worker.message(0, number))
            writer.append_many([worker.message(0, number + 1), worker.message(0, number + 2)])
    return "ok"


def tail_window(path: Path, kernel: str) -> str:
    reader = Journal.observe(path).reader(0)
    last, told = -1, False
    while last < COUNT - 1:
        try:
            records = reader.read(7, 20)
        except IndexBusError as error:
            if error.code != "E_OVERRUN":
                raise
            told = True
            continue
        if not records:
            return f"nothing after {last}"
        for _, data in records:
            number = number_of(data)
            if number <= last or (number != last + 1 and not told):
                return f"{number} after {last}"
            last, told = number, False
    return "ok"


def write_lane(path: Path, kernel: str) -> str:
    with JournalLane.open(path, kernel=kernel).producer() as producer:
        for number in range(COUNT):
            while not producer.put(worker.message(0, number), 0, number):
                producer.look_around()
                time.sleep(0)
        producer.close_stream()
    return "ok"


def read_lane(index: int) -> Role:
    def work(path: Path, kernel: str) -> str:
        got: list[int] = []
        with JournalLane.open(path, kernel=kernel).consumer(index) as consumer:
            while (n := consumer.peek(5)) or consumer.ended.name == "TIMEOUT":
                got += [number_of(consumer.payload(i)) for i in range(n)]
                consumer.advance(n)
                time.sleep(0)
        return in_order(got, range(COUNT))

    return work


def write_disk(path: Path, kernel: str) -> str:
    with DiskJournalWriter(path, segment_bytes=4096, fsync="none") as writer:
        for number in range(COUNT):
            writer.append(worker.message(0, number))
    return "ok"


def follow_disk(path: Path, kernel: str) -> str:
    got: list[int] = []
    deadline = time.monotonic() + 20
    while not list(path.glob("*")) and time.monotonic() < deadline:
        time.sleep(0.001)
    reader = None
    while len(got) < COUNT and time.monotonic() < deadline:
        try:
            reader = reader or DiskJournalReader(path, 0)
        except IndexBusError:
            continue  # its first segment is being made
        got += [number_of(data) for _, data in reader.read(7)]
    return in_order(got, range(COUNT))


# -- state and metrics


def write_state(path: Path, kernel: str) -> str:
    with State.open(path, kernel=kernel).writer() as writer:
        for number in range(1, COUNT + 1):
            writer.write(worker.message(0, number) * 20)
    return "ok"


def read_state(path: Path, kernel: str) -> str:
    state = State.open(path, kernel=kernel)
    version, deadline = 0, time.monotonic() + 20
    while version < COUNT and time.monotonic() < deadline:
        found, value = state.read(5)
        if found < version or value != (worker.message(0, found) * 20 if found else b""):
            return f"version {found} after {version}: {value[:20]!r}"
        version = found
    return "ok" if version == COUNT else f"ended at version {version}"


def make_metrics(path: Path) -> None:
    MetricsRegion.create(path, 1).close()
    Events.create(path.with_name("counted"), capacity=1024, slot_bytes=64).close()


def count_metrics(path: Path, kernel: str) -> str:
    row = MetricsRegion.open(path).row(0)
    row.begin("writer", "", "source", "process")
    with Events.open(path.with_name("counted"), kernel=kernel).producer() as producer:
        producer.attach_row(row)
        for number in range(COUNT):
            producer.publish(worker.message(0, number))
            row.error(number, f"{number:04d}" * 60)
        producer.attach_row(None)
    return "ok"


def watch_metrics(path: Path, kernel: str) -> str:
    region, sent, deadline = MetricsRegion.observe(path), 0, time.monotonic() + 20
    while sent < COUNT and time.monotonic() < deadline:
        for sample in region.rows():
            if sample.handed_on < sent:
                return f"{sample.handed_on} after {sent}"
            sent = sample.handed_on
            text = sample.error_text
            if text not in ("", "(being written)", text[:4] * 60):
                return f"torn: {text}"
    return "ok" if sent == COUNT else f"ended at {sent}"


ALL = range(COUNT)
SHAPES = {
    "broadcast": Shape(make_queues, route("broadcast", "park"), [take(0, ALL), take(1, ALL)]),
    "work-queue": Shape(make_queues, route("work_queue", "park"), [take(0, None), take(1, None)]),
    "credits": Shape(make_queues, route("broadcast", "park", 4), [take(0, ALL, 3), take(1, ALL, 1)]),
    "drop": Shape(make_queues, route("broadcast", "drop"), [take(0, None), take(1, None)]),
    "journal": Shape(
        lambda path: Journal.create(path, window_bytes=8192).close(), write_window, [tail_window], False
    ),
    "journal-lane": Shape(
        lambda path: JournalLane.create(path, capacity=16, slot_bytes=64, readers=2).close(),
        write_lane,
        [read_lane(0), read_lane(1)],
        False,
    ),
    "disk": Shape(lambda path: path.mkdir(), write_disk, [follow_disk], False),
    "state": Shape(lambda path: State.create(path, slot_bytes=2048).close(), write_state, [read_state]),
    "metrics": Shape(make_metrics, count_metrics, [watch_metrics], False),
}


def cases() -> Iterator[Any]:
    for name, shape in SHAPES.items():
        for writer, reader in worker.kernel_pairs():
            for where in ("processes", "threads"):
                if where == "processes" or shape.crosses or writer == reader:
                    yield pytest.param(shape, writer, reader, where, id=f"{name}-{writer}-{reader}-{where}")


@pytest.mark.parametrize(("shape", "writer", "reader", "where"), list(cases()))
def test_every_lane_keeps_its_promises(shm: Path, shape: Shape, writer: str, reader: str, where: str) -> None:
    path = shm / "lane"
    shape.create(path)
    roles = [(role, reader) for role in shape.readers] + [(shape.writer, writer)]
    if where == "processes":
        children = [
            worker.Child(lambda role=role, kernel=kernel: role(path, kernel), kernel)
            for role, kernel in roles
        ]
        reports = [child.result(60)[0] for child in children]
    else:
        reports = [""] * len(roles)

        def run(i: int) -> None:
            try:
                reports[i] = roles[i][0](path, roles[i][1])
            except Exception as error:  # noqa: BLE001
                reports[i] = repr(error)

        threads = [threading.Thread(target=run, args=(i,)) for i in range(len(roles))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert reports == ["ok"] * len(roles)
