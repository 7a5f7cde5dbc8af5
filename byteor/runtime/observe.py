"""See a run from outside: its identity, its metrics rows and its lanes, read-only and without its help.

Works on a live, a hung and a dead run alike; everything read is untrusted and may be gone the next moment.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from byteor.closing import Closing
from byteor.indexbus import IndexBusError, MetricsRegion, RowSample, SequencedSlots
from byteor.runtime.folders import (
    METRICS_REGION,
    RunIdentity,
    RunInfo,
    WorkerIdentity,
    age_ns,
    list_runs,
    read_run,
)
from byteor.runtime.observe_lanes import LaneView, open_views
from byteor.runtime.process import is_alive, is_stopped
from byteor.runtime.sample import RunSample, WorkerSample

__all__ = ["RunObserver", "RunTotals", "list_runs", "run_figures", "totals"]

SILENT_NS = 2_000_000_000  # every worker that can writes its row several times a second, idle or not


class RunTotals(msgspec.Struct, frozen=True):
    """What went in and out of a run, over all its workers."""

    messages_in: int = 0
    messages_out: int = 0
    filtered: int = 0
    dropped: int = 0
    errors: int = 0


def totals(rows: Sequence[RowSample]) -> RunTotals:
    """Messages that the sources took and the sinks handed on; the rest summed over the workers."""
    return RunTotals(
        messages_in=sum(row.handed_on + row.dropped for row in rows if row.role == "source"),
        messages_out=sum(row.handed_on for row in rows if row.role == "sink"),
        filtered=sum(row.filtered for row in rows if row.role != "lane"),
        dropped=sum(row.dropped for row in rows if row.role != "lane"),
        errors=sum(row.errors for row in rows if row.role != "lane"),
    )


def run_figures(info: RunInfo) -> dict[str, Any]:
    """``in``, ``out``, ``dropped``, ``errors`` and the mean ``rate_per_s`` since the start; of a live run the
    ``silent`` workers, and whether a signal holds its supervisor: ``stopped``, then it answers nobody.
    """
    silent: list[dict[str, Any]] = []
    if info.result is not None and info.result.state != "dead":
        found = RunTotals(
            info.result.messages_in,
            info.result.messages_out,
            info.result.filtered,
            info.result.dropped,
            info.result.errors,
        )
        rate = info.result.messages_per_s
    else:
        found, rate = RunTotals(), 0.0
        with contextlib.suppress(IndexBusError), RunObserver(Path(info.folder)) as observer:
            rows = observer.rows()
            found = totals(rows)
            seconds = age_ns(info.identity) / 1e9
            rate = found.messages_out / seconds if info.alive and seconds > 0 else 0.0
            silent = _silent(rows, time.monotonic_ns()) if info.alive else []
    return {
        "in": found.messages_in,
        "out": found.messages_out,
        "dropped": found.dropped,
        "errors": found.errors,
        "rate_per_s": rate,
        "silent": silent,
        "stopped": info.alive and is_stopped(info.identity.pid),
    }


def _silent(rows: Sequence[RowSample], now_ns: int) -> list[dict[str, Any]]:
    """Workers that gave no sign of life for a while, the first to fall silent first."""
    ages = [
        (row.name, (now_ns - row.heartbeat_ns) / 1e9)
        for row in rows
        if row.role != "lane" and row.state == "running" and now_ns - row.heartbeat_ns > SILENT_NS
    ]
    return [{"worker": name, "silent_s": age} for name, age in sorted(ages, key=lambda one: -one[1])]


class RunObserver(Closing):
    """An open view of one run. Raises ``RunError`` or ``IndexBusError`` when there is nothing to see."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.identity: RunIdentity = read_run(folder).identity
        self._names = {worker.row: worker.name for worker in self.identity.workers}
        regions = Path(self.identity.region_dir)
        with contextlib.ExitStack() as stack:
            self._metrics = stack.enter_context(MetricsRegion.observe(regions / METRICS_REGION))
            self.lanes = open_views(self.identity, regions, stack)
            self._close = stack.pop_all().close

    def rows(self) -> list[RowSample]:
        return self._metrics.rows()

    def rings(self) -> list[LaneView]:
        """The rings to look at; none when the run has ended well and removed them."""
        return [view for view in self.lanes if isinstance(view.lane, SequencedSlots) and view.identity.gates]

    def sample(self) -> RunSample:
        """Everything at one instant, as plain values."""
        info = read_run(self.folder)
        now = time.monotonic_ns()
        rows = {row.index: row for row in self.rows()}
        rings = []
        for view in self.rings():
            with contextlib.suppress(IndexBusError):
                rings.append(view.ring_sample(self._names))
        lag: dict[int, int] = {}
        for view in self.lanes:
            with contextlib.suppress(IndexBusError):
                for row, behind in view.lags().items():
                    lag[row] = lag.get(row, 0) + behind
        result = info.result
        failure = result.first_failure if result else None
        return RunSample(
            run_id=self.identity.run_id,
            name=self.identity.name,
            state=info.state,
            env=self.identity.env,
            pid=self.identity.pid,
            spec_hash=self.identity.spec_hash,
            started_unix_ns=self.identity.started_unix_ns,
            taken_ns=now,
            taken_unix_ns=time.time_ns(),
            workers=tuple(
                _worker(worker, rows.get(worker.row), info.alive, now, lag.get(worker.row, 0))
                for worker in self.identity.workers
            ),
            rings=tuple(rings),
            first_failure=""
            if failure is None
            else _failure_text(failure.stage, failure.sequence, failure.error),
            lanes=tuple(view.sample(rows.get(view.identity.row), self._names) for view in self.lanes),
        )

    def close(self) -> None:
        self._close()


def _worker(
    identity: WorkerIdentity, row: RowSample | None, run_alive: bool, now: int, lag: int
) -> WorkerSample:
    if row is None:
        return WorkerSample(
            identity.name, identity.role, identity.key, identity.where,
            0, False, "starting", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, "",
            row=identity.row, after=identity.after, group=identity.group,
        )  # fmt: skip
    return WorkerSample(
        name=identity.name,
        role=identity.role,
        key=identity.key,
        where=identity.where,
        pid=row.pid,
        alive=run_alive and is_alive(row.pid, row.pid_start),
        state=row.state,
        age_ns=max(0, now - row.heartbeat_ns),
        messages_in=row.taken,
        messages_out=row.handed_on,
        filtered=row.filtered,
        errors=row.errors,
        lag=lag,
        busy_ns=row.busy_ns,
        idle_ns=row.idle_ns,
        p50_ns=row.quantile_ns(0.5),
        p99_ns=row.quantile_ns(0.99),
        last_error=row.error_text,
        row=identity.row,
        after=identity.after,
        group=identity.group,
        dropped=row.dropped,
        batches=row.batches,
        full_waits=row.full_waits,
        in_hand=row.in_hand - 1 if row.in_hand else None,
        histogram=row.histogram,
    )


def _failure_text(stage: str, sequence: int | None, error: str) -> str:
    place = "" if sequence is None else f" at sequence {sequence}"
    return f"stage {stage}{place}: {error}"
