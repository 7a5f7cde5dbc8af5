"""Our rows: every lane, shape and calling style, between processes and between threads."""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bench.transport.measure import Role, clean_folder, in_processes, in_threads, round_trips
from bench.transport.shapes import BATCH, CHAIN, DIAMOND, GATHER, PAIR, SIZE, SIZES, SPREAD, capacity_for
from byteor.indexbus import (
    DiskJournalReader,
    DiskJournalWriter,
    Events,
    Fanout,
    Journal,
    Queues,
    SequencedSlots,
    State,
    Wait,
)

_names = itertools.count()
_folders: list[Path] = []
Run = Callable[[int], float]
Open = Callable[[], Any]  # of a handle, in the process that uses it


class Row(NamedTuple):
    """``calls``: a message, a list of 256 or a buffer of 256 a call; to ``native``, buffers to a stage in C;
    ``drive``, C calls a Python function for each message. ``shape`` also tells what is not a stream."""

    lane: str
    shape: str
    calls: str
    size: int
    where: str
    run: Run


@contextlib.contextmanager
def folder() -> Iterator[None]:
    """Where the lanes of a run lie."""
    with clean_folder("byteor-bench-", Path("/dev/shm")) as made:
        _folders.append(made)
        try:
            yield
        finally:
            _folders.pop()


def path() -> Path:
    """A name for a new lane; only inside ``folder()``."""
    return _folders[-1] / f"{os.getpid()}-{next(_names)}"


def send_single(producer: Any, messages: int, payload: bytes) -> None:
    publish = producer.publish
    for _ in range(messages):
        publish(payload)


