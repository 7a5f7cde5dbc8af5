"""One row of one peer, in this interpreter: ``python -m bench.transport.peers REQUEST``, for the bench only.

The request is JSON: peer, shape, size, calls ("single" or "list"), repeats, budget_s, rounds, folder. The
answer is ``{"value": ...}``, or ``{"missing": why}`` when the peer cannot run here.
"""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.transport.measure import Role, enough, in_processes, in_threads, round_trips
from bench.transport.peers.base import Lane, Make, Peer
from bench.transport.peers.table import PEERS
from bench.transport.shapes import CHAIN, DIAMOND, GATHER, PAIR, SPREAD, TRIP

PHASES = 2  # receivers are there; senders are there
NAMES = (f"lane{n}" for n in range(1 << 30))


def send_all(send: Any, payload: bytes, n: int, calls: str) -> None:
    loop = getattr(send, "many", None) if calls == "list" else getattr(send, "loop", None)
    if loop is not None:
        loop(payload, n)
        return
    call = send.__call__  # of an object as fast as of a function
    for _ in range(n):
        call(payload)


def take_all(receive: Any, n: int, calls: str) -> None:
    loop = getattr(receive, "many", None) if calls == "list" else getattr(receive, "loop", None)
    if loop is not None:
        loop(n)
        return
    call = receive.__call__
    for _ in range(n):
        call()


def source(lanes: list[Lane], payload: bytes, n: int, calls: str) -> Role:
    """Every message into each of the lanes."""

    def role() -> Iterator[None]:
        yield
        sends = [lane.sender() for lane in lanes]
        yield
        if len(sends) == 1:
            send_all(sends[0], payload, n, calls)
        else:
            for _ in range(n):
                for send in sends:
                    send(payload)
        finish(sends)

    return role


def finish(sends: list[Any]) -> None:
    for send in sends:
        getattr(send, "finish", int)()


def sink(lanes: list[Lane], n: int, calls: str, index: int = 0) -> Role:
    """A message from each of the lanes in turn."""

    def role() -> Iterator[None]:
        receives = [lane.receiver(index) for lane in lanes]
        yield
        yield
        if len(receives) == 1:
            take_all(receives[0], n, calls)
        else:
            for _ in range(n):
                for receive in receives:
                    receive()

    return role


def stage(takes: Lane, gives: list[Lane], n: int) -> Role:
    """What comes goes on to each of the lanes."""

    def role() -> Iterator[None]:
        receive: Any = takes.receiver(0)
        yield
        sends: list[Any] = [lane.sender() for lane in gives]
        yield
        if takes.forward is not None and len(gives) == 1:
            takes.forward(sends[0], receive, n)
            return
        payload = b"x" * size_of(takes)
        for _ in range(n):
            receive()
            for send in sends:
                send(payload)
        finish(sends)

    return role


def size_of(lane: Lane) -> int:
    return getattr(lane, "size", 64)


def shape_run(peer: Peer, make: Make, shape: str, size: int, calls: str) -> Any:
    """Seconds for so many messages through lanes of the peer that are put together to that shape."""
    payload = b"x" * size

    def lane(producers: int = 1, consumers: int = 1) -> Lane:
        return make(next(NAMES), size, producers, consumers)

    def run(n: int) -> float:
        if shape == PAIR:
            one = lane()
            roles = [sink([one], n, calls), source([one], payload, n, calls)]
        elif shape == CHAIN:
            a, b, c = lane(), lane(), lane()
            roles = [sink([c], n, calls), stage(b, [c], n), stage(a, [b], n), source([a], payload, n, calls)]
        elif shape == DIAMOND:
            a, b, c, d, e = lane(), lane(), lane(), lane(), lane()
            roles = [sink([d, e], n, calls), stage(b, [d], n), stage(c, [e], n), stage(a, [b, c], n)]
            roles += [source([a], payload, n, calls)]
        elif shape == SPREAD and peer.consumers > 1:
            one = lane(1, 4)
            roles = [sink([one], n, calls, k) for k in range(4)] + [source([one], payload, n, calls)]
        elif shape == SPREAD:
            four = [lane() for _ in range(4)]
            roles = [sink([one], n, calls) for one in four] + [source(four, payload, n, calls)]
        elif shape == GATHER:
            one = lane(4, 1)
            roles = [sink([one], n // 4 * 4, calls)] + [source([one], payload, n // 4, calls)] * 4
        else:
            raise RuntimeError(f"no shape {shape!r}")
        return together(peer, roles)

    return run


def together(peer: Peer, roles: list[Role]) -> float:
    """All roles are forked: a library with threads of its own must not live in a process that forks on."""

    def nothing() -> Iterator[None]:
        for _ in range(PHASES):
            yield

    return (in_threads if peer.where == "threads" else in_processes)(roles, nothing, PHASES)


def trip(peer: Peer, make: Make, size: int, rounds: int, folder: Path) -> Any:
    payload, found = b"x" * size, folder / "found.json"
    there, back = make(next(NAMES), size, 1, 1), make(next(NAMES), size, 1, 1)

    def ask() -> Iterator[None]:
        receive = back.receiver(0)
        yield
        send = there.sender()
        yield
        found.write_text(json.dumps(round_trips(send, receive, rounds, payload)))

    together(peer, [stage(there, [back], rounds), ask])
    return json.loads(found.read_text())


def answer(request: dict[str, Any]) -> dict[str, Any]:
    peer = PEERS[request["peer"]]
    try:
        if peer.module:
            importlib.import_module(peer.module)
    except ImportError as error:
        return {"missing": str(error)}
    if peer.program and shutil.which(peer.program) is None:
        return {"missing": f"{peer.program} is not on the path"}
    folder = Path(request["folder"])
    with peer.open(folder) as make:
        if request["shape"] == TRIP:
            return {"value": trip(peer, make, request["size"], request["rounds"], folder)}
        run = shape_run(peer, make, request["shape"], request["size"], request["calls"])
        messages = enough(run, request["budget_s"], 256)
        rates = [messages / run(messages) for _ in range(request["repeats"])]
        return {"value": {"messages": messages, "rates": rates}}


if __name__ == "__main__":
    print(json.dumps(answer(json.loads(sys.argv[1]))))
