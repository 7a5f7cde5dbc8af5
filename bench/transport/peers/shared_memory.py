"""Messaging libraries without a broker: Aeron and iceoryx2 (shared memory), ZeroMQ, zenoh."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import itertools
import json
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.transport.measure import die_with_parent
from bench.transport.peers.base import Lane, Make, Peer, Receive, Send

DRIVER = """
import pyaeron, sys
with pyaeron.MediaDriver(dir=sys.argv[1], threading=sys.argv[2]) as driver:
    print(driver.dir, flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def aeron(folder: Path) -> Iterator[Make]:
    """A media driver in a process of its own; it is told to end by the end of its stdin."""
    import pyaeron  # type: ignore[import-not-found]

    where = Path("/dev/shm", f"{folder.name}-aeron")  # its logs belong in memory
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(where), "shared"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent,
    )  # fmt: skip
    assert driver.stdout is not None and driver.stdin is not None
    if not driver.stdout.readline():
        raise RuntimeError("Aeron's media driver did not start")
    streams = {"next": 1000}

    class AeronLane(Lane):
        def __init__(self, name: str, size: int, producers: int, consumers: int) -> None:
            streams["next"] += 1
            self.stream = streams["next"]

        def receiver(self, index: int) -> Receive:
            client = pyaeron.Aeron(dir=str(where))
            poll = client.add_subscription(pyaeron.IPC_CHANNEL, self.stream).poll
            got = deque[bytes]()
            rest = pyaeron.IdleStrategy.yielding().idle
            keep = got.append

            def handler(view: Any, header: Any) -> None:
                keep(view.tobytes())

            def receive() -> bytes:
                while not got:
                    rest(poll(handler, 256))
                return got.popleft()

            receive.keep = client  # type: ignore[attr-defined]
            return receive

        def sender(self) -> Send:
            client = pyaeron.Aeron(dir=str(where))
            publication = client.add_exclusive_publication(pyaeron.IPC_CHANNEL, self.stream)
            publication.await_connected(10)
            offer, rest = publication.offer, pyaeron.IdleStrategy.yielding().idle

            def send(data: bytes) -> None:
                while not offer(data):
                    rest(0)

            send.keep = client  # type: ignore[attr-defined]
            return send

    try:
        yield AeronLane
    finally:
        driver.stdin.close()
        try:
            driver.wait(5)
        except subprocess.TimeoutExpired:
            driver.kill()


