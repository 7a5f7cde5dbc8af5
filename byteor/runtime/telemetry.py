"""A run's metrics as Prometheus text (exposition format 0.0.4). A function of values; nothing is read here.

Counters are totals since the start of the run. Where an ``earlier`` reading is given, rates and busy ratios
are over the time between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from byteor.indexbus import RowSample
from byteor.runtime.end_health import EndHealth
from byteor.runtime.folders import RunIdentity

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LANE = "lane"
# Buckets of 2**8 ns (256 ns) to 2**34 ns (17 s): one set for all, as the format wants.
FIRST_BITS, LAST_BITS = 8, 34
CAUSES = ("full", "aborted", "oversize", "no_credit")


class LaneDepth(msgspec.Struct, frozen=True):
    """How much lies in a lane now, and how much fits, in messages."""

    name: str
    depth: int
    capacity: int


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A run at one instant. ``taken_ns`` is CLOCK_MONOTONIC, as the rows' heartbeats are."""

    taken_ns: int
    state: str
    rows: tuple[RowSample, ...]
    lanes: tuple[LaneDepth, ...] = ()
    ends: tuple[EndHealth, ...] = ()
    memory: Mapping[int, int] = {}  # by process: bytes that it shares with nobody


def exposition(identity: RunIdentity, now: Reading, earlier: Reading | None = None) -> str:
    """The whole page, ending in a newline."""
    run = {"run": identity.name, "run_id": identity.run_id}
    lines = [*_about_run(identity, now, run)]
    workers = [row for row in now.rows if row.role != LANE]
    lines += _about_workers(workers, run, now.taken_ns)
    lines += _about_memory(workers, now.memory, run)
    if earlier is not None and now.taken_ns > earlier.taken_ns:
        lines += _about_pace(workers, earlier, run, (now.taken_ns - earlier.taken_ns) / 1e9)
    lines += _about_latency(workers, run)
    lines += _about_lanes([row for row in now.rows if row.role == LANE], now.lanes, run)
    lines += _about_ends(now.ends, run)
    return "\n".join(lines) + "\n"


def _about_run(identity: RunIdentity, now: Reading, run: Mapping[str, str]) -> Iterator[str]:
    about = {
        **run,
        "pipeline": identity.pipeline,
        "spec_hash": identity.spec_hash,
        "env": identity.env,
        "kernel": identity.kernel,
    }
    yield from _metric("run_info", "gauge", "What runs; always 1.", [(about, 1)])
    alive = int(now.state == "running")
    yield from _metric("run_up", "gauge", "1 while the run is live.", [(run, alive)])
    started = identity.started_unix_ns / 1e9
    yield from _metric("run_start_time_seconds", "gauge", "Unix time of the start.", [(run, started)])


# (name, help, value of a row)
_COUNTERS: tuple[tuple[str, str, Callable[[RowSample], float]], ...] = (
    ("messages_in", "Messages taken.", lambda row: row.taken),
    ("messages_out", "Messages handed on.", lambda row: row.handed_on),
    ("filtered", "Messages dropped by decision of a stage.", lambda row: row.filtered),
    ("errors", "Errors.", lambda row: row.errors),
    ("batches", "Batches worked on.", lambda row: row.batches),
    ("full_waits", "Times it had to wait for room.", lambda row: row.full_waits),
    ("busy_seconds", "Time at work.", lambda row: row.busy_ns / 1e9),
    ("idle_seconds", "Time waiting for messages or room.", lambda row: row.idle_ns / 1e9),
)


def _about_workers(rows: Sequence[RowSample], run: Mapping[str, str], now_ns: int) -> Iterator[str]:
    for name, text, value in _COUNTERS:
        found = [(_worker(row, run), value(row)) for row in rows]
        yield from _metric(f"worker_{name}_total", "counter", text, found)
    dropped = [(labels, count) for row in rows for labels, count in _dropped(row, _worker(row, run))]
    yield from _metric("worker_dropped_total", "counter", "Messages lost or set aside, by cause.", dropped)
    ages = [(_worker(row, run), max(0, now_ns - row.heartbeat_ns) / 1e9) for row in rows]
    yield from _metric("worker_heartbeat_age_seconds", "gauge", "Since its last sign of life.", ages)
    states = [({**_worker(row, run), "state": row.state}, 1.0) for row in rows]
    yield from _metric("worker_state", "gauge", "The state it is in; always 1.", states)