def send_lists(producer: Any, messages: int, payload: bytes) -> None:
    batch = [payload] * BATCH
    for _ in range(messages // BATCH):
        producer.publish_many(batch)


def send_buffers(producer: Any, messages: int, payload: bytes) -> None:
    buffer = payload * BATCH
    for _ in range(messages // BATCH):
        producer.publish_buffer(buffer, len(payload))


def take_single(consumer: Any, messages: int, size: int) -> None:
    receive = consumer.receive
    for _ in range(messages):
        receive()


def take_lists(consumer: Any, messages: int, size: int) -> None:
    while messages:
        messages -= len(consumer.receive_many(BATCH))


def take_buffers(consumer: Any, messages: int, size: int) -> None:
    buffer = bytearray(BATCH * size)
    while messages:
        messages -= consumer.receive_into(buffer, size)


def take_native(consumer: Any, messages: int, size: int) -> None:
    consumer.run_native("identity")


def take_callable(consumer: Any, messages: int, size: int) -> None:
    consumer.drive(lambda message: message)


SEND = {
    "single": send_single,
    "list": send_lists,
    "buffer": send_buffers,
    "native": send_buffers,
    "drive": send_lists,
}
TAKE = {
    "single": take_single,
    "list": take_lists,
    "buffer": take_buffers,
    "native": take_native,
    "drive": take_callable,
}


def sending(opened: Open, messages: int, size: int, calls: str, last: bool = True) -> Role:
    def role() -> Iterator[None]:
        with opened() as producer:
            yield
            SEND[calls](producer, messages, b"x" * size)
            if last:
                producer.close_stream()

    return role


def taking(opened: Open, messages: int, size: int, calls: str) -> Role:
    def role() -> Iterator[None]:
        with opened() as consumer:
            yield
            TAKE[calls](consumer, messages, size)

    return role


RUNNERS = {"processes": in_processes, "threads": in_threads}


def pair(lane: str, calls: str, size: int, where: str, kernel: str | None = None) -> Run:
    """One producer, one consumer."""

    def run(messages: int) -> float:
        at, slots = path(), {"capacity": capacity_for(size), "slot_bytes": size, "kernel": kernel}
        make: Any = {
            "Events": lambda: Events.create(at, **slots),
            "Events, MPSC": lambda: Events.create(at, producers=2, **slots),
            "SequencedSlots": lambda: SequencedSlots.create(at, gates=1, **slots),
            "Fanout": lambda: Fanout.create(at, consumers=1, **slots),
        }[lane]
        consumer: Open = {
            "SequencedSlots": lambda: SequencedSlots.open(at, kernel=kernel).stage(0, wait=Wait.YIELD),
            "Fanout": lambda: Fanout.open(at, kernel=kernel).consumer(0, wait=Wait.YIELD),
        }.get(lane, lambda: Events.open(at, kernel=kernel).consumer(wait=Wait.YIELD))
        made = make()
        took = RUNNERS[where](
            [taking(consumer, messages, size, calls)],
            sending(lambda: made.producer(wait=Wait.YIELD), messages, size, calls),
        )
        made.close()
        at.unlink()
        return took

    return run


# Which stages each stage is behind; none: behind the producer.
AFTER: dict[str, tuple[tuple[int, ...], ...]] = {
    CHAIN: ((), (0,), (1,)),
    DIAMOND: ((), (0,), (0,), (1, 2)),
}


def stages(shape: str, calls: str, size: int, where: str) -> Run:
    """A producer and stages on one SequencedSlots."""

    def run(messages: int) -> float:
        at, after = path(), AFTER[shape]
        ring = SequencedSlots.create(at, capacity=capacity_for(size), slot_bytes=size, gates=len(after))

        def stage(index: int) -> Open:
            return lambda: SequencedSlots.open(at).stage(index, after[index], wait=Wait.YIELD)

        took = RUNNERS[where](
            [taking(stage(i), messages, size, calls) for i in range(len(after))],
            sending(lambda: ring.producer(wait=Wait.YIELD), messages, size, calls),
        )
        ring.close()
        at.unlink()
        return took

    return run


def broadcast(calls: str, size: int, consumers: int = 4) -> Run:
    def run(messages: int) -> float:
        at = path()
        lane = Fanout.create(at, capacity=capacity_for(size), slot_bytes=size, consumers=consumers)

        def consumer(index: int) -> Open:
            return lambda: Fanout.open(at).consumer(index, wait=Wait.YIELD)

        took = in_processes(
            [taking(consumer(i), messages, size, calls) for i in range(consumers)],
            sending(lambda: lane.producer(wait=Wait.YIELD), messages, size, calls),
        )
        lane.close()
        at.unlink()
        return took

    return run


def gather(calls: str, size: int, producers: int = 4) -> Run:
    def run(messages: int) -> float:
        at = path()
        lane = Events.create(at, capacity=capacity_for(size), slot_bytes=size, producers=producers)
        share = messages // producers // BATCH * BATCH

        def producer(index: int) -> Open:
            return lambda: Events.open(at).producer(index, wait=Wait.YIELD)

        took = in_processes(
            [sending(producer(i), share, size, calls, last=False) for i in range(producers)],
            taking(lambda: lane.consumer(wait=Wait.YIELD), share * producers, size, calls),
        )
        lane.close()
        at.unlink()
        return took * messages / (share * producers)

    return run


def routed(mode: Any, size: int, consumers: int = 4) -> Run:
    """A router that waits for whoever is slow; its decisions are Python."""

    def run(messages: int) -> float:
        at = path()
        lane = Queues.create(at, capacity=capacity_for(size), slot_bytes=size, consumers=consumers)

        def consumer(index: int) -> Role:
            def role() -> Iterator[None]:
                with Queues.open(at).consumer(index, wait=Wait.YIELD) as handle:
                    yield
                    while handle.receive_many(BATCH):
                        pass

            return role

        def produce() -> Iterator[None]:
            with lane.router(mode, "park") as router:
                yield
                payload = b"x" * size
                for _ in range(messages):
                    router.publish(payload)
                router.close_stream()

        took = in_processes([consumer(i) for i in range(consumers)], produce)
        lane.close()
        at.unlink()
        return took

    return run


def append(disk: bool, calls: str, size: int) -> Run:
    """Records into a journal that nobody reads."""

    def run(messages: int) -> float:
        with _journal(disk) as writer:
            start = time.perf_counter()
            _append(writer, messages, calls, b"x" * size)
            return time.perf_counter() - start

    return run


def replay(disk: bool, size: int) -> Run:
    """Records of a journal, read in batches from the first."""

    def run(messages: int) -> float:
        with _journal(disk) as writer:
            seconds, left = 0.0, messages
            while left:
                part = min(left, messages if disk else 4096)  # memory keeps only a window
                reader = None if disk else writer.journal.reader(writer.journal.published)
                _append(writer, part, "list", b"x" * size)
                start = time.perf_counter()
                with DiskJournalReader(writer.folder) if disk else contextlib.nullcontext(reader) as opened:
                    got = 0
                    while got < part:
                        got += len(opened.read(BATCH))
                seconds += time.perf_counter() - start
                left -= part
            return seconds

    return run


def _append(writer: Any, messages: int, calls: str, payload: bytes) -> None:
    if calls == "single":
        for _ in range(messages):
            writer.append(payload)
    else:
        batch = [payload] * BATCH
        for _ in range(messages // BATCH):
            writer.append_many(batch)


class _InMemory:
    """A journal in memory beside its writer, as a reader needs both."""

    def __init__(self, journal: Journal, writer: Any) -> None:
        self.journal, self.append, self.append_many = journal, writer.append, writer.append_many


@contextlib.contextmanager
def _journal(disk: bool) -> Iterator[Any]:
    if disk:
        with tempfile.TemporaryDirectory() as made, DiskJournalWriter(made) as on_disk:
            yield on_disk
        return
    at = path()
    with Journal.create(at) as journal, journal.writer() as writer:
        yield _InMemory(journal, writer)
    at.unlink()


def state(writes: bool, size: int) -> Run:
    def run(messages: int) -> float:
        at, payload = path(), b"x" * size
        with State.create(at, slot_bytes=size) as lane, lane.writer() as writer:
            writer.write(payload)
            call: Callable[[], object] = (lambda: writer.write(payload)) if writes else lane.read
            start = time.perf_counter()
            for _ in range(messages):
                call()
            took = time.perf_counter() - start
        at.unlink()
        return took

    return run


def rows(sizes: tuple[int, ...] = SIZES) -> list[Row]:
    """Every row. The first ones are those that come in all sizes."""
    processes, threads = "processes", "threads"
    calls = ("single", "list", "buffer", "native")
    found = [
        Row("Events", PAIR, call, size, processes, pair("Events", call, size, processes))
        for size in sizes
        for call in calls
    ]
    for lane in ("Events, MPSC", "SequencedSlots", "Fanout"):
        # A native stage ends with its stream, and one of two producers does not end it.
        some = calls if lane != "Events, MPSC" else calls[:3]
        found += [Row(lane, PAIR, call, SIZE, processes, pair(lane, call, SIZE, processes)) for call in some]
    found += [Row("Events", PAIR, call, SIZE, threads, pair("Events", call, SIZE, threads)) for call in calls]
    found += [Row("Events", PAIR, "drive", SIZE, processes, pair("Events", "drive", SIZE, processes))]
    for shape in (CHAIN, DIAMOND):
        for call, where in (("native", processes), ("native", threads), ("drive", processes)):
            found.append(Row("SequencedSlots", shape, call, SIZE, where, stages(shape, call, SIZE, where)))
    found += [Row("Fanout", SPREAD, call, SIZE, processes, broadcast(call, SIZE)) for call in calls]
    found += [Row("Events, MPSC", GATHER, call, SIZE, processes, gather(call, SIZE)) for call in calls[:3]]
    found += [
        Row("Queues, broadcast", SPREAD, "single", SIZE, processes, routed("broadcast", SIZE)),
        Row("Queues, work queue", "1 to one of 4", "single", SIZE, processes, routed("work_queue", SIZE)),
        Row("State", "write", "single", SIZE, "one thread", state(True, SIZE)),
        Row("State", "read", "single", SIZE, "one thread", state(False, SIZE)),
    ]
    for name, disk in (("Journal, memory", False), ("Journal, disk", True)):
        for call in ("single", "list"):
            found.append(Row(name, "append", call, SIZE, "one thread", append(disk, call, SIZE)))
        found.append(Row(name, "read", "list", SIZE, "one thread", replay(disk, SIZE)))
    for call in ("single", "list"):
        run = pair("Events", call, SIZE, processes, "pure")
        found.append(Row("Events, pure twin", PAIR, call, SIZE, processes, run))
    return found


def publish_ns(size: int) -> dict[str, float]:
    """Nanoseconds of one ``publish`` and of the bare loop, without a consumer."""
    count, at = 4000, path()
    lane, payload = Events.create(at, capacity=4096, slot_bytes=size), b"x" * size
    with lane.producer() as producer, lane.consumer() as consumer:
        best = bare = 1e9
        publish = producer.publish
        for _ in range(300):
            start = time.perf_counter_ns()
            for _ in range(count):
                publish(payload)
            best = min(best, (time.perf_counter_ns() - start) / count)
            start = time.perf_counter_ns()
            for _ in range(count):
                pass
            bare = min(bare, (time.perf_counter_ns() - start) / count)
            consumer.peek(count)
            consumer.advance(consumer.peeked)
    lane.close()
    at.unlink()
    return {"publish": best, "bare_loop": bare}


def round_trip(
    wait: Wait, rounds: int, kernel: str | None = None, size: int = SIZE, where: str = "processes"
) -> dict[str, int]:
    a, b = path(), path()
    there, back = (Events.create(at, capacity=64, slot_bytes=size, kernel=kernel) for at in (a, b))
    result: dict[str, int] = {}

    def echo() -> Iterator[None]:
        with (
            Events.open(a, kernel=kernel).consumer(wait=wait) as consumer,
            Events.open(b, kernel=kernel).producer(wait=wait) as producer,
        ):
            yield
            for _ in range(rounds):
                message = consumer.receive()
                assert message is not None
                producer.publish(message)

    def ask() -> Iterator[None]:
        with there.producer(wait=wait) as producer, back.consumer(wait=wait) as consumer:
            yield
            result.update(round_trips(producer.publish, consumer.receive, rounds, b"x" * size))

    RUNNERS[where]([echo], ask)
    for at in (a, b):
        at.unlink()
    return result


def idle_cpu(wait: Wait, seconds: float = 4.0) -> float:
    """The share of one processor that a consumer takes while nothing comes."""
    at = path()
    lane = Events.create(at, capacity=64, slot_bytes=SIZE)
    with lane.producer(), lane.consumer(wait=wait) as consumer:
        before = time.process_time()
        consumer.receive(seconds)
        used = time.process_time() - before
    lane.close()
    at.unlink()
    return used / seconds
