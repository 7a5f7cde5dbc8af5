"""What a source may forget while a run works: never what still lies in a lane or in a sink's hands."""

from __future__ import annotations

import contextlib
import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byteor.indexbus import Events, Producer, kernel_name
from byteor.runtime import commits as module
from byteor.runtime.commits import Commits, Departed
from byteor.runtime.wiring import LanePlan, Port, Wiring, WorkerPlan


class Counted:
    """A source whose position is how many messages it gave."""

    name, delivery, dead_letters = "counted", "", None
    given = committed = 0

    def checkpoint(self) -> object:
        return self.given

    def commit(self, position: object) -> None:
        assert isinstance(position, int)
        assert position > self.committed, "each position once, in order"
        self.committed = position


@st.composite
def wirings(draw: st.DrawFn) -> Wiring:
    """Worker n reads lane n and writes some of the lanes behind it; the last lanes are read by sinks."""
    workers, sinks = draw(st.integers(0, 4)), draw(st.integers(1, 2))
    count = workers + sinks
    writes = [set(draw(st.sets(st.integers(n + 1, count - 1), min_size=1))) for n in range(workers)]
    first = {0, *draw(st.sets(st.integers(0, count - 1)))}
    for lane in range(1, count):
        if lane not in first.union(*writes):
            (writes[lane - 1] if 1 <= lane <= workers else first).add(lane)
    written: Counter[int] = Counter()

    def ports(lanes: set[int]) -> tuple[Port, ...]:
        written.update(lanes)
        return tuple(Port(lane, written[lane] - 1) for lane in sorted(lanes))

    plans = [WorkerPlan(0, "in", "source", "", tx=ports(first), endpoint=0)]
    for n in range(count):
        tx = ports(writes[n]) if n < workers else ()
        plans.append(WorkerPlan(1 + n, f"w{n}", "stage" if tx else "sink", "", rx=(Port(n),), tx=tx))
    lanes = [LanePlan(f"l{n}", "events", 4, 8, producers=written[n]) for n in range(count)]
    return Wiring(tuple(lanes), tuple(plans))


class Plant:
    """Lanes of a wiring, and its workers as hands that move a few messages when they are told to."""

    def __init__(
        self, wiring: Wiring, folder: Path, stack: contextlib.ExitStack, chance: random.Random
    ) -> None:
        self.wiring, self.chance, self.source = wiring, chance, Counted()
        self.lanes = [
            stack.enter_context(
                Events.create(folder / plan.file, capacity=4, slot_bytes=8, producers=plan.producers)
            )
            for plan in wiring.lanes
        ]
        self.rx, self.tx = {}, {}
        for worker in wiring.workers:
            self.rx[worker.row] = [stack.enter_context(self.lanes[p.lane].consumer()) for p in worker.rx]
            self.tx[worker.row] = [
                stack.enter_context(self.lanes[p.lane].producer(p.index)) for p in worker.tx
            ]
        self.alive: Counter[int] = Counter()  # copies of each message that have not left
        self.in_hand: dict[int, list[int]] = {w.row: [] for w in wiring.of_role("sink")}
        self.departed = Departed(wiring.of_role("sink"))
        way = [(index, self.lanes[index]) for index in wiring.lanes_from(wiring.workers[0])]
        self.commits = Commits(self.source, way, self.departed)  # type: ignore[arg-type]

    def give(self) -> None:
        number = self.source.given
        if self._hand_on(self.tx[0], [number]):
            self.source.given += 1
            self.commits.took()

    def work(self, worker: WorkerPlan) -> None:
        consumer = self.rx[worker.row][0]
        count = consumer.peek(self.chance.randint(1, 3), 0)
        for _ in range(count):
            number = int(consumer.payload(0))
            if self.chance.random() < 0.2:
                pass  # filtered
            elif not self._hand_on(self.tx[worker.row], [number] * self.chance.randint(1, 2)):
                return
            self.alive[number] -= 1
            consumer.advance(1)
            consumer.peek(1, 0)

    def take(self, sink: WorkerPlan) -> None:
        consumer = self.rx[sink.row][0]
        count = consumer.peek(self.chance.randint(1, 3), 0)
        self.in_hand[sink.row] += [int(consumer.payload(i)) for i in range(count)]
        consumer.advance(count)

    def flush(self, sink: WorkerPlan) -> None:
        self.alive.subtract(self.in_hand[sink.row])
        self.in_hand[sink.row].clear()
        self.departed.flushed(sink.rx[0], self.rx[sink.row][0].sequence)

    def _hand_on(self, producers: Sequence[Producer], numbers: Sequence[int]) -> bool:
        """To all lanes or to one of them, when all have room."""
        if any(producer.free() < len(numbers) for producer in producers):
            return False
        chosen = producers if self.chance.random() < 0.5 else [self.chance.choice(producers)]
        for producer in chosen:
            assert producer.publish_many([b"%d" % number for number in numbers]) == len(numbers)
            self.alive.update(numbers)
        return True

    def look(self) -> bool:
        nothing_waits = self.commits.settle()
        lost = [number for number in range(self.source.committed) if self.alive[number] > 0]
        assert not lost, f"{self.source.committed} messages were forgotten, and {lost} have not left"
        return nothing_waits

    def step(self) -> None:
        worker = self.chance.choice(self.wiring.workers)
        if worker.role == "source":
            self.give()
        elif worker.role == "stage":
            self.work(worker)
        else:
            self.chance.choice([self.take, self.take, self.flush])(worker)


@pytest.fixture(autouse=True)
def always_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.0)


@pytest.mark.skipif(kernel_name() == "pure", reason="the twin has no MPSC")
@settings(max_examples=60)
@given(wiring=wirings(), seed=st.integers(0, 2**32))
def test_a_source_forgets_only_what_has_left_and_in_the_end_everything(wiring: Wiring, seed: int) -> None:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm")))
        plant = Plant(wiring, folder, stack, random.Random(seed))
        for _ in range(300):
            plant.step()
            plant.look()
        for _ in range(2000):
            for worker in plant.wiring.workers[1:]:
                plant.work(worker) if worker.role == "stage" else plant.take(worker)
        for sink in plant.wiring.of_role("sink"):
            plant.flush(sink)
        while not plant.look():
            pass
        assert plant.source.committed == plant.source.given
