"""Our rows: a spec each, run by `byteor run` in a process of its own, so that nothing is left out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

SIZE = 64
STAGES = textwrap.dedent(
    """
    from byteor.runtime.stages import batch_stage, stage

    @stage(writes=False)
    def bench_each(message: bytes) -> bytes:
        return message

    @batch_stage("bench_batch", writes=False)
    def bench_batch(messages):
        return messages
    """
)


def ring(keys: list[str], after: list[list[int]] | None = None, shards: int = 1) -> str:
    """A ring of stages with these keys, each behind the one before it unless ``after`` says otherwise."""
    lines = ["v=1", "model=single_ring", "name=bench", f"single_ring.shards={shards}"]
    lines += ["single_ring.ordering=per_key", "single_ring.shard_key=bytes:12:4"] if shards > 1 else []
    lines += ["single_ring.capacity=4096", f"single_ring.slot_bytes={SIZE}"]
    for index, key in enumerate(keys):
        lines += [f"single_ring.stages.{index}.name=s{index}", f"single_ring.stages.{index}.key={key}"]
        behind = after[index] if after else list(range(max(0, index - 1), index))
        lines += [f"single_ring.stages.{index}.depends_on.{k}={d}" for k, d in enumerate(behind)]
    return "\n".join([*lines, ""])


def graph(roles: list[tuple[str, list[str], list[str]]], egress: list[str]) -> str:
    """A graph whose lanes are those that roles name; lane ``in`` is the ingress."""
    lanes = list(dict.fromkeys(["in", *(lane for _, rx, tx in roles for lane in (*rx, *tx))]))
    lines = ["v=1", "model=lane_graph", "name=bench"]
    for index, lane in enumerate(["in", *egress]):
        kind = "egress" if index else "ingress"
        lines += [f"lane_graph.endpoints.{index}.{k}={v}" for k, v in _endpoint(index, kind, lane)]
    for index, lane in enumerate(lanes):
        lines += [f"lane_graph.lanes.{index}.name={lane}", f"lane_graph.lanes.{index}.kind=events"]
        lines += [f"lane_graph.lanes.{index}.capacity=4096", f"lane_graph.lanes.{index}.slot_bytes={SIZE}"]
    for index, (kind, rx, tx) in enumerate(roles):
        at = f"lane_graph.roles.{index}"
        lines += [f"{at}.name=r{index}", f"{at}.kind={kind}"]
        lines += [f"{at}.key=identity"] if kind == "stage" else []
        lines += [f"{at}.policy=in_order"] if kind == "merge" else []
        lines += [f"{at}.rx.{k}={lane}" for k, lane in enumerate(rx)]
        lines += [f"{at}.tx.{k}={lane}" for k, lane in enumerate(tx)]
    return "\n".join([*lines, ""])


def _endpoint(index: int, kind: str, lane: str) -> list[tuple[str, str]]:
    return [("name", f"e{index}"), ("kind", kind), ("lane", lane)]


THREE = ["identity"] * 3
# name -> (spec, messages for a quick run)
ROWS: dict[str, tuple[str, int]] = {
    "ring, 3 native stages in a chain": (ring(THREE), 20_000_000),
    "ring, native diamond": (ring(THREE, [[], [0], [0]]), 20_000_000),
    "ring, 2 shards": (ring(["identity"], shards=2), 10_000_000),
    "ring, a Python stage a message": (ring(["bench_each"]), 5_000_000),
    "ring, a Python stage a batch": (ring(["bench_batch"]), 10_000_000),
    "ring, 3 Python stages a message": (ring(["bench_each"] * 3), 3_000_000),
    "ring, 3 Python stages a batch": (ring(["bench_batch"] * 3), 5_000_000),
    "graph, 3 native stages in a chain": (
        graph([("stage", ["in"], ["a"]), ("stage", ["a"], ["b"]), ("stage", ["b"], ["out"])], ["out"]),
        10_000_000,
    ),
    "graph, router to 2 sinks": (graph([("router", ["in"], ["a", "b"])], ["a", "b"]), 10_000_000),
    "graph, router, 2 stages, merge in order": (
        graph(
            [
                ("router", ["in"], ["a", "b"]),
                ("stage", ["a"], ["c"]),
                ("stage", ["b"], ["d"]),
                ("merge", ["c", "d"], ["out"]),
            ],
            ["out"],
        ),
        5_000_000,
    ),
}


def rate(spec: str, messages: int) -> float:
    """Messages taken a second, from the run's own result. Raises ``RuntimeError`` with what it said."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "bench.spec.kv").write_text(spec)
        (path / "bench_pipeline_stages.py").write_text(STAGES)
        (path / "run").mkdir(mode=0o700)
        sinks = [f"e{n}=null:" for n in range(1, 9) if f"name=e{n}\n" in spec] or ["null:"]
        command = [sys.executable, "-m", "byteor", "run", "bench.spec.kv", "--json"]
        command += ["--capture", "off"]  # a recorded run reads its source in Python
        command += ["--source", f"generate:{messages},{SIZE}"]
        command += [word for sink in sinks for word in ("--sink", sink)]
        command += ["--stages", "bench_pipeline_stages"] if "bench_" in spec else []
        paths = os.pathsep.join([folder, *filter(None, [os.environ.get("PYTHONPATH")])])
        # A data folder of its own: no audit database of the user's, and none to wait for.
        own = {
            "BYTEOR_RUNTIME_DIR": f"{folder}/run",
            "XDG_DATA_HOME": folder,
            "XDG_STATE_HOME": folder,
            "XDG_CONFIG_HOME": folder,
            "PYTHONPATH": paths,
        }
        done = subprocess.run(
            command, cwd=folder, env=os.environ | own, capture_output=True, text=True, timeout=120
        )
        if done.returncode != 0:
            raise RuntimeError((done.stderr or done.stdout).strip()[-400:])
        found = json.loads(done.stdout)
        if found["in"] != messages:
            raise RuntimeError(f"{found['in']} of {messages} messages were taken")
        return messages / (int(found["duration_ns"]) / 1e9)
