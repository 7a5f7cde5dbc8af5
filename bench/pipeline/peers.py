"""The same pipeline as others would build it: a source of 64-byte messages, one stage that returns its
message, a sink that forgets. A peer that is not installed says so.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from typing import Any

SIZE = 64
PAYLOAD = b"x" * SIZE


def stage(message: bytes) -> bytes:
    return message


def asyncio_queues(messages: int) -> float:
    async def run() -> float:
        first: asyncio.Queue[bytes | None] = asyncio.Queue(1024)
        second: asyncio.Queue[bytes | None] = asyncio.Queue(1024)

        async def source() -> None:
            for _ in range(messages):
                await first.put(PAYLOAD)
            await first.put(None)

        async def work() -> None:
            while (message := await first.get()) is not None:
                await second.put(stage(message))
            await second.put(None)

        async def sink() -> None:
            while await second.get() is not None:
                pass

        start = time.perf_counter()
        await asyncio.gather(source(), work(), sink())
        return time.perf_counter() - start

    return messages / asyncio.run(run())


def _three(source: Callable[[], None], work: Callable[[], None], sink: Callable[[], None]) -> float:
    """Source and stage in processes of their own, the sink here; seconds."""
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=one, daemon=True) for one in (work, source)]
    start = time.perf_counter()
    for process in processes:
        process.start()
    sink()
    took = time.perf_counter() - start
    for process in processes:
        process.join()
    return took


def mp_queues(messages: int) -> float:
    context = multiprocessing.get_context("fork")
    first: Any = context.Queue(1024)
    second: Any = context.Queue(1024)

    def source() -> None:
        for _ in range(messages):
            first.put(PAYLOAD)
        first.put(None)

    def work() -> None:
        while (message := first.get()) is not None:
            second.put(stage(message))
        second.put(None)

    def sink() -> None:
        while second.get() is not None:
            pass

    return messages / _three(source, work, sink)


def zeromq(messages: int) -> float:
    import zmq  # type: ignore[import-not-found]

    with tempfile.TemporaryDirectory() as folder:
        a, b = f"ipc://{folder}/a", f"ipc://{folder}/b"

        def source() -> None:
            push = zmq.Context().socket(zmq.PUSH)
            push.bind(a)
            for _ in range(messages):
                push.send(PAYLOAD)
            push.send(b"")
            push.close()
            push.context.term()

        def work() -> None:
            context = zmq.Context()
            pull, push = context.socket(zmq.PULL), context.socket(zmq.PUSH)
            pull.connect(a)
            push.connect(b)
            while message := pull.recv():
                push.send(stage(message))
            push.send(b"")
            push.close()
            pull.close()
            context.term()

        def sink() -> None:
            pull = zmq.Context().socket(zmq.PULL)
            pull.bind(b)
            while pull.recv():
                pass

        return messages / _three(source, work, sink)


def bytewax(messages: int) -> float:
    import bytewax.operators as op  # type: ignore[import-not-found]
    from bytewax.dataflow import Dataflow  # type: ignore[import-not-found]
    from bytewax.testing import TestingSink, TestingSource, run_main  # type: ignore[import-not-found]

    class Forgets(list[bytes]):
        def append(self, message: bytes) -> None:
            pass

        def extend(self, messages: Any) -> None:
            pass

    flow = Dataflow("bench")
    given = op.input("in", flow, TestingSource([PAYLOAD] * messages, batch_size=256))
    op.output("out", op.map("stage", given, stage), TestingSink(Forgets()))
    start = time.perf_counter()
    run_main(flow)
    return messages / (time.perf_counter() - start)


# name -> (function, messages for a quick run)
PEERS: dict[str, tuple[Callable[[int], float], int]] = {
    "asyncio queues": (asyncio_queues, 200_000),
    "multiprocessing queues": (mp_queues, 100_000),
    "ZeroMQ push and pull": (zeromq, 300_000),
    "Bytewax, batches of 256": (bytewax, 1_000_000),
}
