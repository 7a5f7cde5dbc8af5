"""Jobs in Python: a step a job that moves what can be moved, and the worker that lets the jobs take turns.

Mirrors ``kernel/work.c``, with which it is tested. A step never waits; it says how many slots it moved.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from byteor.indexbus.abi import End, Wait
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.jobs import AnyJob, Bridge, Discard, Generate, InPlace, Merge, Route, Through
from byteor.indexbus.pure.counting import TICK_NS
from byteor.indexbus.pure.moves import DiscardStep, GenerateStep, MergeStep, RouteStep
from byteor.indexbus.pure.ports import Inlet, Outlet, StreamEnded
from byteor.indexbus.pure.stage_steps import InPlaceStep, ThroughStep
from byteor.indexbus.pure.step import JobFailed, Step

Ended = tuple[End, int, int, BaseException | None]


def step_of(job: AnyJob) -> Step:
    match job:
        case InPlace():
            return InPlaceStep(job)
        case Through():
            return ThroughStep(job)
        case Bridge():
            return RouteStep(job, [job.rx], [job.tx], "broadcast", None)
        case Route():
            return RouteStep(job, [job.rx], list(job.txs), job.mode, job.choices)
        case Merge():
            return MergeStep(job)
        case Generate():
            return GenerateStep(job)
        case Discard():
            return DiscardStep(job)


class Worker:
    """One thread's turn-taking over its jobs, and its waiting when none can move."""

    def __init__(self, steps: Sequence[Step], max_batch: int, wait: Wait) -> None:
        self._steps, self._most, self._wait = steps, max_batch, wait
        self._began = self._ticked = time.monotonic_ns()

    def run(self) -> Ended:
        idle = 0
        while True:
            moved = 0
            before = time.monotonic_ns()
            for index, step in enumerate(self._steps):
                if step.done:
                    continue
                try:
                    n = step.turn(self._most)
                except JobFailed as failed:
                    step.failed()
                    return failed.reason, index, failed.sequence, failed.error
                except StreamEnded as ended:
                    return ended.reason, index, step.sequence, None
                except IndexBusError as error:
                    step.failed()
                    return reason_of(error), index, step.sequence, error
                after = time.monotonic_ns()
                if n:
                    step.busy_ns += after - before
                before = after
                moved += n
            if all(step.done for step in self._steps):
                self._tick(time.monotonic_ns())
                return End.FINISHED, -1, 0, None
            if before - self._ticked >= TICK_NS:
                self._tick(before)
                if not moved and (found := self._somebody_died()) is not None:
                    return found
            idle = 0 if moved else idle + 1
            if idle:
                self._relax(idle)

    def _relax(self, idle: int) -> None:
        if self._wait in (Wait.SPIN, Wait.YIELD) or idle < 32:
            time.sleep(0)
        else:
            time.sleep(min(1e-6 * 2 ** min((idle - 32) // 4, 12), 1e-3 if idle < 200 else 4e-3))

    def _tick(self, now: int) -> None:
        self._ticked = now
        for step in self._steps:
            if step.row is not None:
                for name, value in (("busy_ns", step.busy_ns), ("idle_ns", now - self._began - step.busy_ns)):
                    step.row.add(name, value - step.row.value(name))
                step.row.beat()

    def _somebody_died(self) -> Ended | None:
        """Whether a peer is dead that somebody here waits for."""
        for index, step in enumerate(self._steps):
            ports: list[Inlet | Outlet] = [*step.inlets, *step.outlets]
            for port in ports:
                if step.done or not port.waiting:
                    continue
                try:
                    port.handle.look_around()
                except IndexBusError as error:
                    step.failed()
                    return reason_of(error), index, step.sequence, error
        return None


def run(jobs: Sequence[AnyJob], max_batch: int, wait: Wait) -> Ended:
    """``byteor.indexbus.work.work`` for any kernel."""
    return Worker([step_of(job) for job in jobs], max_batch, wait).run()


def reason_of(error: BaseException) -> End:
    code: Any = getattr(error, "code", None)
    known = {"E_OVERSIZE": End.TOO_LONG, "E_CORRUPT": End.CORRUPT, "E_PEER_DEAD": End.DEAD}
    return known.get(code, End.STAGE_ERROR)
