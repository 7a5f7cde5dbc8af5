"""A run is killed: its source has forgotten nothing that had not left, whatever shape the run has."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from home import Home, until

from byteor.spec import ValidatedSpec
from byteor.spec.build import lane_graph, single_ring

STAGES = """
import time
from byteor.runtime.stages import stage

@stage
def mark(message: bytes) -> bytes | None:
    time.sleep(0.004)  # so that there is something under way
    return message

@stage
def thirty(message: bytes) -> list[bytes]:
    time.sleep(0.004)
    return [message + b" %d" % n for n in range(30)]
"""


def shards() -> ValidatedSpec:
    return single_ring("pipe", shards=3, shard_key="bytes:0:6").stage("mark", "mark").build()


def fan_out() -> ValidatedSpec:
    graph = lane_graph("pipe").lane("a", capacity=8).lane("b", capacity=8).ingress("in", "a")
    return graph.stage("many", "thirty", rx="a", tx="b").egress("out", "b").build()


def by_turns() -> ValidatedSpec:
    graph = lane_graph("pipe").lane("a", capacity=8).ingress("in", "a")
    graph = graph.router("split", rx="a", tx=["b", "c"], mode="work_queue")
    for before, behind in (("b", "d"), ("c", "e")):
        graph = graph.lane(before, capacity=8).lane(behind, capacity=8)
        graph = graph.stage(f"mark-{before}", "mark", rx=before, tx=behind)
    return graph.merge("both", rx=["d", "e"], tx="f").lane("f", capacity=8).egress("out", "f").build()


@pytest.mark.parametrize(("shape", "results"), [(shards, 1), (fan_out, 30), (by_turns, 1)])
def test_what_a_killed_run_had_forgotten_had_left(
    home: Home, tmp_path: Path, shape: Callable[[], ValidatedSpec], results: int
) -> None:
    home.stages.write_text(STAGES)
    spec, source, out, kept = (tmp_path / name for name in ("pipe.kv", "in", "out", "position"))
    spec.write_bytes(shape().canonical)
    source.write_text("".join(f"{n:06}\n" for n in range(150)))
    ends = ("--source", f"file:{source}?follow=1&checkpoint={kept}", "--sink", f"file:{out}")
    run = home.start(spec, "--stages", home.stages, *ends)
    given = 150

    def more() -> bool:
        nonlocal given
        with source.open("a") as file:
            file.write("".join(f"{n:06}\n" for n in range(given, given + 20)))
        given += 20
        return kept.exists() and json.loads(kept.read_bytes())["position"]["offset"] > 7 * 20

    until(more)
    run.send_signal(signal.SIGKILL)
    run.wait()
    forgotten = json.loads(kept.read_bytes())["position"]["offset"] // 7
    assert forgotten < given, "it was killed in the middle"
    left = Counter(line.split()[0] for line in out.read_text().splitlines() if line)
    missing = [n for n in range(forgotten) if left[f"{n:06}"] != results]
    assert not missing, f"{forgotten} were forgotten, and {len(missing)} of them have not left"
