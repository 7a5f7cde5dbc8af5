"""What a Python user would take instead; a peer that is not installed says so and is left out."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.transport.measure import in_processes, round_trips

SIZE = 64
Run = Callable[[int], float]
Ends = tuple[Callable[[bytes], object], Callable[[], object]]


def pair(make: Callable[[], tuple[Callable[[], Ends], Callable[[], Ends]]]) -> Run:
    """Single messages from this process to a forked one. ``make`` gives how each side opens its ends."""

    def run(messages: int) -> float:
        ours, theirs = make()

        def consume() -> None:
            _, receive = theirs()
            for _ in range(messages):
                receive()

        def produce() -> None:
            send, _ = ours()
            payload = b"x" * SIZE
            for _ in range(messages):
                send(payload)

        return in_processes([consume], produce)

    return run


def mp_pipe() -> Any:
    a, b = multiprocessing.Pipe()
    return lambda: (a.send_bytes, a.recv_bytes), lambda: (b.send_bytes, b.recv_bytes)


def mp_queue() -> Any:
    there: Any = multiprocessing.Queue()
    back: Any = multiprocessing.Queue()
    return lambda: (there.put, back.get), lambda: (back.put, there.get)


def os_pipe() -> Any:
    there, back = os.pipe(), os.pipe()
    return (
        lambda: (lambda data: os.write(there[1], data), lambda: os.read(back[0], SIZE)),
        lambda: (lambda data: os.write(back[1], data), lambda: os.read(there[0], SIZE)),
    )


def faster_fifo() -> Any:
    import faster_fifo as module  # type: ignore[import-not-found]

    there, back = module.Queue(1 << 20), module.Queue(1 << 20)
    return lambda: (there.put, back.get), lambda: (back.put, there.get)


def zeromq() -> Any:
    import zmq  # type: ignore[import-not-found]

    address = f"ipc://{tempfile.mktemp()}"

    def end(bind: bool) -> Ends:
        socket = zmq.Context().socket(zmq.PAIR)
        socket.bind(address) if bind else socket.connect(address)
        return socket.send, socket.recv

    return lambda: end(True), lambda: end(False)


def aeron() -> Any:
    import pyaeron  # type: ignore[import-not-found]

    code = "import pyaeron, sys; d = pyaeron.MediaDriver(); print(d.dir, flush=True); sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    driver: Any = subprocess.Popen([sys.executable, "-c", code], **pipes)  # type: ignore[call-overload]
    folder = driver.stdout.readline().strip()
    atexit.register(driver.kill)

    def end(mine: int, other: int) -> Ends:
        client = pyaeron.Aeron(dir=folder)
        subscription = client.add_subscription(pyaeron.IPC_CHANNEL, other)
        publication = client.add_exclusive_publication(pyaeron.IPC_CHANNEL, mine)
        publication.await_connected()
        got: deque[bytes] = deque()

        def handler(view: Any, header: Any) -> None:
            got.append(bytes(view))

        def receive() -> bytes:
            while not got:
                subscription.poll(handler, 64)
            return got.popleft()

        def send(data: bytes) -> None:
            while not publication.offer(data):
                pass

        send.keep = client  # type: ignore[attr-defined]
        return send, receive

    return lambda: end(1, 2), lambda: end(2, 1)


def spsc_ring() -> Any:
    import spsc_ring_threadsafe as module  # type: ignore[import-not-found]  # noqa: F401

    raise ImportError("its ring lives in one process")


def redis_streams() -> Any:
    import redis  # type: ignore[import-not-found]

    redis.Redis().ping()
    key = tempfile.mktemp(prefix="byteor")

    def end(mine: str, other: str) -> Ends:
        client = redis.Redis()
        last = [b"0"]

        def receive() -> object:
            (_, ((last[0], fields),)) = client.xread({other: last[0]}, count=1, block=0)[0]
            return fields

        return (lambda data: client.xadd(mine, {"d": data})), receive

    return lambda: end(key + "a", key + "b"), lambda: end(key + "b", key + "a")


def iceoryx2() -> Any:
    import ctypes

    import iceoryx2 as iox2  # type: ignore[import-not-found]

    name = Path(tempfile.mktemp()).name

    class Payload(ctypes.Structure):
        _fields_ = [("data", ctypes.c_uint8 * SIZE)]

    def end(mine: str, other: str) -> Ends:
        node = iox2.NodeBuilder.new().create(iox2.ServiceType.Ipc)

        def service(which: str) -> Any:
            builder = node.service_builder(iox2.ServiceName.new(f"{name}/{which}")).publish_subscribe(Payload)
            return builder.enable_safe_overflow(False).subscriber_max_buffer_size(1024).open_or_create()

        publisher = service(mine).publisher_builder().create()
        subscriber = service(other).subscriber_builder().create()
        payload = Payload()

        def send(data: bytes) -> None:
            publisher.loan_uninit().write_payload(payload).send()

        def receive() -> object:
            while (sample := subscriber.receive()) is None:
                pass
            return sample

        send.keep = node  # type: ignore[attr-defined]
        return send, receive

    return lambda: end("a", "b"), lambda: end("b", "a")


PEERS: dict[str, Callable[[], Any]] = {
    "multiprocessing.Pipe": mp_pipe,
    "multiprocessing.Queue": mp_queue,
    "OS pipe": os_pipe,
    "faster-fifo": faster_fifo,
    "pyzmq (ipc)": zeromq,
    "iceoryx2": iceoryx2,
    "pyaeron": aeron,
    "spsc-ring-threadsafe": spsc_ring,
    "Redis streams": redis_streams,
}


def round_trip(make: Callable[[], Any], rounds: int) -> dict[str, int]:
    ours, theirs = make()
    result: dict[str, int] = {}

    def echo() -> None:
        send, receive = theirs()
        for _ in range(rounds):
            receive()
            send(b"x" * SIZE)

    def ask() -> None:
        send, receive = ours()
        result.update(round_trips(send, receive, rounds, b"x" * SIZE))

    in_processes([echo], ask)
    return result
