"""Random graphs of jobs against a plain model: exactly what went in comes out, in the promised order.

Long: ``BYTEOR_GRAPHS=5000 pytest -m campaign tests/indexbus/test_work_graphs.py``.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from byteor.indexbus import Events, Fanout, SequencedSlots, Wait
from byteor.indexbus.abi import End
from byteor.indexbus.jobs import AnyJob, Bridge, Merge, Route, Through, WorkEnd
from byteor.indexbus.journal_lane import JournalLane
from byteor.indexbus.work import work

Message = tuple[bytes, int]  # payload, origin
Model = Callable[[bytes], list[bytes]]
MANY = 512

STAGES: dict[str, tuple[dict[str, Any], Model]] = {
    "identity": ({}, lambda m: [m]),
    "native": ({"native": ("crc32c", b"")}, lambda m: [m]),
    "each": ({"function": lambda m: m + b"e"}, lambda m: [m + b"e"]),
    "filter": ({"function": lambda m: m if m[0] % 3 else None}, lambda m: [m] if m[0] % 3 else []),
    "fan out": ({"function": lambda m: [m] * (m[0] % 4)}, lambda m: [m] * (m[0] % 4)),
    "batch": ({"batch": lambda ms: [m[::-1] for m in ms]}, lambda m: [m[::-1]]),
    "batch fan out": ({"batch": lambda ms: [[m, b"x"] for m in ms]}, lambda m: [m, b"x"]),
}


class Graph:
    """Jobs over lanes in a folder, and beside each open lane what the model says will come out of it."""

    def __init__(self, folder: Path, draw: st.DrawFn, kernel_name: str) -> None:
        self.folder, self.draw, self.kernel = folder, draw, kernel_name
        self.jobs: list[AnyJob] = []
        self.lanes: list[Any] = []
        self.sinks: list[tuple[list[bytes], Callable[[list[bytes]], None]]] = []

    def lane(self, capacity: int = 0) -> tuple[Any, Any]:
        path = self.folder / f"lane{len(self.lanes)}"
        kind = self.draw(st.sampled_from(["events", "events", "fanout", "sequenced", "journal"]))
        capacity = capacity or self.draw(st.sampled_from([2, 4, 16]))
        sizes: dict[str, Any] = {"capacity": capacity, "slot_bytes": 24, "kernel": self.kernel}
        lane: Any
        if kind == "events":
            lane = Events.create(path, **sizes)
        elif kind == "fanout":
            lane = Fanout.create(path, **sizes, consumers=1)
        elif kind == "sequenced":
            lane = SequencedSlots.create(path, **sizes, egress=(0,))
        else:
            lane = JournalLane.create(path, **sizes, readers=1)
        self.lanes.append(lane)
        if kind == "sequenced":
            return lane.producer(), lane.egress(())
        return lane.producer(), lane.consumer() if kind == "events" else lane.consumer(0)

    def sources(self) -> list[tuple[Any, list[Message]]]:
        """One to three filled lanes; origins are tickets of one counter."""
        streams = [(self.lane(MANY), list[Message]()) for _ in range(self.draw(st.integers(1, 3)))]
        payloads = self.draw(st.lists(st.binary(min_size=1, max_size=8), max_size=60))
        for origin, payload in enumerate(payloads):
            index = self.draw(st.integers(0, len(streams) - 1))
            (producer, _), model = streams[index]
            assert producer.put(payload, index, origin)
            model.append((payload, origin))
        for (producer, _), _ in streams:
            producer.close_stream()
        return [(consumer, model) for (_, consumer), model in streams]

    def stage(self, rx: Any, model: list[Message]) -> tuple[Any, list[Message]]:
        options, function = STAGES[self.draw(st.sampled_from(sorted(STAGES)))]
        model = [(result, origin) for payload, origin in model for result in function(payload)]
        return self.through(rx, options), model

    def through(self, rx: Any, options: dict[str, Any]) -> Any:
        producer, consumer = self.lane()
        self.jobs.append(Through(rx, producer, watermarks=True, **options))
        return consumer

    def bridge(self, rx: Any, model: list[Message]) -> tuple[Any, list[Message]]:
        producer, consumer = self.lane()
        self.jobs.append(Bridge(rx, producer, watermarks=True))
        return consumer, model

    def merge(self, streams: list[tuple[Any, list[Message]]]) -> tuple[Any, list[Message]]:
        """In order of origin; streams are in order themselves."""
        producer, consumer = self.lane()
        self.jobs.append(Merge([rx for rx, _ in streams], producer, "in_order", watermarks=True))
        keyed = [(origin, i, payload) for i, (_, model) in enumerate(streams) for payload, origin in model]
        keyed.sort(key=lambda one: one[:2])  # stable
        return consumer, [(payload, origin) for origin, _, payload in keyed]

    def diamond(self, rx: Any, model: list[Message]) -> tuple[Any, list[Message]]:
        """A router, a stage in each branch, a merge in order."""
        branches = [self.lane() for _ in range(self.draw(st.integers(2, 3)))]
        queue = self.draw(st.booleans()) and len({origin for _, origin in model}) == len(model)
        mode: Any = "work_queue" if queue else "broadcast"
        self.jobs.append(Route(rx, [producer for producer, _ in branches], mode, watermarks=True))
        if not queue:
            return self.merge([self.stage(consumer, model) for _, consumer in branches])
        options, function = STAGES[self.draw(st.sampled_from(sorted(STAGES)))]
        ends = [(self.through(consumer, options), list[Message]()) for _, consumer in branches]
        found, _ = self.merge(ends)
        return found, [(result, origin) for payload, origin in model for result in function(payload)]

    def sink(self, rx: Any, check: Callable[[list[bytes]], None]) -> None:
        got: list[bytes] = []
        self.jobs.append(Through(rx, None, function=got.append))
        self.sinks.append((got, check))

    def in_turn(self, streams: list[tuple[Any, list[Message]]]) -> None:
        """Merged as they come: everything, and each stream in its own order."""
        producer, consumer = self.lane()
        self.jobs.append(Merge([rx for rx, _ in streams], producer, "round_robin"))

        def check(got: list[bytes]) -> None:
            assert Counter(got) == Counter(payload for _, model in streams for payload, _ in model)
            for _, model in streams:
                rest = iter(got)
                alone = len({origin for _, origin in model}) == len(model)
                assert not alone or all(payload in rest for payload, _ in model)

        self.sink(consumer, check)

    def close(self) -> None:
        for job in self.jobs:
            for name in ("rx", "tx"):
                many = getattr(job, f"{name}s", None) or [getattr(job, name, None)]
                for handle in many:
                    if handle is not None:
                        handle.close()
        for lane in self.lanes:
            lane.close()


@st.composite
def plans(draw: st.DrawFn, kernel_name: str, folder: Path) -> Graph:
    graph = Graph(folder, draw, kernel_name)
    streams = graph.sources()
    for _ in range(draw(st.integers(0, 5))):
        index = draw(st.integers(0, len(streams) - 1))
        rx, model = streams.pop(index)
        if len(model) > MANY:
            streams.append((rx, model))
            continue
        what = draw(st.sampled_from(["stage", "bridge", "diamond", "merge"]))
        if what == "merge" and streams:
            streams.append(graph.merge([(rx, model), streams.pop()]))
        elif what == "diamond":
            streams.append(graph.diamond(rx, model))
        else:
            streams.append((graph.stage if what == "stage" else graph.bridge)(rx, model))
    if len(streams) > 1 and draw(st.booleans()):
        graph.in_turn(streams)
    else:
        for rx, model in streams:
            graph.sink(rx, _exactly(model))
    return graph


def _exactly(model: list[Message]) -> Callable[[list[bytes]], None]:
    """In order of origin; among results of one message over several branches any order goes."""

    def check(got: list[bytes]) -> None:
        assert len(got) == len(model)
        at = 0
        for _, group in groupby(model, key=lambda one: one[1]):
            wanted = sorted(payload for payload, _ in group)
            assert sorted(got[at : at + len(wanted)]) == wanted
            at += len(wanted)

    return check


@contextmanager
def folder_in(shm: Path) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(dir=shm))
    yield path
    shutil.rmtree(path)


def run(graph: Graph, groups: list[list[AnyJob]], max_batch: int, wait: Wait) -> None:
    """Each group in a thread; a run that hangs is aborted, and fails."""
    ends: list[WorkEnd] = []
    threads = [
        threading.Thread(target=lambda jobs=jobs: ends.append(work(jobs, max_batch=max_batch, wait=wait)))
        for jobs in groups
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    hung = [thread for thread in threads if thread.is_alive()]
    for lane in graph.lanes if hung else ():
        lane.abort()
    for thread in threads:
        thread.join(5)
    assert not hung, "the graph hangs"
    assert ends == [WorkEnd(End.FINISHED, -1, 0, None)] * len(groups)


def check_graphs(shm: Path, kernel_name: str, examples: int) -> None:
    @settings(
        max_examples=examples,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],  # what hangs takes its time
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(st.data())
    def property_of_graphs(data: st.DataObject) -> None:
        with folder_in(shm) as folder:
            graph = data.draw(plans(kernel_name, folder))
            jobs = data.draw(st.permutations(graph.jobs))
            threads = data.draw(st.integers(1, min(3, len(jobs))))
            groups = [jobs[i::threads] for i in range(threads)]
            waits = [Wait.BACKOFF, Wait.BLOCK, Wait.YIELD]
            run(graph, groups, data.draw(st.sampled_from([1, 3, 256])), data.draw(st.sampled_from(waits)))
            for got, check in graph.sinks:
                check(got)
            graph.close()

    property_of_graphs()


def test_random_graphs_deliver_what_the_model_says(shm: Path, kernel_name: str) -> None:
    check_graphs(shm, kernel_name, 60 if kernel_name == "native" else 20)


@pytest.mark.campaign
def test_many_random_graphs_deliver_what_the_model_says(shm: Path, kernel_name: str) -> None:
    check_graphs(shm, kernel_name, int(os.environ.get("BYTEOR_GRAPHS", "1000")))
