"""A process that takes one role of a lane: ``worker.py LANE PATH KERNEL ROLE [COUNT [BATCH]]``; prints one
line.

Messages are numbered: ``<producer:4><number:8><padding>``, so that a reader can tell loss, order and tears.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from byteor.indexbus.abi import Wait
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.events import Events
from byteor.indexbus.fanout import Fanout
from byteor.indexbus.kernel_choice import install_sigbus, kernel
from byteor.indexbus.sequenced import SequencedSlots

LANES: dict[str, Any] = {"events": Events, "fanout": Fanout, "sequenced": SequencedSlots}


def kernel_names() -> list[str]:
    """The kernels of this installation."""
    try:
        kernel("native")
    except IndexBusError:
        return ["pure"]
    return ["native", "pure"]


def clear_after_the_dead(prefix: str) -> None:
    """Remove the folders ``<prefix><pid>-*`` in /dev/shm of processes that are no more."""
    for folder in Path("/dev/shm").glob(f"{prefix}*-*"):
        pid = folder.name.removeprefix(prefix).partition("-")[0]
        if pid.isdecimal() and not Path("/proc", pid).exists():
            shutil.rmtree(folder, ignore_errors=True)


def kernel_pairs() -> list[tuple[str, str]]:
    """Every kernel as writer with every kernel as reader."""
    return [(a, b) for a in kernel_names() for b in kernel_names()]


class Child:
    """A forked process that takes one role, on the named kernel, and reports one line over a pipe."""

    def __init__(self, work: Callable[[], str], kernel_name: str | None = None) -> None:
        self._read, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            if kernel_name is not None:
                os.environ["BYTEOR_KERNEL"] = kernel_name
                kernel.cache_clear()
            try:
                os.write(write, b"+")
                text = f"{work()}|{time.monotonic_ns()}"
            except BaseException as error:  # noqa: BLE001
                text = f"raised {error!r}|0"
            os.write(write, text.encode())
            os._exit(0)
        os.close(write)
        os.read(self._read, 1)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def result(self, timeout_s: float) -> tuple[str, int]:
        """What it reported and when; ``hangs`` when it did not in time."""
        ready, _, _ = select.select([self._read], [], [], timeout_s)
        if not ready:
            self.kill()
        text = os.read(self._read, 4096).decode() if ready else "hangs|0"
        os.close(self._read)
        os.waitpid(self.pid, 0)
        if not text:
            return "killed", 0
        report, _, at = text.rpartition("|")
        return report, int(at)


def message(producer: int, number: int) -> bytes:
    """Its own check inside: lengths from 16 to 63 bytes."""
    body = (
        producer.to_bytes(4, "little")
        + number.to_bytes(8, "little")
        + bytes([number & 0xFF]) * (number * 7 % 48)
    )
    return body + zlib.crc32(body).to_bytes(4, "little")


def parse(data: bytes) -> tuple[int, int]:
    """Producer and number. Raises ``ValueError`` for a torn message."""
    if zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise ValueError(f"torn: {data!r}")
    return int.from_bytes(data[:4], "little"), int.from_bytes(data[4:12], "little")


def take_role(lane: Any, role: str, wait: Wait) -> Any:
    name, _, index = role.partition(":")
    method = getattr(lane, name)
    return method(int(index), wait=wait) if index else method(wait=wait)


def produce(handle: Any, producer: int, count: int, batch: int, close: bool) -> str:
    sent = 0
    while sent < count:
        n = min(batch, count - sent)
        if n == 1:
            done = int(handle.publish(message(producer, sent)))
        else:
            done = handle.publish_many([message(producer, sent + i) for i in range(n)])
        sent += done
        if done < n:
            break
    if close:
        handle.close_stream()
    return f"sent {sent} {handle.ended.name}"


def consume(handle: Any, batch: int) -> str:
    """Receive to the end; every producer's numbers must be without gap and in order."""
    expected: dict[int, int] = {}
    while (
        messages := handle.receive_many(batch)
        if batch > 1
        else [m for m in [handle.receive()] if m is not None]
    ):
        for data in messages:
            producer, number = parse(data)
            if number != expected.get(producer, 0):
                return f"wrong {producer} {number} instead of {expected.get(producer, 0)}"
            expected[producer] = number + 1
    return f"received {sorted(expected.items())} {handle.ended.name}"


def stage(handle: Any) -> str:
    return f"stage {handle.drive(lambda data: data).reason.name}"


def main(
    lane_name: str,
    path: str,
    kernel_name: str,
    role: str,
    count: str = "0",
    batch: str = "1",
    wait: str = "YIELD",
) -> str:
    lane = LANES[lane_name].open(path, kernel=kernel_name)
    with take_role(lane, role, Wait[wait]) as handle:
        print("ready", flush=True)
        try:
            if role.startswith("producer"):
                index = int(role.partition(":")[2] or 0)
                result = produce(
                    handle, index, int(count), int(batch), close=lane_name != "events" or lane.producers == 1
                )
            elif role.startswith("stage"):
                result = stage(handle)
            else:
                result = consume(handle, int(batch))
        except IndexBusError as error:
            result = f"error {error.code}"
        return f"{result} {time.monotonic_ns()}"


if __name__ == "__main__":
    install_sigbus()
    print(main(*sys.argv[1:]), flush=True)
