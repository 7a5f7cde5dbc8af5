"""Workers at their posts: the ends of lanes and the row that each holds, and the work that a group does."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from byteor.indexbus import Consumer, MetricsRegion, MetricsRow, Producer, Wait
from byteor.indexbus.abi import End
from byteor.indexbus.jobs import (
    AnyJob,
    Bridge,
    Choices,
    Discard,
    Generate,
    InPlace,
    Merge,
    OnFull,
    Route,
    Rx,
    Through,
    Tx,
    WorkEnd,
)
from byteor.indexbus.work import work
from byteor.runtime.adapter import NativeSource
from byteor.runtime.arrivals import Arrivals
from byteor.runtime.clocked import MessageClock, batch_of, is_clocked, work_by_the_clock
from byteor.runtime.folders import Failure
from byteor.runtime.lanes import Lane, reading_end, writing_end
from byteor.runtime.stage_loop import failure_of, never_none, run_stage
from byteor.runtime.stages import Context, ResolvedStage
from byteor.runtime.stages.context import Clock, system_clock
from byteor.runtime.wiring import LanePlan, WorkerPlan
from byteor.runtime.workers import Outcome

Mode = Literal["broadcast", "work_queue"]
Policy = Literal["round_robin", "in_order"]


class Post(msgspec.Struct):
    """One worker with its row, the lanes' ends that it holds, and its stage."""

    plan: WorkerPlan
    row: MetricsRow
    rx: list[Rx]
    tx: list[Tx]
    resolved: ResolvedStage | None = None
    context: Context | None = None
    native: NativeSource | None = None  # of a source that the kernel plays itself
    drop: bool = False
    choices: Choices | None = None  # who hears what a merge or a work queue chose

    def attach(self) -> None:
        """Let the ends count into the worker's row, where no job of the kernel does."""
        for end in (*self.consumers, *self.producers):
            end.attach_row(self.row)

    @property
    def consumers(self) -> list[Consumer]:
        """The ends that read slots; only jobs read journals."""
        return [end for end in self.rx if isinstance(end, Consumer)]

    @property
    def producers(self) -> list[Producer]:
        return [end for end in self.tx if isinstance(end, Producer)]


class Ground(msgspec.Struct):
    """What posts are taken on: the open lanes with their plans, by lane index, and the metrics."""

    lanes: Mapping[int, Lane]
    plans: Mapping[int, LanePlan]
    lane_rows: Mapping[int, int]
    metrics: MetricsRegion
    wait: Wait
    drop: bool
    arrivals: Arrivals | None = None

    def clock_of(self, post: Post) -> Clock:
        """The clock of a stage: of arrivals when it asks for them."""
        if self.arrivals is None or not is_clocked(post.resolved):
            return system_clock
        return MessageClock(post.rx[0], self.arrivals)

    def take(self, plan: WorkerPlan, where: str, stack: contextlib.ExitStack) -> Post:
        """Claim every role of ``plan``; ``stack`` gives them back. Raises ``E_ROLE_TAKEN``."""
        row = stack.enter_context(self.metrics.row(plan.row))
        row.begin(plan.name, plan.key, plan.role, where)
        post = Post(plan, row, [], [], drop=self.drop)
        for port in plan.rx:
            lane, known = self.lanes[port.lane], self.plans[port.lane]
            reader: Rx = reading_end(lane, known, port, self.wait, in_place=plan.in_place)
            stack.push(reader.__exit__)
            post.rx.append(reader)
        for port in plan.tx:
            lane_row = stack.enter_context(self.metrics.row(self.lane_rows[port.lane], shared=True))
            writer: Tx = writing_end(self.lanes[port.lane], port, self.wait)
            stack.push(writer.__exit__)
            writer.attach_lane_row(lane_row)
            post.tx.append(writer)
        return post


