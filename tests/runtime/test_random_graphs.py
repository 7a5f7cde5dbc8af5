"""Exactly what went in comes out, in the promised order, whatever the graph: against a plain Python model.

The campaign: ``BYTEOR_SEED=1 pytest -m campaign tests/runtime/test_random_graphs.py`` (500 graphs in one
process, 60 with processes).
"""

from __future__ import annotations

import os
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import graph_stages
import pytest
from graph_model import number_of, outcomes, path_of, plans
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from plays import ListSink, ListSource, play_ends

from byteor.runtime.execute import Ended
from byteor.runtime.prepare import Prepared, prepare
from byteor.runtime.sample import RunSample
from byteor.runtime.wiring.groups import Executor
from byteor.spec import LaneGraph, PipelinePlanV2, compile_plan


@pytest.fixture(scope="module", params=["memory", "disk"])
def backing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where regions lie: in shared memory, or in files of a disk."""
    root = tmp_path_factory.mktemp("graphs")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("run", "state", "shm"):
            (root / name).mkdir(mode=0o700)
            patch.setenv(f"BYTEOR_{'RUNTIME' if name == 'run' else name.upper()}_DIR", str(root / name))
        if request.param == "memory":
            memory = Path("/dev/shm") / root.name
            memory.mkdir(mode=0o700)
            patch.setenv("BYTEOR_SHM_DIR", str(memory))
        yield request.param
        if request.param == "memory":
            import shutil

            shutil.rmtree(memory)


def numbered(prefix: str, count: int, sizes: Sequence[int]) -> list[list[bytes]]:
    """``count`` messages ``prefix:N`` in batches of ``sizes``, in turn."""
    messages = [f"{prefix}:{n}".encode() for n in range(count)]
    batches, at = [], 0
    while at < count:
        size = sizes[len(batches) % len(sizes)]
        batches.append(messages[at : at + size])
        at += size
    return batches


def play(
    prepared: Prepared, executor: Executor, cores: int, batch: int, sizes: Sequence[int], count: int
) -> tuple[Ended, dict[str, ListSink], RunSample]:
    """Run it to its end; what each sink got, by name."""
    wiring = prepared.wiring
    names = [worker.name for worker in wiring.of_role("source")]
    sources = tuple(ListSource(numbered(name, count, sizes)) for name in names)
    sinks = {worker.name: ListSink() for worker in wiring.of_role("sink")}
    ended, sample = play_ends(
        prepared, sources, tuple(sinks.values()), executor=executor, cores=cores, batch=batch
    )
    return ended, sinks, sample


def check(plan: PipelinePlanV2, executor: Executor, cores: int, batch: int, sizes: Sequence[int]) -> None:
    report = compile_plan(plan)
    if report.spec is None:
        return  # a rule refuses what was drawn
    prepared = prepare(report.spec, ("graph_stages",))
    spec = report.spec.spec
    assert isinstance(spec, LaneGraph)
    count = 60
    ended, sinks, sample = play(prepared, executor, cores, batch, sizes, count)
    assert ended.result.state == "finished", ended.result
    assert threading.active_count() < 20
    _check_outcomes(spec, sinks, count, exact=spec.on_full == "block")
    _check_order(spec, sinks)
    _check_counts(prepared, sample, sinks, count)


def _check_outcomes(spec: LaneGraph, sinks: dict[str, ListSink], count: int, *, exact: bool) -> None:
    """What came of each message is one of the things that may; with drops, a part of one."""
    came: dict[bytes, Counter[tuple[str, bytes]]] = defaultdict(Counter)
    for name, sink in sinks.items():
        for payload in sink.got:
            came[payload.partition(b",")[0]][(name, payload)] += 1
    for end in spec.endpoints:
        if end.kind == "ingress":
            for n in range(count):
                message = f"{end.name}:{n}".encode()
                got = came.pop(message, Counter())
                ways = [Counter(dict(way)) for way in outcomes(spec, end.lane, message)]
                if exact:
                    assert got in ways, (message, got, ways)
                else:
                    assert any(got <= way for way in ways), (message, got, ways)
    assert not came  # nothing came from nowhere


def _check_order(spec: LaneGraph, sinks: dict[str, ListSink]) -> None:
    """What took the same way arrives in order; behind nothing but merges in order, everything of a source."""
    merges = [role for role in spec.roles if role.kind == "merge"]
    ordered = all(role.policy == "in_order" for role in merges)
    if not ordered and any(role.key == "identity" for role in spec.roles):
        return  # it leaves no name: two ways look alike
    for sink in sinks.values():
        last: dict[tuple[bytes, bytes], int] = {}
        for payload in sink.got:
            source = payload.partition(b":")[0]
            key = (source, b"" if ordered else path_of(payload))
            assert last.get(key, -1) <= number_of(payload), (sink.got, key)
            last[key] = number_of(payload)


def _check_counts(prepared: Prepared, sample: RunSample, sinks: dict[str, ListSink], count: int) -> None:
    """Every message that a worker took is accounted for; a lane lost or delivered what it was given."""
    wiring = prepared.wiring
    rows = {worker.row: worker for worker in sample.workers}
    for worker in wiring.workers:
        row = rows[worker.row]
        if worker.role == "source":
            assert row.messages_out + row.dropped == count, row
        elif worker.role == "sink":
            assert row.messages_in == row.messages_out == len(sinks[worker.name].got), row
        elif worker.role == "stage":
            made = 2 if worker.key.startswith("doubles") else 1
            assert made * (row.messages_in - row.filtered) == row.messages_out + row.dropped, row
        else:
            copies = len(worker.tx) if worker.mode == "broadcast" and worker.role == "router" else 1
            assert copies * row.messages_in == row.messages_out + row.dropped, row
    lanes = {lane.name: lane for lane in sample.lanes}
    for index, plan in enumerate(wiring.lanes):
        lane = lanes[plan.name]
        writers = [worker for worker in wiring.workers if any(port.lane == index for port in worker.tx)]
        if len(writers) == 1 and len(writers[0].tx) == 1:
            row = rows[writers[0].row]
            assert (lane.published, lane.dropped) == (row.messages_out, row.dropped), (lane, row)
        readers = [worker for worker in wiring.workers if [port.lane for port in worker.rx] == [index]]
        for reader in readers:
            assert rows[reader.row].messages_in == lane.published, (lane, rows[reader.row])


GRAPHS: dict[str, Any] = {
    "plan": plans(),
    "batch": st.sampled_from([1, 3, 16, 256]),
    "sizes": st.lists(st.integers(1, 40), min_size=1, max_size=4),
    "cores": st.sampled_from([1, 2, 8]),
}
QUIET: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "suppress_health_check": list(HealthCheck),
    "phases": (Phase.explicit, Phase.generate),
}
SEED = int(os.environ.get("BYTEOR_SEED", "1"))


@seed(SEED)
@settings(max_examples=12, **QUIET)
@given(**GRAPHS)
def test_a_random_graph_in_one_process(
    backing: str, plan: PipelinePlanV2, batch: int, sizes: list[int], cores: int
) -> None:
    check(plan, "sp", cores, batch, sizes)


@seed(SEED)
@settings(max_examples=2, **QUIET)
@given(**GRAPHS)
def test_a_random_graph_of_processes(
    backing: str, plan: PipelinePlanV2, batch: int, sizes: list[int], cores: int
) -> None:
    check(plan, "mp", cores, batch, sizes)


@pytest.mark.campaign
@seed(SEED)
@settings(max_examples=250, **QUIET)
@given(**GRAPHS)
def test_250_random_graphs_in_one_process(
    backing: str, plan: PipelinePlanV2, batch: int, sizes: list[int], cores: int
) -> None:
    check(plan, "sp", cores, batch, sizes)


@pytest.mark.campaign
@seed(SEED)
@settings(max_examples=30, **QUIET)
@given(**GRAPHS, executor=st.sampled_from(["mp", "auto"]))
def test_30_random_graphs_of_processes(
    backing: str, plan: PipelinePlanV2, batch: int, sizes: list[int], cores: int, executor: Executor
) -> None:
    check(plan, executor, cores, batch, sizes)


def test_the_model_knows_what_its_stages_do() -> None:
    assert graph_stages.apply("doubles:x", b"a:1") == [b"a:1,x1", b"a:1,x2"]
    assert graph_stages.apply("identity", b"a:1") == [b"a:1"]