def _about_memory(
    rows: Sequence[RowSample], memory: Mapping[int, int], run: Mapping[str, str]
) -> Iterator[str]:
    """Of each process once, under the first worker that it runs."""
    first = {row.pid: row for row in reversed(rows)}
    held = [(_worker(row, run), memory[pid]) for pid, row in sorted(first.items()) if pid in memory]
    text = "Memory of the worker's process that it shares with nobody."
    yield from _metric("worker_memory_bytes", "gauge", text, held)


def _about_pace(
    rows: Sequence[RowSample], earlier: Reading, run: Mapping[str, str], seconds: float
) -> Iterator[str]:
    before = {row.index: row for row in earlier.rows}
    pairs = [(row, before[row.index]) for row in rows if row.index in before]
    rates = [(_worker(row, run), (row.handed_on - old.handed_on) / seconds) for row, old in pairs]
    yield from _metric("worker_messages_per_second", "gauge", "Messages handed on per second.", rates)
    busy = []
    for row, old in pairs:
        at_work, waiting = row.busy_ns - old.busy_ns, row.idle_ns - old.idle_ns
        busy.append((_worker(row, run), at_work / (at_work + waiting) if at_work + waiting else 0.0))
    yield from _metric("worker_busy_ratio", "gauge", "Of its time, the part at work.", busy)


def _about_latency(rows: Sequence[RowSample], run: Mapping[str, str]) -> Iterator[str]:
    name = "worker_latency_seconds"
    timed = [row for row in rows if any(row.histogram)]
    if not timed:
        return
    yield f"# HELP byteor_{name} From the source to here; a sink's is end to end."
    yield f"# TYPE byteor_{name} histogram"
    for row in timed:
        labels = _worker(row, run)
        for bits in range(FIRST_BITS, LAST_BITS + 1):
            below = sum(row.histogram[: bits + 1])  # values of at most ``bits`` bits are < 2**bits
            yield _sample(f"{name}_bucket", {**labels, "le": f"{(1 << bits) / 1e9:.9g}"}, below)
        yield _sample(f"{name}_bucket", {**labels, "le": "+Inf"}, sum(row.histogram))
        yield _sample(f"{name}_sum", labels, row.latency_ns / 1e9)
        yield _sample(f"{name}_count", labels, sum(row.histogram))


def _about_lanes(
    rows: Sequence[RowSample], depths: Sequence[LaneDepth], run: Mapping[str, str]
) -> Iterator[str]:
    def of(lane: str) -> dict[str, str]:
        return {**run, "lane": lane}

    published = [(of(row.name), row.taken) for row in rows]
    yield from _metric("lane_messages_total", "counter", "Messages put into the lane.", published)
    dropped = [(labels, count) for row in rows for labels, count in _dropped(row, of(row.name))]
    yield from _metric("lane_dropped_total", "counter", "Messages lost or set aside, by cause.", dropped)
    high = [(of(row.name), row.high_water) for row in rows]
    yield from _metric("lane_high_water_messages", "gauge", "Most messages in it at once.", high)
    deep = [(of(lane.name), lane.depth) for lane in depths]
    yield from _metric("lane_depth_messages", "gauge", "Messages in it now.", deep)
    room = [(of(lane.name), lane.capacity) for lane in depths]
    yield from _metric("lane_capacity_messages", "gauge", "Messages that fit.", room)


def _about_ends(ends: Sequence[EndHealth], run: Mapping[str, str]) -> Iterator[str]:
    def of(end: EndHealth) -> dict[str, str]:
        return {**run, "endpoint": end.endpoint, "role": end.role, "end": end.name}

    healthy = [(of(end), int(end.ok)) for end in ends]
    yield from _metric("end_healthy", "gauge", "1 while the source or sink is not degraded.", healthy)
    events = [({**of(end), "event": event}, count) for end in ends for event, count in end.counts.items()]
    yield from _metric("end_events_total", "counter", "What happened to the source or sink.", events)


def _dropped(row: RowSample, labels: dict[str, str]) -> Iterator[tuple[dict[str, str], int]]:
    """A sample for each cause, and one for what no cause was noted of, so that they always add up."""
    told = 0
    for cause in CAUSES:
        count: int = getattr(row, f"dropped_{cause}")
        told += count
        yield {**labels, "cause": cause}, count
    yield {**labels, "cause": "other"}, max(0, row.dropped - told)


def _worker(row: RowSample, run: Mapping[str, str]) -> dict[str, str]:
    return {**run, "worker": row.name, "role": row.role}


def _metric(name: str, kind: str, text: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> list[str]:
    lines = [_sample(name, labels, value) for labels, value in samples]
    return [f"# HELP byteor_{name} {text}", f"# TYPE byteor_{name} {kind}", *lines] if lines else []


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    told = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"byteor_{name}{{{told}}} {value!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
