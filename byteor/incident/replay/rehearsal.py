"""Captured inputs through the lanes and stages of a spec: in one process, in regions of its own.

No program is started, no socket opened and no live region touched. Stages of kind ``external`` do not act in
a dry run: what they would have acted on is counted, and the message goes on unchanged, as it does live.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import secrets
import shutil
import threading
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from byteor.atomic import private_folder, write_file
from byteor.errors import Exit
from byteor.incident.errors import IncidentError
from byteor.incident.frames import Frame, Origins, Payload
from byteor.incident.replay.inputs import runs_of
from byteor.incident.replay.stand_ins import StandIn
from byteor.indexbus import Consumer, Producer, Wait
from byteor.indexbus.abi import FILTERED, End
from byteor.runtime.folders import OWNER_JSON, Failure, RegionOwner, region_root
from byteor.runtime.lanes import Lane, create_lane, reading_end, writing_end
from byteor.runtime.process import boot_id, myself
from byteor.runtime.stage_loop import run_stage
from byteor.runtime.stages import Context
from byteor.runtime.wiring import Port, Wiring, WorkerPlan
from byteor.runtime.workers import Outcome, outcome_of

LOOK_S = 0.05
JOIN_S = 10.0

TakeOutput = Callable[[int, Origins, Sequence[Payload]], bool]


class Rehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one pass needs. ``stages`` by index in the spec; ``rate`` in messages a second, None:
    as fast as it goes.
    """

    wiring: Wiring
    stages: Mapping[int, StandIn]
    seed: int = 0
    batch: int = 256
    rate: float | None = None


class Rehearsed(msgspec.Struct, frozen=True):
    """How a pass ended. ``failed_at``: the origin that the failing stage could not work on."""

    messages_in: int
    duration_ns: int
    failure: Failure | None = None
    failed_at: int | None = None


def rehearse(plan: Rehearsal, inputs: Iterable[Frame], take: TakeOutput) -> Rehearsed:
    """Feed ``inputs`` and hand every output to ``take(egress, origins, messages)`` until it returns False.

    Messages are views that are valid only during the call. Raises ``E_REPLAY_UNSUPPORTED`` (exit 69) for a
    wiring that cannot be replayed, ``IndexBusError`` when there is no room for the regions.
    """
    _check(plan.wiring)
    with _regions() as folder, contextlib.ExitStack() as stack:
        return _Pass(plan, folder, stack).run(inputs, take)


def _check(wiring: Wiring) -> None:
    odd = next((w for w in wiring.workers if w.role not in ("source", "stage", "sink") or not _fits(w)), None)
    if odd is not None:
        raise IncidentError(
            "E_REPLAY_UNSUPPORTED",
            f"this version replays rings; {odd.name} is a {odd.role} of a lane graph",
            hint="byteor journal cat shows what was recorded",
            exit=Exit.UNAVAILABLE,
        )


def _fits(worker: WorkerPlan) -> bool:
    return worker.role != "stage" or worker.in_place