@contextlib.contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Ends that open at the same moment have missed each other."""
    with (folder / "opening").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def iceoryx(folder: Path) -> Iterator[Make]:
    import iceoryx2 as iox2  # type: ignore[import-not-found]

    def config() -> Any:
        found = iox2.config.default()
        found.global_cfg.prefix = iox2.FileName.new(f"{folder.name}_")
        found.global_cfg.root_path = iox2.Path.new(str(folder / "iox2"))
        found.global_cfg.creation_timeout = iox2.Duration.from_secs(5)  # of a machine that is busy
        return found

    class IceoryxLane(Lane):
        def __init__(self, name: str, size: int, producers: int, consumers: int) -> None:
            class Payload(ctypes.Structure):
                _fields_ = [("data", ctypes.c_uint8 * size)]

            self.name, self.payload = name, Payload
            self.producers, self.consumers, self.depth = producers, consumers, 1024

        def _service(self) -> Any:
            node = iox2.NodeBuilder.new().config(config()).create(iox2.ServiceType.Ipc)
            builder = node.service_builder(iox2.ServiceName.new(self.name)).publish_subscribe(self.payload)
            builder = builder.enable_safe_overflow(False).subscriber_max_buffer_size(self.depth)
            builder = builder.max_publishers(self.producers).max_subscribers(self.consumers)
            return node, builder.open_or_create()

        def receiver(self, index: int) -> Receive:
            with one_at_a_time(folder):
                node, service = self._service()
                take = service.subscriber_builder().buffer_size(self.depth).create().receive
            nap = ctypes.CDLL(None).sched_yield

            def receive() -> bytes:
                while (sample := take()) is None:
                    nap()
                return bytes(sample.payload().contents)

            receive.keep = node, service  # type: ignore[attr-defined]
            return receive

        def sender(self) -> Send:
            waits = iox2.BackpressureStrategy.RetryUntilDelivered
            with one_at_a_time(folder):
                node, service = self._service()
                publisher = service.publisher_builder().backpressure_strategy(waits).create()
            loan, kind = publisher.loan_uninit, self.payload

            def send(data: bytes) -> None:
                loan().write_payload(kind.from_buffer_copy(data)).send()

            send.keep = node, service  # type: ignore[attr-defined]
            return send

    yield IceoryxLane


class ZeroMqLane(Lane):
    """PUSH and PULL: they wait for a slow reader, where PUB would lose."""

    def __init__(self, name: str, size: int, producers: int, consumers: int) -> None:
        self.address = f"ipc://{name}.zmq"

    def receiver(self, index: int) -> Receive:
        return self._socket("PULL").recv  # type: ignore[no-any-return]

    def sender(self) -> Send:
        return self._socket("PUSH").send  # type: ignore[no-any-return]

    def _socket(self, kind: str) -> Any:
        import zmq  # type: ignore[import-not-found]

        socket = zmq.Context().socket(getattr(zmq, kind))
        socket.set_hwm(65536)
        socket.bind(self.address) if kind == "PULL" else socket.connect(self.address)
        return socket


@contextlib.contextmanager
def zeromq(folder: Path) -> Iterator[Make]:
    yield lambda name, *rest: ZeroMqLane(str(folder / name), *rest)


_ports = itertools.count(20_000 + os.getpid() % 10_000)  # below those that connections take by themselves


def free_port() -> int:
    for port in _ports:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError


@contextlib.contextmanager
def zenoh(folder: Path) -> Iterator[Make]:
    import zenoh as module  # type: ignore[import-not-found]

    def session(listen: list[str], connect: list[str]) -> Any:
        config = module.Config()
        config.insert_json5("mode", '"peer"')
        config.insert_json5("scouting/multicast/enabled", "false")
        config.insert_json5("scouting/gossip/enabled", "false")
        config.insert_json5("listen/endpoints", json.dumps(listen))
        config.insert_json5("connect/endpoints", json.dumps(connect))
        return module.open(config)

    class ZenohLane(Lane):
        def __init__(self, name: str, size: int, producers: int, consumers: int) -> None:
            self.key = f"bench/{name}"
            self.ends = [f"tcp/127.0.0.1:{free_port()}" for _ in range(consumers)]

        def receiver(self, index: int) -> Receive:
            opened = session([self.ends[index]], [])
            subscriber = opened.declare_subscriber(self.key, module.handlers.FifoChannel(4096))
            take = subscriber.recv

            def receive() -> bytes:
                return bytes(take().payload)

            receive.keep = opened, subscriber  # type: ignore[attr-defined]
            return receive

        def sender(self) -> Send:
            opened = session([], self.ends)
            publisher = opened.declare_publisher(
                self.key,
                congestion_control=module.CongestionControl.BLOCK,
                reliability=module.Reliability.RELIABLE,
            )
            while len(opened.info.peers_zid()) < len(self.ends) or not publisher.matching_status.matching:
                time.sleep(0.01)
            publisher.put(b"")  # the route is made by the first
            keep = opened, publisher

            def send(data: bytes, put: Any = publisher.put, keep: Any = keep) -> None:
                put(data)

            return send

    class Primed(ZenohLane):
        """Each consumer passes over the empty message of each sender, which may still be under way."""

        def receiver(self, index: int) -> Receive:
            take = super().receiver(index)

            def receive() -> bytes:
                while not (data := take()):
                    pass
                return data

            receive.keep = take  # type: ignore[attr-defined]
            return receive

    yield Primed


PEERS = (
    Peer("pyaeron", "pyaeron", aeron, "yields", producers=4, consumers=4, note="driver in its own process"),
    Peer("iceoryx2", "iceoryx2", iceoryx, "yields", producers=4),
    Peer("pyzmq (ipc)", "zmq", zeromq, "blocks", producers=4),
    Peer("eclipse-zenoh", "zenoh", zenoh, "blocks", producers=4, consumers=4, note="loopback TCP"),
)
