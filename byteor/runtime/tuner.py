"""Carry out a plan of tuning, worker by worker, and gather what the kernel refused."""

from __future__ import annotations

import mmap
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from byteor.runtime.folders import region_root
from byteor.runtime.host import read_host
from byteor.runtime.options import ExecuteOptions
from byteor.runtime.tuning import Problem, Tuning, TuningLine, plan_tuning, profile_of, settle
from byteor.runtime.tuning_apply import apply_here, apply_process
from byteor.runtime.wiring import Wiring
from byteor.runtime.wiring.groups import Group, group_name

SETTLE_S = 1.0  # a thread reports at once when it gets to run at all
Result = TypeVar("Result")


def plan_run(options: ExecuteOptions, wiring: Wiring, groups: Sequence[Group]) -> Tuning:
    """What the threads and processes of a run can have of the profile here. Raises ``E_PROFILE``."""
    facts = read_host(region_root().parent)
    if options.cores is not None:
        facts = msgspec.structs.replace(
            facts, cpu=msgspec.structs.replace(facts.cpu, quota=float(options.cores))
        )
    names = [group_name([wiring.workers[row] for row in group.rows]) for group in groups]
    region_bytes = sum(lane.capacity * lane.slot_bytes for lane in wiring.lanes)
    profile = profile_of(options.profile)
    return plan_tuning(profile, facts, names, wait=options.wait, region_bytes=region_bytes)


class Tuner:
    """Threads of this process apply their part in ``wrap``; other processes report theirs to ``heard``."""

    def __init__(self, tuning: Tuning) -> None:
        self.tuning = tuning
        self._problems: list[Problem] = []
        self._waiting = 0
        self._changed = threading.Condition()

    def here(self, mappings: Sequence[mmap.mmap]) -> None:
        """Lock and touch the regions as this process has them mapped."""
        self.heard(apply_process(self.tuning, mappings, "supervisor"))

    def wrap(self, index: int, body: Callable[[], Result]) -> Callable[[], Result]:
        """``body`` for a thread that first takes its place as worker ``index`` of the plan."""
        with self._changed:
            self._waiting += 1

        def tuned() -> Result:
            problems = apply_here(self.tuning, index)
            with self._changed:
                self._problems += problems
                self._waiting -= 1
                self._changed.notify_all()
            return body()

        return tuned

    def heard(self, problems: Sequence[Problem]) -> None:
        with self._changed:
            self._problems += problems

    def settled(self) -> tuple[TuningLine, ...]:
        """What became of each request, once every thread that was wrapped has started."""
        deadline = time.monotonic() + SETTLE_S
        with self._changed:
            while self._waiting and self._changed.wait(max(0.0, deadline - time.monotonic())):
                pass
            return settle(self.tuning, self._problems)