@contextlib.contextmanager
def _regions() -> Iterator[Path]:
    """A private folder for the regions; ``byteor gc`` finds it when this process is killed."""
    folder = private_folder(private_folder(region_root()) / f"replay-{os.getpid()}-{secrets.token_hex(4)}")
    pid, start_time = myself()
    owner = RegionOwner(str(folder / "no-run"), pid, start_time, boot_id())
    try:
        write_file(folder / OWNER_JSON, msgspec.json.encode(owner))
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Pass:
    """One pass: its lanes, its threads, and how they end."""

    def __init__(self, plan: Rehearsal, folder: Path, stack: contextlib.ExitStack) -> None:
        self._plan, self._stack = plan, stack
        wiring = plan.wiring
        self._lanes: list[Lane] = []
        for lane_plan in wiring.lanes:
            self._lanes.append(create_lane(lane_plan, folder, b""))
            stack.callback(self._lanes[-1].close)
        self._failures: queue.SimpleQueue[tuple[Failure, int | None]] = queue.SimpleQueue()
        self._taken = 0
        self._arrived = [array("q") for _ in wiring.lanes]  # of each message that was fed, by sequence
        self._wait = Wait.BLOCK  # replays share the host with live runs

    def run(self, inputs: Iterable[Frame], take: TakeOutput) -> Rehearsed:
        wiring = self._plan.wiring
        producers = {
            worker.endpoint: [self._producer(port.lane) for port in worker.tx]
            for worker in wiring.of_role("source")
        }
        stages = [(worker, self._consumer(worker)) for worker in wiring.of_role("stage")]
        sinks = [
            (worker.endpoint, self._reader(port.lane))
            for worker in wiring.of_role("sink")
            for port in worker.rx
        ]
        threads = [self._thread(self._stage, worker, stage) for worker, stage in stages]
        threads.append(self._thread(self._feed, inputs, producers))
        began = time.monotonic_ns()
        self._stack.callback(self._end, threads)
        for thread in threads:
            thread.start()
        self._drain(sinks, take)
        self._end(threads)
        duration = time.monotonic_ns() - began
        failure, at = (None, None) if self._failures.empty() else self._failures.get()
        return Rehearsed(self._taken, duration, failure, at)

    def _producer(self, lane: int) -> Producer:
        return self._stack.enter_context(writing_end(self._lanes[lane], Port(lane), self._wait))

    def _consumer(self, worker: WorkerPlan) -> Consumer:
        port = worker.rx[0]
        lane, plan = self._lanes[port.lane], self._plan.wiring.lanes[port.lane]
        return self._stack.enter_context(reading_end(lane, plan, port, self._wait, in_place=True))

    def _reader(self, lane: int) -> Consumer:
        plan = self._plan.wiring.lanes[lane]
        return self._stack.enter_context(reading_end(self._lanes[lane], plan, Port(lane), self._wait))

    def _lane_of(self, frame: Frame) -> int:
        source = self._plan.wiring.of_role("source")[frame.endpoint]
        return source.tx[frame.shard].lane

    def _thread(self, body: Callable[..., None], *arguments: object) -> threading.Thread:
        return threading.Thread(target=body, args=arguments, daemon=True)

    # -- the threads

    def _feed(self, inputs: Iterable[Frame], producers: Mapping[int, Sequence[Producer]]) -> None:
        outcome = outcome_of("journal", lambda: self._publish(inputs, producers))
        if outcome.failure is not None:
            self._fail(outcome.failure, None)

    def _publish(self, inputs: Iterable[Frame], producers: Mapping[int, Sequence[Producer]]) -> Outcome:
        pace = _Pace(self._plan.rate)
        for frame in inputs:
            producer = _producer_of(frame, producers)
            arrived = self._arrived[self._lane_of(frame)]
            for first, messages in runs_of(frame):
                pace.wait(len(messages))
                arrived.extend(itertools.repeat(frame.at_ns, len(messages)))
                published = producer.publish_many(messages, frame.endpoint, first)
                self._taken += published
                if published < len(messages):
                    return Outcome("journal", "aborted")
        for producer in itertools.chain.from_iterable(producers.values()):
            producer.close_stream()
        return Outcome("journal", "finished")

    def _stage(self, worker: WorkerPlan, stage: Consumer) -> None:
        stand_in = self._plan.stages[worker.stage]
        context = Context(
            worker.name,
            worker.key,
            seed=self._plan.seed,
            clock=self._clock(worker.rx[0].lane, stage),
            live=False,
        )
        resolved = stand_in.resolved
        # One at a time: within a batch nobody knows which messages an earlier stage had filtered.
        batch = 1 if resolved.definition.kind == "clocked" else self._plan.batch
        outcome = outcome_of(worker.name, lambda: run_stage(worker.name, stage, resolved, batch, context))
        if outcome.failure is not None:
            self._fail(outcome.failure, _origin_at(stage, outcome.failure.sequence))

    def _clock(self, lane: int, stage: Consumer) -> Callable[[int], int]:
        arrived = self._arrived[lane]
        return lambda index: arrived[stage.sequence + index]

    def _drain(self, sinks: Sequence[tuple[int, Consumer]], take: TakeOutput) -> None:
        live = list(sinks)
        while live:
            for endpoint, consumer in list(live):
                count = consumer.peek(4096, LOOK_S / len(live))
                if count:
                    if not _hand_over(endpoint, consumer, count, take):
                        self._abort()
                        return
                elif consumer.ended != End.TIMEOUT:
                    live.remove((endpoint, consumer))

    def _fail(self, failure: Failure, origin: int | None) -> None:
        self._failures.put((failure, origin))
        self._abort()

    def _abort(self) -> None:
        for lane in self._lanes:
            if lane.state == "open":
                lane.abort()

    def _end(self, threads: Sequence[threading.Thread]) -> None:
        deadline = time.monotonic() + JOIN_S
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))


def _producer_of(frame: Frame, producers: Mapping[int, Sequence[Producer]]) -> Producer:
    """Raises ``E_REPLAY_SPEC`` for an input of an ingress or shard that this spec does not have."""
    ends = producers.get(frame.endpoint, ())
    if frame.shard >= len(ends):
        raise IncidentError(
            "E_REPLAY_SPEC",
            f"the recording has ingress {frame.endpoint}, shard {frame.shard}, which this spec has not",
            hint="replay against a spec with the same ingresses and shards",
            exit=Exit.INVALID,
        )
    return ends[frame.shard]


class _Pace:
    """Holds the feeder back to so many messages a second."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._due = time.monotonic()

    def wait(self, messages: int) -> None:
        if self._rate is None:
            return
        left = self._due - time.monotonic()
        if left > 0:
            time.sleep(left)
        self._due += messages / self._rate


def _hand_over(endpoint: int, consumer: Consumer, count: int, take: TakeOutput) -> bool:
    views = consumer.views()
    try:
        heads = [consumer.describe(index) for index in range(count)]
        origins = [head[3] for head in heads if not head[1] & FILTERED]
        more = take(endpoint, origins, views)
    finally:
        for view in views:
            view.release()
    consumer.advance(count)
    return more


def _origin_at(stage: Consumer, sequence: int | None) -> int | None:
    """The origin of the message at ``sequence``, where the failing stage still holds it."""
    if sequence is None:
        return None
    count = stage.peek(4096, 0.0)
    place = sequence - stage.sequence
    return stage.describe(place)[3] if 0 <= place < count else None
