"""Fold samples of one run into frames: rates, trends of the last minute, and what needs a person.

Everything comes in with the sample, the clock too, so a test is a list of samples. Memory is bounded by
the number of workers: a second of totals for rates and sixty bins for each trend.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from byteor.runtime.sample import LaneSample, RingSample, RunSample, WorkerSample
from byteor_tui.model.frame import ENDED, Frame, Mark, Need, RingFill, StageRow
from byteor_tui.model.text import age, clean, count

TREND_SECONDS = 60
RATE_WINDOW_NS = 1_000_000_000
STALE_NS = 2_000_000_000
FULL_SHARE = 0.9
SECOND_NS = 1_000_000_000

_WORDS = {
    "starting": "start",
    "running": "run",
    "draining": "drain",
    "finished": "done",
    "failed": "FAILED",
}
_SETTLED = frozenset({"finished", "failed"})


@dataclass(slots=True)
class _Bins:
    """Values of whole seconds, oldest first; the second in progress is not shown, so a bar never twitches."""

    values: deque[float | None] = field(default_factory=lambda: deque(maxlen=TREND_SECONDS))
    shown: tuple[float | None, ...] = ()
    closed: int = 0

    def close_second(self, value: float | None, missed: int) -> None:
        self.values.extend([None] * min(missed, TREND_SECONDS))
        self.values.append(value)
        self.shown = tuple(self.values)
        self.closed += missed + 1


@dataclass(slots=True)
class _Worker:
    """What is remembered of one worker: totals of the last second, and the totals at the last bin's edge."""

    window: deque[tuple[int, int, int, int]] = field(default_factory=deque)
    edge: tuple[int, int] | None = None
    rate: _Bins = field(default_factory=_Bins)
    p99: _Bins = field(default_factory=_Bins)


