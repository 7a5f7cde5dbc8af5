"""Captured inputs through the lanes and stages of a spec: in one process, in regions of its own.

No program is started, no socket opened and no live region touched. Stages of kind ``external`` do not act in
a dry run: what they would have acted on is counted, and the message goes on unchanged, as it does live.
"""

from __future__ import annotations

import contextlib
import os
import queue
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from byteor.atomic import private_folder, write_file
from byteor.errors import ByteorError, Exit
from byteor.incident.errors import IncidentError
from byteor.incident.frames import Batch, Frame
from byteor.incident.replay.beat import Beat
from byteor.incident.replay.follow import Runs, follow
from byteor.incident.replay.inputs import in_order_of_origin, runs_of
from byteor.incident.replay.stand_ins import StandIn
from byteor.incident.replay.trace import Trace, Tracer
from byteor.indexbus import Consumer, MetricsRegion, Producer, Wait
from byteor.indexbus.abi import End
from byteor.indexbus.jobs import Rx
from byteor.runtime.arrivals import FILE as ARRIVALS
from byteor.runtime.arrivals import Arrivals
from byteor.runtime.clocked import is_clocked
from byteor.runtime.folders import METRICS_REGION, OWNER_JSON, Failure, RegionOwner, region_root
from byteor.runtime.lanes import Lane, create_lane
from byteor.runtime.posts import Ground, Post, run_posts
from byteor.runtime.process import boot_id, myself
from byteor.runtime.stages import Context
from byteor.runtime.wiring import Wiring
from byteor.runtime.workers import Outcome, outcome_of

LOOK_S = 0.05
TELL_S = 0.25
JOIN_S = 10.0
PIECE_S = 0.02

TakeOutput = Callable[[int, Batch], bool]


class Rehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one pass needs. ``stages`` by index in the spec; ``rate`` in messages a second, None:
    as fast as it goes. ``choices``: what merges and work queues follow, by row. ``traced``: note what every
    worker has done along the recording.
    """

    wiring: Wiring
    stages: Mapping[int, StandIn]
    seed: int = 0
    batch: int = 256
    rate: float | None = None
    choices: Mapping[int, Runs] = {}
    traced: bool = False


class Rehearsed(msgspec.Struct, frozen=True):
    """How a pass ended. ``failed_at``: the origin that the failing stage could not work on."""

    messages_in: int
    duration_ns: int
    failure: Failure | None = None
    failed_at: int | None = None
    trace: Trace = Trace()


def rehearse(
    plan: Rehearsal, inputs: Iterable[Frame], take: TakeOutput, beat: Beat | None = None
) -> Rehearsed:
    """Feed ``inputs`` and hand every output to ``take(egress, batch)`` until it returns False.

    ``beat`` is told how far the workers are, as long as something moves. Raises ``E_REPLAY_SPEC`` for an
    input that has no place in the wiring, ``IndexBusError`` when there is no room for the regions.
    """
    with _regions() as folder, contextlib.ExitStack() as stack:
        return _Pass(plan, folder, stack, beat or Beat()).run(inputs, take)


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

    def __init__(self, plan: Rehearsal, folder: Path, stack: contextlib.ExitStack, beat: Beat) -> None:
        self._plan, self._stack, self._beat = plan, stack, beat
        wiring = plan.wiring
        self._lanes: list[Lane] = []
        for lane_plan in wiring.lanes:
            self._lanes.append(create_lane(lane_plan, folder, b""))
            stack.callback(self._lanes[-1].close)
        clocked = any(is_clocked(one.resolved) for one in plan.stages.values())
        self._arrivals = Arrivals.create(folder / ARRIVALS, _in_flight(wiring)) if clocked else None
        if self._arrivals is not None:
            stack.callback(self._arrivals.close)
        self._ground = Ground(
            lanes=dict(enumerate(self._lanes)),
            plans=dict(enumerate(wiring.lanes)),
            lane_rows={lane: wiring.lane_row(lane) for lane in range(len(wiring.lanes))},
            metrics=stack.enter_context(MetricsRegion.create(folder / METRICS_REGION, wiring.rows)),
            wait=Wait.BLOCK,  # replays share the host with live runs
            drop=False,
            arrivals=self._arrivals,
        )
        self._failures: queue.SimpleQueue[tuple[Failure, int | None]] = queue.SimpleQueue()
        self._taken = 0
        self._tracer: Tracer | None = None
        self._last: tuple[int, int] | None = None

    def run(self, inputs: Iterable[Frame], take: TakeOutput) -> Rehearsed:
        wiring = self._plan.wiring
        posts = [self._ground.take(worker, "thread", self._stack) for worker in wiring.workers]
        if self._plan.traced:
            self._tracer = Tracer(posts, self._beat)
            take = self._tracer.counting(take)
        sources = {post.plan.endpoint: post for post in posts if post.plan.role == "source"}
        sinks = [
            (post.plan.endpoint, rx)
            for post in posts
            if post.plan.role == "sink"
            for rx in post.rx
            if isinstance(rx, Consumer)
        ]
        threads = [
            self._thread(self._work, post) for post in posts if post.plan.role not in ("source", "sink")
        ]
        threads.append(self._thread(self._feed, inputs, sources))
        self._stack.callback(self._end, threads)
        began = time.monotonic_ns()
        self._beat.begin()
        for thread in threads:
            thread.start()
        try:
            self._drain(sinks, take, posts)
        except BaseException:
            self._abort()  # or the threads would wait for a sink that has gone
            raise
        self._end(threads)
        self._beat.end()
        duration = time.monotonic_ns() - began
        failure, at = (None, None) if self._failures.empty() else self._failures.get()
        return Rehearsed(self._taken, duration, failure, at, self._traced())

    def _thread(self, body: Callable[..., None], *arguments: object) -> threading.Thread:
        return threading.Thread(target=body, args=arguments, daemon=True)

    def _traced(self) -> Trace:
        if self._tracer is None:
            return Trace()
        if self._last is not None:
            self._tracer.note(*self._last, last=True)  # everything has passed now
        return self._tracer.trace()

    # -- the threads

    def _feed(self, inputs: Iterable[Frame], sources: Mapping[int, Post]) -> None:
        outcome = outcome_of("journal", lambda: self._publish(inputs, sources))
        if outcome.failure is not None:
            self._fail(outcome.failure, None)

    def _publish(self, inputs: Iterable[Frame], sources: Mapping[int, Post]) -> Outcome:
        pace = _Pace(self._plan.rate, self._beat)
        # Merges in order downstream wait until a source says that nothing older follows.
        awaited = [post for post in sources.values() if post.plan.watermarks] if len(sources) > 1 else []
        for frame in in_order_of_origin(inputs):
            producer = _producer_of(frame, sources)
            for first, messages in pace.cut(runs_of(frame)):
                pace.wait(len(messages))
                if self._arrivals is not None:
                    self._arrivals.note(first, len(messages), frame.at_ns)
                for post in awaited:
                    if post.plan.endpoint != frame.endpoint:
                        post.tx[0].watermark(first + len(messages), post.plan.endpoint)
                published = producer.publish_many(messages, frame.endpoint, first)
                self._taken += published
                if self._tracer is not None:
                    self._tracer.fed[frame.endpoint] += published
                    self._last = (first + published - 1, frame.at_ns)
                if published < len(messages):
                    return Outcome("journal", "aborted")
            if self._tracer is not None and self._last is not None:
                self._tracer.note(*self._last)
        for post in sources.values():
            for end in post.tx:
                end.close_stream()
        return Outcome("journal", "finished")

    def _work(self, post: Post) -> None:
        plan = post.plan
        if plan.stage >= 0:
            post.resolved = self._plan.stages[plan.stage].resolved
            post.context = Context(
                plan.name, plan.key, seed=self._plan.seed, clock=self._ground.clock_of(post), live=False
            )
        runs = self._plan.choices.get(plan.row)
        outcome = outcome_of(
            plan.name,
            lambda: (
                run_posts(plan.name, [post], self._plan.batch, self._ground.wait)
                if runs is None
                else follow(post, runs)
            ),
        )
        if outcome.failure is not None:
            origin = None
            with contextlib.suppress(ByteorError):  # whatever becomes of this, the pass must end
                origin = _origin_at(post.rx[0], outcome.failure.sequence)
            self._fail(outcome.failure, origin)

    def _drain(self, sinks: Sequence[tuple[int, Consumer]], take: TakeOutput, posts: Sequence[Post]) -> None:
        live, told, look_at = list(sinks), "", 0.0
        while live:
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + TELL_S
                if (now := _progress(posts)) != told:
                    self._beat.tell(now)
                    told = now
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
            lane.abort()  # also one that was closed: what lies in it would be waited for

    def _end(self, threads: Sequence[threading.Thread]) -> None:
        deadline = time.monotonic() + JOIN_S
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))


def _in_flight(wiring: Wiring) -> int:
    """Messages that the lanes can hold together."""
    return sum(lane.capacity * max(lane.producers, lane.consumers) for lane in wiring.lanes)


def _producer_of(frame: Frame, sources: Mapping[int, Post]) -> Producer:
    """Raises ``E_REPLAY_SPEC`` for an input of an ingress or shard that this spec does not have."""
    ends = sources[frame.endpoint].tx if frame.endpoint in sources else []
    producer = ends[frame.shard] if frame.shard < len(ends) else None
    if not isinstance(producer, Producer):
        raise IncidentError(
            "E_REPLAY_SPEC",
            f"the recording has ingress {frame.endpoint}, shard {frame.shard}, which this spec has not",
            hint="replay against a spec with the same ingresses and shards",
            exit=Exit.INVALID,
        )
    return producer


class _Pace:
    """Holds the feeder back to so many messages a second."""

    def __init__(self, rate: float | None, beat: Beat) -> None:
        self._rate, self._beat = rate, beat
        self._due = time.monotonic()

    def cut(self, runs: Iterator[tuple[int, list[bytes]]]) -> Iterator[tuple[int, list[bytes]]]:
        """``runs`` in pieces of what the rate lets through in ``PIECE_S``."""
        if self._rate is None:
            yield from runs
            return
        most = max(1, int(self._rate * PIECE_S))
        for first, messages in runs:
            for at in range(0, len(messages), most):
                yield first + at, messages[at : at + most]

    def wait(self, messages: int) -> None:
        if self._rate is None:
            return
        while (left := self._due - time.monotonic()) > 0:
            self._beat.tell("what the rate lets through")
            time.sleep(min(left, 1.0))
        self._due += messages / self._rate


def _hand_over(endpoint: int, consumer: Consumer, count: int, take: TakeOutput) -> bool:
    batch = Batch(*consumer.gather())
    consumer.advance(count)
    return not batch.size or take(endpoint, batch)


def _progress(posts: Sequence[Post]) -> str:
    """How many messages each worker has taken."""
    return ", ".join(f"{post.plan.name} {post.row.value('in')}" for post in posts if post.rx)


def _origin_at(stage: Rx, sequence: int | None) -> int | None:
    """The origin of the message at ``sequence``, where the failing stage still holds it."""
    if sequence is None or not isinstance(stage, Consumer):
        return None
    count = stage.peek(4096, 0.0)
    place = sequence - stage.sequence
    return stage.describe(place)[3] if 0 <= place < count else None
