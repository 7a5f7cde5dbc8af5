"""The standard library's own, an OS pipe, and queues that live in shared memory."""

from __future__ import annotations

import mmap
import multiprocessing
import os
import queue
import time
from collections import deque
from typing import Any

from bench.transport.peers.base import Lane, Peer, Receive, Send, simple

RING_BYTES = 1 << 20
BATCH = 256


class PipeLane(Lane):
    def __init__(self, name: str, size: int, producers: int, consumers: int) -> None:
        self.taking, self.giving = multiprocessing.Pipe(duplex=False)

    def receiver(self, index: int) -> Receive:
        return self.taking.recv_bytes

    def sender(self) -> Send:
        return self.giving.send_bytes


class QueueLane(Lane):
    def __init__(self, name: str, size: int, producers: int, consumers: int) -> None:
        self.queue: Any = multiprocessing.get_context("fork").Queue()

    def receiver(self, index: int) -> Receive:
        return self.queue.get  # type: ignore[no-any-return]

    def sender(self) -> Send:
        return self.queue.put  # type: ignore[no-any-return]


class OsPipeLane(Lane):
    """Up to PIPE_BUF (4,096) bytes a write is whole, whoever else writes."""

    def __init__(self, name: str, size: int, producers: int, consumers: int) -> None:
        self.size, (self.taking, self.giving) = size, os.pipe()

    def receiver(self, index: int) -> Receive:
        read, fd, size = os.read, self.taking, self.size
        return lambda: read(fd, size)

    def sender(self) -> Send:
        write, fd = os.write, self.giving
        return lambda data: write(fd, data)


class FifoLane(Lane):
    def __init__(self, name: str, size: int, producers: int, consumers: int) -> None:
        import faster_fifo  # type: ignore[import-not-found]

        self.queue = faster_fifo.Queue(RING_BYTES)

    def receiver(self, index: int) -> Receive:
        get_many = self.queue.get_many

        class Take:
            __call__ = staticmethod(self.queue.get)

            def many(self, n: int) -> None:
                while n:
                    n -= len(get_many(max_messages_to_get=n))

        return Take()

    def sender(self) -> Send:
        put_many = self.queue.put_many

        class Give:
            __call__ = staticmethod(self.queue.put)

            def many(self, payload: bytes, n: int) -> None:
                # Its own lists: 256, or as many as its ring holds.
                batch = [payload] * min(BATCH, RING_BYTES // (2 * (len(payload) + 64)))
                while n:
                    put_many(batch[:n])
                    n -= min(n, len(batch))

        return Give()


class SpscRingLane(Lane):
    def __init__(self, name: str, size: int, producers: int, consumers: int) -> None:
        import spsc_ring_threadsafe as module  # type: ignore[import-not-found]

        self.module, self.memory = module, mmap.mmap(-1, RING_BYTES)
        module.init(self.memory)

    def receiver(self, index: int) -> Receive:
        get, memory, empty, rest = self.module.get, self.memory, self.module.QueueEmptyError, os.sched_yield

        def receive() -> Any:
            while True:
                try:
                    return get(memory)
                except empty:
                    rest()

        return receive

    def sender(self) -> Send:
        put, memory, full, rest = self.module.put, self.memory, self.module.QueueFullError, os.sched_yield

        def send(data: bytes) -> None:
            while True:
                try:
                    put(memory, data)
                    return
                except full:
                    rest()

        return send


class ThreadQueueLane(Lane):
    def __init__(self, make: Any) -> None:
        self.queue = make()

    def receiver(self, index: int) -> Receive:
        return self.queue.get  # type: ignore[no-any-return]

    def sender(self) -> Send:
        return self.queue.put  # type: ignore[no-any-return]


class DequeLane(Lane):
    """Bounded by looking at its length; the reader yields."""

    def __init__(self, name: str, size: int, producers: int, consumers: int) -> None:
        self.items: deque[bytes] = deque()

    def receiver(self, index: int) -> Receive:
        items = self.items

        def receive() -> bytes:
            while not items:
                time.sleep(0)
            return items.popleft()

        return receive

    def sender(self) -> Send:
        items = self.items

        def send(data: bytes) -> None:
            while len(items) >= 4096:
                time.sleep(0)
            items.append(data)

        return send


PEERS = (
    Peer("multiprocessing.Pipe", "", simple(PipeLane), "blocks"),
    Peer("multiprocessing.Queue", "", simple(QueueLane), "blocks", producers=4),
    Peer("OS pipe", "", simple(OsPipeLane), "blocks", producers=4),
    Peer("faster-fifo", "faster_fifo", simple(FifoLane), "blocks", producers=4, list_calls=True),
    Peer(
        "spsc-ring-threadsafe",
        "spsc_ring_threadsafe",
        simple(SpscRingLane),
        "yields",
        note="wants Python 3.14; built from its source where that is not there",
    ),
    Peer(
        "queue.SimpleQueue",
        "",
        simple(lambda *_: ThreadQueueLane(queue.SimpleQueue)),
        "blocks",
        where="threads",
        note="unbounded: no back-pressure",
    ),
    Peer(
        "queue.Queue",
        "",
        simple(lambda *_: ThreadQueueLane(lambda: queue.Queue(4096))),
        "blocks",
        where="threads",
    ),
    Peer("collections.deque", "", simple(DequeLane), "yields", where="threads", note="bounded by hand"),
)
