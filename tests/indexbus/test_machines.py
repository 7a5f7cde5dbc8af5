"""Random sequences of calls against a plain model: a list of messages and a count for each role."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import indexbus_worker as worker
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from byteor.indexbus import Fanout, IndexBusError, SequencedSlots

CAPACITY, ROOM = 4, 24
payloads = st.binary(max_size=ROOM)


class RingMachine(RuleBasedStateMachine):
    """A producer, stage 0, terminal stage 1 behind it, an egress; each on a kernel of hypothesis's choice."""

    kernels: list[str]

    @initialize(start=st.sampled_from([0, 2**64 - 3, 2**63 - 2]), data=st.data())
    def open(self, start: int, data: Any) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=os.environ["BYTEOR_TEST_SHM"]))
        path = self.folder / "ring"
        SequencedSlots.create(
            path, capacity=CAPACITY, slot_bytes=ROOM, gates=2, egress=(1,), start=start
        ).close()
        rings = [SequencedSlots.open(path, kernel=data.draw(st.sampled_from(self.kernels))) for _ in range(4)]
        self.observer = SequencedSlots.observe(path)
        self.producer = rings[0].producer()
        self.stages = [rings[1].stage(0), rings[2].stage(1, (0,))]
        self.egress = rings[3].egress()
        self.start = start
        self.messages: list[bytes | None] = []  # None: filtered
        self.done = [0, 0, 0]

    def free(self) -> int:
        return CAPACITY - (len(self.messages) - self.done[2])

    @rule(items=st.lists(payloads, max_size=6))
    def publish_many(self, items: list[bytes]) -> None:
        expected = min(len(items), self.free())
        assert self.producer.try_publish_many(items) == expected
        self.messages += items[:expected]

    @rule(item=payloads)
    def publish(self, item: bytes) -> None:
        fits = self.free() > 0
        assert self.producer.try_publish(item) is fits
        self.messages += [item] * fits

    @rule(items=st.lists(payloads, max_size=3))
    def oversize_publishes_nothing(self, items: list[bytes]) -> None:
        with pytest.raises(IndexBusError) as caught:
            self.producer.try_publish_many([*items, bytes(ROOM + 1)])
        assert caught.value.fields["index"] == len(items)

    @rule(index=st.sampled_from([0, 1]), most=st.integers(1, 5), data=st.data())
    def work(self, index: int, most: int, data: Any) -> None:
        """A stage looks at a batch, changes and filters some of it, and hands on a part."""
        stage, upstream = self.stages[index], len(self.messages) if index == 0 else self.done[0]
        n = stage.peek(most, 0)
        assert n <= min(most, upstream - self.done[index])
        assert (n > 0) == (upstream > self.done[index])
        for i in range(n):
            at = self.done[index] + i
            if self.messages[at] is None:
                assert stage.describe(i)[1] & 1
                continue
            assert stage.payload(i) == self.messages[at]
            action = data.draw(st.sampled_from(["leave", "write", "filter"]))
            if action == "write":
                self.messages[at] = data.draw(payloads)
                stage.write(i, self.messages[at])
            elif action == "filter":
                stage.filter(i)
                self.messages[at] = None
        part = data.draw(st.integers(0, n))
        stage.advance(part)
        self.done[index] += part
        stage.peek(1, 0)  # what was not handed on is there again

    @rule(most=st.integers(1, 5))
    def receive(self, most: int) -> None:
        got = self.egress.receive_many(most, 0)
        expected = [m for m in self.messages[self.done[2] : self.done[1]] if m is not None]
        assert got == expected[: len(got)]
        assert len(got) <= most
        assert bool(got) == bool(expected)
        # Where it stands now tells how many filtered ones it passed.
        self.done[2] = (self.egress.sequence - self.start) % 2**64

    @invariant()
    def cells_say_what_the_model_says(self) -> None:
        if not hasattr(self, "observer"):
            return
        at = lambda count: (self.start + count) % 2**64  # noqa: E731
        assert self.observer.cursor == at(len(self.messages))
        assert self.observer.finished == (at(self.done[0]), at(self.done[1]))
        assert self.observer.gating == (at(self.done[0]), at(self.done[2]))
        assert len(self.messages) - self.done[2] <= CAPACITY

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            for handle in [self.producer, *self.stages, self.egress]:
                handle.close()
            shutil.rmtree(self.folder)


class FanoutMachine(RuleBasedStateMachine):
    """One producer, three consumers: the slowest decides what fits."""

    kernels: list[str]

    @initialize(data=st.data())
    def open(self, data: Any) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=os.environ["BYTEOR_TEST_SHM"]))
        path = self.folder / "fanout"
        Fanout.create(path, capacity=CAPACITY, slot_bytes=ROOM, consumers=3, start=2**64 - 5).close()
        lanes = [Fanout.open(path, kernel=data.draw(st.sampled_from(self.kernels))) for _ in range(4)]
        self.producer = lanes[3].producer()
        self.consumers = [lanes[i].consumer(i) for i in range(3)]
        self.messages: list[bytes] = []
        self.done = [0, 0, 0]

    @rule(items=st.lists(payloads, max_size=6))
    def publish(self, items: list[bytes]) -> None:
        expected = min(len(items), CAPACITY - (len(self.messages) - min(self.done)))
        assert self.producer.try_publish_many(items) == expected
        self.messages += items[:expected]

    @rule(index=st.integers(0, 2), most=st.integers(1, 5))
    def receive(self, index: int, most: int) -> None:
        got = self.consumers[index].receive_many(most, 0)
        expected = self.messages[self.done[index] :]
        assert got == expected[: len(got)]
        assert bool(got) == bool(expected)
        self.done[index] += len(got)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            for handle in [self.producer, *self.consumers]:
                handle.close()
            shutil.rmtree(self.folder)


@pytest.mark.parametrize("machine", [RingMachine, FanoutMachine], ids=["ring", "fanout"])
def test_every_sequence_of_calls_agrees_with_the_model(machine: Any) -> None:
    machine.kernels = worker.kernel_names()
    quick = settings(
        max_examples=40,
        stateful_step_count=25,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=quick)
