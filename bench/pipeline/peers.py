"""The same pipeline as others would build it: a source of 64-byte messages, Python stages that return their
message, a sink that forgets.

``python -m bench.pipeline.peers REQUEST`` runs one, in an interpreter that has it; only the standard library
is needed to read this file. The request is JSON: peer, stages, messages, folder.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bench.transport.measure import Role, die_with_parent, in_processes

SIZE = 64
PAYLOAD = b"x" * SIZE


def stage(message: bytes) -> bytes:
    return message


def asyncio_queues(messages: int, stages: int, folder: Path) -> float:
    async def run() -> float:
        queues: list[asyncio.Queue[bytes | None]] = [asyncio.Queue(1024) for _ in range(stages + 1)]

        async def source() -> None:
            for _ in range(messages):
                await queues[0].put(PAYLOAD)
            await queues[0].put(None)

        async def work(taken: asyncio.Queue[bytes | None], given: asyncio.Queue[bytes | None]) -> None:
            while (message := await taken.get()) is not None:
                await given.put(stage(message))
            await given.put(None)

        async def sink() -> None:
            while await queues[-1].get() is not None:
                pass

        start = time.perf_counter()
        between = [work(a, b) for a, b in itertools.pairwise(queues)]
        await asyncio.gather(source(), *between, sink())
        return time.perf_counter() - start

    return asyncio.run(run())


def _processes(stages: int, ends: Callable[[int], tuple[Any, Any]], messages: int) -> float:
    """Source, stages and sink in processes of their own. ``ends(n)``: how way n is sent to and taken from,
    each opened in the process that uses it."""

    def source() -> Iterator[None]:
        yield
        send = ends(0)[0]()
        yield
        for _ in range(messages):
            send(PAYLOAD)

    def work(n: int) -> Role:
        def role() -> Iterator[None]:
            take = ends(n)[1]()
            yield
            send = ends(n + 1)[0]()
            yield
            for _ in range(messages):
                send(stage(take()))

        return role

    def sink() -> Iterator[None]:
        take = ends(stages)[1]()
        yield
        yield
        for _ in range(messages):
            take()

    def nothing() -> Iterator[None]:
        yield
        yield

    return in_processes([sink, *(work(n) for n in range(stages)), source], nothing, 2)


def mp_queues(messages: int, stages: int, folder: Path) -> float:
    context = multiprocessing.get_context("fork")
    queues: list[Any] = [context.Queue(1024) for _ in range(stages + 1)]
    return _processes(stages, lambda n: (lambda: queues[n].put, lambda: queues[n].get), messages)


def zeromq(messages: int, stages: int, folder: Path) -> float:
    import zmq  # type: ignore[import-not-found]

    def socket(kind: Any, n: int) -> Any:
        made = zmq.Context().socket(kind)
        made.set_hwm(65536)
        where = f"ipc://{folder}/{n}"
        made.bind(where) if kind == zmq.PULL else made.connect(where)
        return made

    return _processes(
        stages, lambda n: (lambda: socket(zmq.PUSH, n).send, lambda: socket(zmq.PULL, n).recv), messages
    )


def bytewax(messages: int, stages: int, folder: Path, whole: bool = False) -> float:
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
    for n in range(stages):
        given = op.flat_map_batch(f"stage{n}", given, list) if whole else op.map(f"stage{n}", given, stage)
    op.output("out", given, TestingSink(Forgets()))
    start = time.perf_counter()
    run_main(flow)
    return time.perf_counter() - start


def bytewax_batches(messages: int, stages: int, folder: Path) -> float:
    return bytewax(messages, stages, folder, whole=True)


DORA = {
    "source.py": """
import os, time
from dora import Node
node, start = Node(), time.perf_counter_ns()
for _ in range(int(os.environ["MESSAGES"])):
    node.send_output("out", b"x" * 64)
node.send_output("out", b"%d" % start)
""",
    "stage.py": """
from dora import Node
node = Node()
for event in node:
    if event["type"] == "INPUT":
        node.send_output("out", event["value"])
        if len(event["value"]) < 64:
            break
""",
    "sink.py": """
import os, time
from dora import Node
count = 0
for event in Node():
    if event["type"] == "INPUT":
        if len(event["value"]) < 64:
            took = time.perf_counter_ns() - int(bytes(event["value"].to_pylist()))
            with open("found", "w") as file:
                file.write(f"{count} {took}")
            break
        count += 1
""",
}


def dora(messages: int, stages: int, folder: Path) -> float:
    """A process a node. By default its queues lose the oldest message; here they wait."""
    for name, text in DORA.items():
        (folder / name).write_text(text)
    nodes = [{"id": "n0", "path": "source.py", "outputs": ["out"]}]
    for n in range(1, stages + 2):
        way = {"source": f"n{n - 1}/out", "queue_size": 65536, "queue_policy": "backpressure"}
        node = {"id": f"n{n}", "path": "stage.py" if n <= stages else "sink.py", "inputs": {"in": way}}
        nodes.append(node | ({"outputs": ["out"]} if n <= stages else {}))
    (folder / "flow.yml").write_text(json.dumps({"nodes": nodes}))
    bin_folder = Path(sys.executable).parent
    environment = os.environ | {
        "MESSAGES": str(messages),
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
    }
    program = shutil.which("dora", path=environment["PATH"])
    if program is None:
        raise ImportError("no program dora")
    done = subprocess.run(
        [program, "run", "flow.yml"], cwd=folder, env=environment, capture_output=True, text=True,
        preexec_fn=die_with_parent, check=False,
    )  # fmt: skip
    if not (folder / "found").exists():
        raise RuntimeError((done.stderr or done.stdout).strip()[-300:])
    count, took = map(int, (folder / "found").read_text().split())
    if count != messages:
        raise RuntimeError(f"{count} of {messages} messages came through")
    return took / 1e9


class Peer(NamedTuple):
    module: str  # that must be importable
    run: Callable[[int, int, Path], float]  # messages, stages, folder -> seconds
    messages: int  # of a run
    calls: str = "message"


PEERS: dict[str, Peer] = {
    "asyncio queues": Peer("", asyncio_queues, 200_000),
    "multiprocessing queues": Peer("", mp_queues, 50_000),
    "ZeroMQ push and pull": Peer("zmq", zeromq, 300_000),
    "Bytewax, map": Peer("bytewax", bytewax, 500_000),
    "Bytewax, flat_map_batch": Peer("bytewax", bytewax_batches, 1_000_000, "batch"),
    "dora-rs": Peer("dora", dora, 5_000),
}


def main() -> None:
    request = json.loads(sys.argv[1])
    messages = request["messages"]
    try:
        took = PEERS[request["peer"]].run(messages, request["stages"], Path(request["folder"]))
    except ImportError as error:
        print(json.dumps({"missing": str(error)}))
    else:
        print(json.dumps({"value": messages / took}))


if __name__ == "__main__":
    main()
