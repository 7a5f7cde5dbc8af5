"""Our rows: every lane and calling style."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.transport.measure import in_processes, in_threads, round_trips
from byteor.indexbus import DiskJournalWriter, Events, Fanout, Journal, SequencedSlots, Wait

PREFIX = "byteor-bench-"
SHM = Path("/dev/shm")
_names = itertools.count()
_folders: list[Path] = []
CAPACITY = 4096
BATCH = 256
Run = Callable[[int], float]


@contextlib.contextmanager
def folder() -> Iterator[None]:
    """Where the lanes of a run lie. It names its process: the next run clears up after a killed one."""
    for left in SHM.glob(f"{PREFIX}*-*"):
        pid = left.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdecimal() and not Path("/proc", pid).exists():
            shutil.rmtree(left, ignore_errors=True)
    owner = os.getpid()
    _folders.append(Path(tempfile.mkdtemp(prefix=f"{PREFIX}{owner}-", dir=SHM)))
    try:
        yield
    finally:
        if os.getpid() == owner:  # not in a forked role that ends by an exception
            shutil.rmtree(_folders.pop(), ignore_errors=True)


def path() -> Path:
    """A name for a new lane; only inside ``folder()``."""
    return _folders[-1] / f"{os.getpid()}-{next(_names)}"


def queue(size: int, capacity: int = CAPACITY, kernel: str | None = None) -> tuple[Any, Path]:
    where = path()
    return Events.create(where, capacity=capacity, slot_bytes=size, kernel=kernel), where


def stream(
    size: int,
    send: Callable[[Any, int, bytes], None],
    take: Callable[[Any, int, int], None],
    runner: Callable[..., float] = in_processes,
    kernel: str | None = None,
) -> Run:
    """One producer and one consumer on a queue."""

    def run(messages: int) -> float:
        lane, where = queue(size, kernel=kernel)

        def consume() -> None:
            with Events.open(where, kernel=kernel).consumer(wait=Wait.YIELD) as consumer:
                take(consumer, messages, size)

        def produce() -> None:
            with lane.producer(wait=Wait.YIELD) as producer:
                send(producer, messages, b"x" * size)
                producer.close_stream()

        took = runner([consume], produce)
        lane.close()
        where.unlink()
        return took

    return run


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
    while consumer.receive_many(BATCH):
        pass


def take_buffers(consumer: Any, messages: int, size: int) -> None:
    buffer = bytearray(BATCH * size)
    while consumer.receive_into(buffer, size):
        pass


def take_native(consumer: Any, messages: int, size: int) -> None:
    consumer.run_native("identity")


def take_callable(consumer: Any, messages: int, size: int) -> None:
    consumer.drive(lambda message: message)


def chain(size: int, stages: int, after: Callable[[int], tuple[int, ...]], runner: Any = in_processes) -> Run:
    """A producer of buffers and native stages; the last of them gates the end."""

    def run(messages: int) -> float:
        where = path()
        ring = SequencedSlots.create(where, capacity=CAPACITY, slot_bytes=size, gates=stages)

        def stage(index: int) -> Callable[[], None]:
            def work() -> None:
                with SequencedSlots.open(where).stage(index, after(index), wait=Wait.YIELD) as handle:
                    handle.run_native("identity")

            return work

        def produce() -> None:
            with ring.producer(wait=Wait.YIELD) as producer:
                send_buffers(producer, messages, b"x" * size)
                producer.close_stream()

        took = float(runner([stage(i) for i in range(stages)], produce))
        ring.close()
        where.unlink()
        return took

    return run


def broadcast(size: int, consumers: int) -> Run:
    def run(messages: int) -> float:
        where = path()
        lane = Fanout.create(where, capacity=CAPACITY, slot_bytes=size, consumers=consumers)

        def consume(index: int) -> Callable[[], None]:
            def work() -> None:
                with Fanout.open(where).consumer(index, wait=Wait.YIELD) as handle:
                    take_buffers(handle, messages, size)

            return work

        def produce() -> None:
            with lane.producer(wait=Wait.YIELD) as producer:
                send_buffers(producer, messages, b"x" * size)
                producer.close_stream()

        took = in_processes([consume(i) for i in range(consumers)], produce)
        lane.close()
        where.unlink()
        return took

    return run


def gather(size: int, producers: int) -> Run:
    def run(messages: int) -> float:
        where = path()
        lane = Events.create(where, capacity=CAPACITY, slot_bytes=size, producers=producers)
        share = messages // producers // BATCH * BATCH

        def produce(index: int) -> Callable[[], None]:
            def work() -> None:
                with Events.open(where).producer(index, wait=Wait.YIELD) as producer:
                    send_buffers(producer, share, b"x" * size)

            return work

        def consume() -> None:
            buffer = bytearray(BATCH * size)
            left = share * producers
            with lane.consumer(wait=Wait.YIELD) as consumer:
                while left:
                    left -= consumer.receive_into(buffer, size)

        took = in_processes([produce(i) for i in range(producers)], consume)
        lane.close()
        where.unlink()
        return took

    return run


def journal(size: int, disk: bool) -> Run:
    def run(messages: int) -> float:
        payload = b"x" * size
        if disk:
            with tempfile.TemporaryDirectory() as folder, DiskJournalWriter(folder) as writer:
                start = time.perf_counter()
                for _ in range(messages):
                    writer.append(payload)
                return time.perf_counter() - start
        where = path()
        lane = Journal.create(where)
        with lane.writer() as writer:
            start = time.perf_counter()
            for _ in range(messages):
                writer.append(payload)
            took = time.perf_counter() - start
        lane.close()
        where.unlink()
        return took

    return run


def publish_ns(size: int) -> tuple[float, float]:
    """Nanoseconds of one ``publish`` and of the bare loop, without a consumer."""
    count = 4000
    lane, where = queue(size)
    payload = b"x" * size
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
    where.unlink()
    return best, bare


def round_trip(wait: Wait, rounds: int, kernel: str | None = None) -> dict[str, int]:
    there, a = queue(64, 64, kernel)
    back, b = queue(64, 64, kernel)
    result: dict[str, int] = {}

    def echo() -> None:
        with (
            Events.open(a, kernel=kernel).consumer(wait=wait) as consumer,
            Events.open(b, kernel=kernel).producer(wait=wait) as producer,
        ):
            for _ in range(rounds):
                message = consumer.receive()
                assert message is not None
                producer.publish(message)

    def ask() -> None:
        with there.producer(wait=wait) as producer, back.consumer(wait=wait) as consumer:
            result.update(round_trips(producer.publish, consumer.receive, rounds, b"x" * 64))

    in_processes([echo], ask)
    for where in (a, b):
        where.unlink()
    return result


def idle_cpu(wait: Wait, seconds: float = 2.0) -> float:
    """The share of one processor that a consumer takes while nothing comes."""
    lane, where = queue(64)
    pid = os.fork()
    if pid == 0:
        with Events.open(where).consumer(wait=wait) as consumer:
            before = time.process_time()
            consumer.receive(seconds)
            os._exit(min(255, round((time.process_time() - before) / seconds * 200)))
    _, status = os.waitpid(pid, 0)
    lane.close()
    where.unlink()
    return os.waitstatus_to_exitcode(status) / 200


def straight(index: int) -> tuple[int, ...]:
    return (index - 1,) if index else ()


def diamond(index: int) -> tuple[int, ...]:
    return ((), (0,), (0,), (1, 2))[index]


def rows(sizes: list[int]) -> list[tuple[str, int, Run]]:
    """``(name, payload bytes, run)`` of every throughput row."""
    found: list[tuple[str, int, Run]] = []
    for size in sizes:
        found += [
            ("single calls", size, stream(size, send_single, take_single)),
            ("lists of 256", size, stream(size, send_lists, take_lists)),
            ("buffers of 256", size, stream(size, send_buffers, take_buffers)),
            ("buffers to native", size, stream(size, send_buffers, take_native)),
        ]
    found += [
        ("lists to a Python callable", 64, stream(64, send_lists, take_callable)),
        ("buffers of 256, threads", 64, stream(64, send_buffers, take_buffers, in_threads)),
        ("single calls, pure twin", 64, stream(64, send_single, take_single, kernel="pure")),
        ("native chain of 3", 64, chain(64, 3, straight)),
        ("native chain of 3, threads", 64, chain(64, 3, straight, in_threads)),
        ("native diamond", 64, chain(64, 4, diamond)),
        ("broadcast to 4", 64, broadcast(64, 4)),
        ("4 producers (MPSC)", 64, gather(64, 4)),
        ("journal append, memory", 64, journal(64, False)),
        ("journal append, disk", 64, journal(64, True)),
    ]
    return found
