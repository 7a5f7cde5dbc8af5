"""See a run from outside: its identity, its metrics rows and its ring, read-only and without its help.

Works on a live, a hung and a dead run alike; everything read is untrusted and may be gone the next moment.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from byteor.indexbus import IndexBusError, MetricsRegion, RowSample, SequencedSlots
from byteor.runtime.folders import (
    METRICS_REGION,
    RING_REGION,
    RunIdentity,
    RunInfo,
    WorkerIdentity,
    list_runs,
    read_run,
)
from byteor.runtime.process import is_alive
from byteor.runtime.sample import RingSample, RunSample, WorkerSample

__all__ = ["RunObserver", "RunTotals", "list_runs", "run_totals", "totals"]

U64 = (1 << 64) - 1
_TRIES = 8


class RunTotals(msgspec.Struct, frozen=True):
    """What went in and out of a run, over all its workers."""

    messages_in: int = 0
    messages_out: int = 0
    filtered: int = 0
    dropped: int = 0
    errors: int = 0


def totals(rows: Sequence[RowSample]) -> RunTotals:
    """Messages that the sources took and the sinks handed on; the rest summed over all rows."""
    return RunTotals(
        messages_in=sum(row.handed_on for row in rows if row.role == "source"),
        messages_out=sum(row.handed_on for row in rows if row.role == "sink"),
        filtered=sum(row.filtered for row in rows),
        dropped=sum(row.dropped for row in rows),
        errors=sum(row.errors for row in rows),
    )


def run_totals(info: RunInfo) -> dict[str, int | float]:
    """``in``, ``out``, ``dropped``, ``errors`` and the mean ``rate_per_s`` since the start."""
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
            seconds = (time.time_ns() - info.identity.started_unix_ns) / 1e9
            rate = found.messages_out / seconds if info.alive and seconds > 0 else 0.0
    return {
        "in": found.messages_in,
        "out": found.messages_out,
        "dropped": found.dropped,
        "errors": found.errors,
        "rate_per_s": rate,
    }


class RunObserver:
    """An open view of one run. Raises ``RunError`` or ``IndexBusError`` when there is nothing to see."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.identity: RunIdentity = read_run(folder).identity
        regions = Path(self.identity.region_dir)
        self._ring_path = regions / RING_REGION
        self._ring: SequencedSlots | None = None
        with contextlib.ExitStack() as stack:
            self._metrics = stack.enter_context(MetricsRegion.observe(regions / METRICS_REGION))
            with contextlib.suppress(IndexBusError):  # an ended run's ring is removed
                self._ring = stack.enter_context(SequencedSlots.observe(self._ring_path))
            self._close = stack.pop_all().close

    def rows(self) -> list[RowSample]:
        return self._metrics.rows()

    def ring(self) -> SequencedSlots | None:
        """The ring to look at; None when the run has ended well and removed it."""
        return self._ring

    def sample(self) -> RunSample:
        """Everything at one instant, as plain values."""
        info = read_run(self.folder)
        now = time.monotonic_ns()
        rows = {row.index: row for row in self.rows()}
        ring = self._sample_ring()
        progress = self._progress(ring)
        workers = tuple(
            _worker(identity, rows.get(identity.row), info.alive, now, _lag(identity, progress))
            for identity in self.identity.workers
        )
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
            workers=workers,
            rings=(ring,) if ring is not None else (),
            first_failure=""
            if failure is None
            else _failure_text(failure.stage, failure.sequence, failure.error),
        )

    def _sample_ring(self) -> RingSample | None:
        if self._ring is None:
            return None
        with contextlib.suppress(IndexBusError):
            return sample_ring(self._ring, str(self._ring_path), self._stage_names())
        return None

    def _stage_names(self) -> list[str]:
        return [worker.name for worker in self.identity.workers if worker.role == "stage"]

    def _progress(self, ring: RingSample | None) -> dict[int, int]:
        """Row -> messages that its worker has finished; the source's row -> the cursor."""
        if ring is None or self._ring is None:
            return {}
        try:
            finished = self._ring.finished
        except IndexBusError:
            return {}
        found = {0: ring.cursor}
        found |= dict(enumerate(finished, start=1))
        found[len(finished) + 1] = min((count for _, count in ring.gating), default=ring.cursor)
        return found

    def close(self) -> None:
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def sample_ring(ring: SequencedSlots, path: str, names: Sequence[str]) -> RingSample:
    """Gates, then cursor, then gates again: consistent when the gates did not move meanwhile, in 8 tries."""
    consistent = False
    for _ in range(_TRIES):
        gates, cursor = ring.gating, ring.cursor
        if ring.gating == gates and ring.cursor == cursor:
            consistent = True
            break
    lowest = min(gates, key=lambda gate: -((cursor - gate) & U64))
    return RingSample(
        path=path,
        capacity=ring.geometry.capacity,
        slot_bytes=ring.geometry.slot_bytes,
        cursor=cursor,
        gating=tuple(zip(names, gates, strict=False)),
        in_flight=(cursor - lowest) & U64,
        consistent=consistent,
    )


def _lag(identity: WorkerIdentity, progress: dict[int, int]) -> int:
    """Messages that it could take now and has not finished."""
    ahead = [progress[row] for row in identity.after if row in progress]
    if not ahead or identity.row not in progress:
        return 0
    # A reader that comes between two stores may see a stage ahead of what it waits for.
    behind = (min(ahead) - progress[identity.row]) & U64
    return behind if behind < U64 >> 1 else 0


def _worker(
    identity: WorkerIdentity, row: RowSample | None, run_alive: bool, now: int, lag: int
) -> WorkerSample:
    if row is None:
        return WorkerSample(
            identity.name, identity.role, identity.key, identity.where,
            0, False, "starting", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, "",
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
    )


def _failure_text(stage: str, sequence: int | None, error: str) -> str:
    place = "" if sequence is None else f" at sequence {sequence}"
    return f"stage {stage}{place}: {error}"