def run_posts(
    name: str, posts: Sequence[Post], batch: int, wait: Wait, ready: Callable[[], None] = lambda: None
) -> Outcome:
    """Do the work of ``posts`` until every stream has ended, or one of them fails.

    ``ready`` is called when every Python stage is set up; what a set-up raises comes before that.
    """
    batch = min(batch_of(post.resolved, batch) if post.resolved is not None else batch for post in posts)
    if len(posts) == 1 and posts[0].plan.in_place and not is_clocked(posts[0].resolved):
        post = posts[0]
        assert post.resolved is not None
        post.attach()
        return run_stage(post.plan.name, post.consumers[0], post.resolved, batch, post.context, ready)
    ended: WorkEnd | None = None
    failure: Failure | None = None
    try:
        with contextlib.ExitStack() as stack:
            jobs = [_job(post, stack) for post in posts]
            ready()
            try:
                ended = _work(posts, jobs, batch, wait)
            except Exception:
                raise
            except BaseException as error:  # noqa: BLE001
                # Signals are not for us here: a stage raised it, and a Python stage works alone.
                ended = WorkEnd(End.STAGE_ERROR, 0, posts[0].rx[0].sequence, error)
            failure = None if ended.clean else _failure(posts, ended)
    except Exception:
        if ended is None or ended.clean:
            raise
        # What stopped the work is told; that a teardown failed after that is only a consequence.
    assert ended is not None
    if failure is not None:
        return Outcome(name, "failed", failure)
    return Outcome(name, "finished" if ended.reason == End.FINISHED else "aborted")


def _work(posts: Sequence[Post], jobs: Sequence[AnyJob], batch: int, wait: Wait) -> WorkEnd:
    resolved = posts[0].resolved
    if resolved is not None and is_clocked(resolved):  # a Python stage works alone
        return work_by_the_clock(jobs, batch, wait)
    return work(jobs, max_batch=batch, wait=wait)


def _failure(posts: Sequence[Post], ended: WorkEnd) -> Failure:
    post = posts[ended.job_index]
    return failure_of(post.plan.name, post.rx[0] if post.rx else None, ended)


def _job(post: Post, stack: contextlib.ExitStack) -> AnyJob:
    plan, row = post.plan, post.row
    on_full: OnFull = "drop" if post.drop else "block"
    match plan.role:
        case "stage":
            return _stage_job(post, stack, on_full)
        case "bridge" if not post.tx:
            return Discard(row=row, rxs=post.rx)
        case "bridge":
            return Bridge(row=row, rx=post.rx[0], tx=post.tx[0], on_full=on_full, watermarks=plan.watermarks)
        case "router":
            mode: Mode = "work_queue" if plan.mode == "work_queue" else "broadcast"
            return Route(
                row=row,
                rx=post.rx[0],
                txs=post.tx,
                mode=mode,
                on_full=on_full,
                watermarks=plan.watermarks,
                choices=post.choices,
            )
        case "merge":
            policy: Policy = "in_order" if plan.policy == "in_order" else "round_robin"
            return Merge(
                row=row,
                rxs=post.rx,
                tx=post.tx[0],
                policy=policy,
                on_full=on_full,
                watermarks=plan.watermarks,
                choices=post.choices,
            )
        case "source":
            assert isinstance(post.native, NativeSource)
            made = post.native
            return Generate(
                row=row,
                txs=post.tx,
                count=made.count,
                size=made.size,
                seed=made.seed,
                on_full=on_full,
                key=made.key,
            )
        case "sink":
            return Discard(row=row, rxs=post.rx)


def _stage_job(post: Post, stack: contextlib.ExitStack, on_full: OnFull) -> AnyJob:
    resolved = post.resolved
    assert resolved is not None and post.context is not None
    way: dict[str, Any] = {"row": post.row, "rx": post.rx[0]}
    if resolved.native is not None:
        way["native"] = resolved.native
    else:
        function = stack.enter_context(resolved.opened(post.context))
        if resolved.definition.shape == "batch":
            views = resolved.definition.views
            way |= {"batch": function if views else never_none(function), "views": views}
        else:
            way["function"] = function
    if post.plan.in_place:
        return InPlace(**way)
    tx = post.tx[0] if post.tx else None
    return Through(**way, tx=tx, on_full=on_full, watermarks=post.plan.watermarks)
