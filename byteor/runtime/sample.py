"""What a reader sees of a run at one instant: plain values, made by ``byteor.runtime.observe``.

Counters are totals since the start of the run; a reader differentiates two samples for rates.
"""

from __future__ import annotations

import msgspec


class WorkerSample(msgspec.Struct, frozen=True):
    """One worker's row of the metrics region. ``lag`` is in messages behind what it could process."""

    name: str
    role: str  # source | stage | bridge | router | merge | sink
    key: str
    where: str  # thread | process
    pid: int
    alive: bool
    state: str  # starting | running | draining | finished | failed
    age_ns: int  # since the worker last wrote its row
    messages_in: int
    messages_out: int
    filtered: int
    errors: int
    lag: int
    busy_ns: int
    idle_ns: int
    p50_ns: int
    p99_ns: int
    last_error: str
    row: int = -1
    after: tuple[int, ...] = ()  # rows of the workers whose output it takes
    group: int = 0  # workers with the same number share a thread or a process
    dropped: int = 0
    batches: int = 0
    full_waits: int = 0
    in_hand: int | None = None  # sequence that a Python stage was last given
    histogram: tuple[int, ...] = ()  # latencies since the start by their bits in ns


class RingSample(msgspec.Struct, frozen=True):
    """One ring. ``gating`` holds (stage name, messages finished)."""

    path: str
    capacity: int
    slot_bytes: int
    cursor: int
    gating: tuple[tuple[str, int], ...]
    in_flight: int
    consistent: bool


class LaneSample(msgspec.Struct, frozen=True):
    """One lane. ``readers`` holds (worker name, slots released), ``depth`` what its slowest reader still
    holds, -1 where that could not be read; ``dropped`` is told by cause too.
    """

    name: str
    kind: str  # sequenced | events | fanout | journal
    path: str
    capacity: int
    slot_bytes: int
    published: int
    depth: int
    high_water: int
    readers: tuple[tuple[str, int], ...]
    dropped: int
    dropped_full: int
    dropped_aborted: int
    dropped_oversize: int
    dropped_no_credit: int
    full_waits: int
    stream: str  # open | closed | aborted | gone


class RunSample(msgspec.Struct, frozen=True):
    """A run at one instant. ``taken_ns`` is CLOCK_MONOTONIC, ``taken_unix_ns`` the wall clock."""

    run_id: str
    name: str
    state: str  # starting | running | draining | finished | stopped | failed | dead
    env: str
    pid: int
    spec_hash: str
    started_unix_ns: int
    taken_ns: int
    taken_unix_ns: int
    workers: tuple[WorkerSample, ...]
    rings: tuple[RingSample, ...]
    first_failure: str  # empty, or "stage NAME at sequence N: why"
    lanes: tuple[LaneSample, ...] = ()
