"""What a supervisor and its worker processes say to each other. A module of its own, because a worker process
imports as little as it can: a run may start many.
"""

from __future__ import annotations

import msgspec

from byteor.runtime.decided import Told
from byteor.runtime.folders import Failure
from byteor.runtime.tuning import Problem, Tuning
from byteor.runtime.wiring import LanePlan, WorkerPlan


class WorkerConfig(msgspec.Struct, frozen=True):
    """All that a process is told of its workers; one JSON line on its stdin, which then stays open as its
    lifeline. Lanes and their rows by index in the wiring, only those that the workers touch."""

    supervisor_pid: int
    name: str
    workers: tuple[WorkerPlan, ...]
    lanes: dict[int, LanePlan]
    lane_rows: dict[int, int]
    region_dir: str
    run_dir: str
    drop: bool
    stage_modules: tuple[str, ...]
    sys_path: tuple[str, ...]
    wait: str
    clocked: bool
    batch: int
    seed: int
    tuning: Tuning
    number: int  # which worker of the tuning it is
    choosing: tuple[int, ...] = ()  # rows whose choices are told, see decided
    turning: tuple[tuple[int, int], ...] = ()  # ends whose turns are
    memory_bytes: int = 0  # that the process may have of its own; 0: no limit
    event_fd: int = -1


class WorkerEvent(msgspec.Struct, frozen=True):
    """What a worker process tells: ready once, decided now and then, finished, aborted or failed once."""

    event: str
    failure: Failure | None = None
    problems: tuple[Problem, ...] = ()  # what the kernel refused of its tuning; with ready
    told: Told | None = None  # with decided
