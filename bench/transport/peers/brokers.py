"""Peers with a server between the ends: Redis streams and NATS. The server starts and ends here."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.transport.measure import die_with_parent
from bench.transport.peers.base import Lane, Make, Peer, Receive, Send

BATCH = 256


@contextlib.contextmanager
def server(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def redis_streams(folder: Path) -> Iterator[Make]:
    import redis  # type: ignore[import-not-found]

    address = str(folder / "redis")
    options = ("--port", "0", "--save", "", "--appendonly", "no", "--dir", str(folder))

    def client() -> Any:
        return redis.Redis(unix_socket_path=address)

    class StreamLane(Lane):
        def __init__(self, name: str, size: int, producers: int, consumers: int) -> None:
            self.name = name

        def receiver(self, index: int) -> Receive:
            connection, got, last = client(), deque[Any](), b"0"

            def receive() -> Any:
                nonlocal last
                if not got:
                    ((_, entries),) = connection.xread({self.name: last}, count=BATCH, block=0)
                    got.extend(entries)
                    last = entries[-1][0]
                return got.popleft()

            return receive

        def sender(self) -> Send:
            connection, name = client(), self.name

            class Give:
                def __call__(self, data: bytes) -> None:
                    connection.xadd(name, {"d": data})

                def many(self, payload: bytes, n: int) -> None:
                    while n:
                        with connection.pipeline(transaction=False) as pipeline:
                            for _ in range(min(n, BATCH)):
                                pipeline.xadd(name, {"d": payload})
                            pipeline.execute()
                        n -= min(n, BATCH)

            return Give()

    with server("redis-server", "--unixsocket", address, *options):
        for _ in range(500):
            with contextlib.suppress(redis.RedisError):
                client().ping()
                break
            time.sleep(0.01)
        yield StreamLane


@contextlib.contextmanager
def nats(folder: Path) -> Iterator[Make]:
    import nats as module  # type: ignore[import-not-found]

    ports = folder / "nats"
    ports.mkdir()
    config = folder / "nats.conf"
    config.write_text("max_pending: 1GB\n")  # by default a reader that is 64 MB behind is cut off
    where = ("-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", str(ports), "-c", str(config))
    with server("nats-server", *where):
        for _ in range(500):
            if found := list(ports.glob("*.ports")):
                with contextlib.suppress(json.JSONDecodeError):
                    (address,) = json.loads(found[0].read_text())["nats"]
                    break
            time.sleep(0.01)
        else:
            raise RuntimeError("nats-server did not say where it listens")

        loop = asyncio.new_event_loop()  # a role's own: roles are forked
        opened: list[Any] = []

        def wait(call: Any) -> Any:
            return loop.run_until_complete(call)

        def connection() -> Any:
            """One a process."""
            if not opened:
                opened.append(wait(module.connect(address, pending_size=1 << 26)))
            return opened[0]

        class NatsLane(Lane):
            def __init__(self, name: str, size: int, producers: int, consumers: int) -> None:
                self.name = name

            def receiver(self, index: int) -> Receive:
                client = connection()
                subscription = wait(
                    client.subscribe(self.name, pending_msgs_limit=-1, pending_bytes_limit=-1)
                )
                wait(client.flush())  # the server knows of it

                class Take:
                    def __call__(self) -> Any:
                        return wait(subscription.next_msg(timeout=None))

                    def loop(self, n: int) -> None:
                        async def take() -> None:
                            for _ in range(n):
                                await subscription.next_msg(timeout=None)

                        wait(take())

                    def each(self) -> Any:
                        return subscription.next_msg(timeout=None)

                return Take()

            def sender(self) -> Send:
                client, name = connection(), self.name

                class Give:
                    def __call__(self, data: bytes) -> None:
                        wait(client.publish(name, data))  # goes out when the loop next runs

                    def finish(self) -> None:
                        wait(client.flush())

                    def loop(self, payload: bytes, n: int) -> None:
                        async def send() -> None:
                            for done in range(1, n + 1):
                                await client.publish(name, payload)
                                if done % 4096 == 0 or done == n:
                                    await client.flush()

                        wait(send())

                    def publish(self, data: bytes) -> Any:
                        return client.publish(name, data)

                return Give()

            @staticmethod
            def forward(send: Any, receive: Any, n: int) -> None:  # type: ignore[override]
                async def carry() -> None:
                    for _ in range(n):
                        await send.publish((await receive.each()).data)
                    await opened[0].flush()

                wait(carry())

        yield NatsLane


PEERS = (
    Peer(
        "Redis streams",
        "redis",
        redis_streams,
        "blocks",
        producers=4,
        consumers=4,
        list_calls=True,
        program="redis-server",
        note="Unix socket",
    ),
    Peer(
        "NATS",
        "nats",
        nats,
        "blocks",
        producers=4,
        consumers=4,
        program="nats-server",
        note="core NATS, loopback TCP; publishes of one coroutine go out together",
    ),
)