class History:
    """The memory of one run. One thread folds; frames are values and may go anywhere."""

    def __init__(self) -> None:
        self._workers: dict[str, _Worker] = {}
        self._since: dict[tuple[str, str], int] = {}

    def fold(self, sample: RunSample) -> Frame:
        """The frame of ``sample``, given all samples before it."""
        known = {ring.path for ring in sample.rings}  # a ring's lanes are its rings
        lanes = [lane for lane in sample.lanes if lane.path not in known]
        rings = (*map(_ring_fill, sample.rings), *map(_lane_fill, lanes))
        bottlenecks = {ring.slowest: ring for ring in rings if _is_full(ring)}
        rows = tuple(self._row(sample, worker, bottlenecks) for worker in sample.workers)
        self._forget({worker.name for worker in sample.workers})
        sources = [worker for worker in sample.workers if worker.role == "source"]
        sinks = [worker for worker in sample.workers if worker.role == "sink"]
        ends = {worker.name for worker in sinks or sources}
        rates = [
            row.rate_per_s for row, worker in zip(rows, sample.workers, strict=True) if worker.name in ends
        ]
        return Frame(
            run_id=clean(sample.run_id),
            name=clean(sample.name),
            state=clean(sample.state),
            env=clean(sample.env),
            pid=sample.pid,
            spec_hash=clean(sample.spec_hash),
            started_unix_ns=sample.started_unix_ns,
            taken_ns=sample.taken_ns,
            taken_unix_ns=sample.taken_unix_ns,
            rows=rows,
            rings=rings,
            needs=self._needs(sample, rows),
            messages_in=sum(worker.messages_out for worker in sources),
            messages_out=sum(worker.messages_in for worker in sinks),
            errors=sum(worker.errors for worker in sample.workers),
            rate_per_s=_sum_known(rates),
            p99_ns=max((worker.p99_ns for worker in sample.workers), default=0),
            quiet_ns=min((worker.age_ns for worker in sample.workers), default=0),
        )

    def _row(self, sample: RunSample, worker: WorkerSample, bottlenecks: dict[str, RingFill]) -> StageRow:
        memory = self._workers.setdefault(worker.name, _Worker())
        rate, busy = _differentiate(memory, sample.taken_ns, worker)
        state, mark = judge(sample.state, worker)
        if sample.state not in ENDED:  # the trend of an ended run ends with it
            _close_seconds(memory, sample.taken_ns, worker, known=mark is not Mark.UNKNOWN)
        return StageRow(
            name=clean(worker.name),
            role=clean(worker.role),
            key=clean(worker.key),
            where=clean(worker.where),
            pid=worker.pid,
            state=state,
            mark=mark,
            rate_per_s=None if mark is Mark.UNKNOWN or sample.state in ENDED else rate,
            messages_in=worker.messages_in,
            messages_out=worker.messages_out,
            filtered=worker.filtered,
            errors=worker.errors,
            lag=worker.lag,
            p50_ns=worker.p50_ns,
            p99_ns=worker.p99_ns,
            busy_share=None if sample.state in ENDED else busy,
            trend=memory.rate.shown,
            trend_p99=memory.p99.shown,
            trend_closed=memory.rate.closed,
            note=_note(worker, state, bottlenecks.get(clean(worker.name))),
            histogram=worker.histogram,
        )

    def _forget(self, present: set[str]) -> None:
        for name in self._workers.keys() - present:
            del self._workers[name]

    def _needs(self, sample: RunSample, rows: tuple[StageRow, ...]) -> tuple[Need, ...]:
        """Alerts first, each with the moment it was first seen; an alert that went is forgotten."""
        found: list[tuple[Mark, str, str]] = []
        if sample.first_failure:
            found.append((Mark.ALERT, *_first_failure(sample)))
        if sample.state == "dead":
            found.append(
                (Mark.ALERT, sample.name, f"supervisor pid {sample.pid} is gone; this is the last state")
            )
        found.extend(
            (row.mark, row.name, _why(row))
            for row in rows
            if row.mark is not Mark.NONE
            and not (sample.state == "dead" and row.state == "DEAD")
            and not (row.state == "FAILED" and row.name in sample.first_failure)
        )
        found.extend(
            (Mark.UNKNOWN, ring.path.rpartition("/")[2], "cursors do not fit together; read again")
            for ring in sample.rings
            if not ring.consistent
        )
        keys = {(mark, subject) for mark, subject, _ in found}
        self._since = {key: since for key, since in self._since.items() if key in keys}
        needs = [
            Need(
                mark,
                self._since.setdefault((mark, subject), sample.taken_unix_ns),
                clean(subject),
                clean(text),
            )
            for mark, subject, text in found
        ]
        return tuple(sorted(needs, key=lambda need: need.mark is not Mark.ALERT))


def judge(run_state: str, worker: WorkerSample) -> tuple[str, Mark]:
    """The word and the mark of a worker. A settled worker is not stale: nobody writes its row any more."""
    word = _WORDS.get(worker.state, clean(worker.state))
    if worker.state == "failed":
        return word, Mark.ALERT
    if worker.state in _SETTLED:
        return word, Mark.NONE
    if run_state in ENDED - {"dead"}:
        return "ended", Mark.NONE
    if not worker.pid and run_state != "dead":  # nobody has written its row yet: it is still to come
        return word, Mark.NONE
    if not worker.alive:
        return "DEAD", Mark.ALERT
    if worker.age_ns > STALE_NS:
        return "STALE", Mark.UNKNOWN
    return word, Mark.NONE


def throughput(worker: WorkerSample) -> int:
    """Messages a worker has dealt with: a source by what it publishes, the rest by what they took."""
    return worker.messages_out if worker.role == "source" else worker.messages_in


def _differentiate(memory: _Worker, now_ns: int, worker: WorkerSample) -> tuple[float | None, float | None]:
    """Messages/s and the busy share over about the last second; None before two samples."""
    window = memory.window
    total = throughput(worker)
    if window and (total < window[-1][1] or now_ns < window[-1][0]):
        window.clear()
        memory.edge = None
    if not window or now_ns > window[-1][0]:
        window.append((now_ns, total, worker.busy_ns, worker.idle_ns))
    while len(window) > 2 and now_ns - window[1][0] >= RATE_WINDOW_NS:
        window.popleft()
    then_ns, then_total, then_busy, then_idle = window[0]
    elapsed = now_ns - then_ns
    if elapsed <= 0:
        return None, None
    busy, idle = worker.busy_ns - then_busy, worker.idle_ns - then_idle
    return (total - then_total) * SECOND_NS / elapsed, busy / (busy + idle) if busy + idle > 0 else None


def _close_seconds(memory: _Worker, now_ns: int, worker: WorkerSample, *, known: bool) -> None:
    """Close the bin when the sample lies in a later second than the last edge."""
    total = throughput(worker)
    if memory.edge is None:
        memory.edge = (now_ns, total)
        return
    edge_ns, edge_total = memory.edge
    if now_ns - edge_ns < SECOND_NS:
        return
    # A gap (a reader that was stopped) shows as dots, and its messages as the mean of the first second after.
    missed = (now_ns - edge_ns) // SECOND_NS - 1
    rate = (total - edge_total) * SECOND_NS / (now_ns - edge_ns)
    memory.rate.close_second(rate if known else None, missed)
    memory.p99.close_second(worker.p99_ns if known and worker.p99_ns > 0 else None, missed)
    memory.edge = (now_ns, total)


def _ring_fill(ring: RingSample) -> RingFill:
    slowest = min(ring.gating, key=lambda gate: gate[1], default=("", 0))[0]
    return RingFill(
        name=clean(ring.path.rpartition("/")[2].removesuffix(".region")),
        in_flight=max(0, min(ring.in_flight, ring.capacity)),
        capacity=ring.capacity,
        slot_bytes=ring.slot_bytes,
        cursor=ring.cursor,
        slowest=clean(slowest),
        consistent=ring.consistent,
    )


def _lane_fill(lane: LaneSample) -> RingFill:
    """A lane of a graph, as a ring: its slowest reader is who everybody waits for."""
    slowest = min(lane.readers, key=lambda reader: reader[1], default=("", 0))[0]
    return RingFill(
        name=clean(lane.name),
        in_flight=max(0, min(lane.depth, lane.capacity)),
        capacity=lane.capacity,
        slot_bytes=lane.slot_bytes,
        cursor=lane.published,
        slowest=clean(slowest) if lane.depth > 0 else "",
        consistent=True,
        kind=clean(lane.kind),
        dropped=lane.dropped,
        known=lane.depth >= 0,
    )


def _is_full(ring: RingFill) -> bool:
    return ring.capacity > 0 and ring.in_flight >= FULL_SHARE * ring.capacity


def _note(worker: WorkerSample, state: str, full: RingFill | None) -> str:
    if state == "STALE":
        return f"{age(worker.age_ns)} old"
    if worker.last_error:
        return clean(worker.last_error)
    if full is not None:
        return "min gate"
    return f"{count(worker.filtered)} filtered" if worker.filtered else ""


def _why(row: StageRow) -> str:
    if row.state == "STALE":
        return f"no sign of life for {row.note.removesuffix(' old')} (pid {row.pid})"
    if row.state == "DEAD":
        return f"worker pid {row.pid} is gone" + (f": {row.note}" if row.note else "")
    return row.note or "failed without a reason"


def _first_failure(sample: RunSample) -> tuple[str, str]:
    """(subject, what happened): the stage that failed when the text names it, else the run."""
    for worker in sample.workers:
        start = f"stage {worker.name} "
        if sample.first_failure.startswith(start):
            return worker.name, sample.first_failure.removeprefix(start)
    return sample.name, sample.first_failure


def _sum_known(rates: list[float | None]) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return sum(known) if known else None
