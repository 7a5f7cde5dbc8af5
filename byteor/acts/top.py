"""How fast each worker of the live runs is: two looks at their metrics, and what changed between them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from byteor.errors import ByteorError
from byteor.runtime.observe import SILENT_NS, RunObserver
from byteor.runtime.sample import RunSample, WorkerSample


class Pace(msgspec.Struct, frozen=True):
    """A worker between two looks. Rates in messages per second; ``busy`` is the part of its time at work.

    ``state`` is what its row says; ``silent`` where a worker of a live run has not written that for a while
    (it hangs in its own code, in a peer, or is stopped), ``dead`` where its process is gone.
    """

    name: str
    role: str
    where: str
    state: str
    in_per_s: float
    out_per_s: float
    busy: float
    lag: int
    p99_ns: int
    errors: int
    filtered: int
    dropped: int
    silent_s: float = 0.0  # where ``state`` says so
    in_hand: int | None = None  # the last message that its stage was given


def look(folders: Sequence[str]) -> dict[str, RunSample]:
    """A sample of each run by its id; runs that are gone meanwhile are left out."""
    found = {}
    for folder in folders:
        with contextlib.suppress(ByteorError, OSError), RunObserver(Path(folder)) as observer:
            sample = observer.sample()
            found[sample.run_id] = sample
    return found


def paces(now: RunSample, before: RunSample | None) -> tuple[Pace, ...]:
    """Each worker's pace since ``before``; without it all rates are 0."""
    old: Mapping[str, WorkerSample] = {w.name: w for w in before.workers} if before is not None else {}
    seconds = (now.taken_ns - before.taken_ns) / 1e9 if before is not None else 0.0
    live = now.state == "running"
    return tuple(_pace(worker, old.get(worker.name), seconds, live) for worker in now.workers)


def _state(worker: WorkerSample, live: bool) -> str:
    if not live or worker.state != "running":
        return worker.state
    if not worker.alive:
        return "dead"
    return "silent" if worker.age_ns > SILENT_NS else worker.state


def _pace(now: WorkerSample, old: WorkerSample | None, seconds: float, live: bool) -> Pace:
    def rate(new: int, before: int) -> float:
        return max(0, new - before) / seconds if seconds > 0 else 0.0

    then = old or now
    at_work, waiting = now.busy_ns - then.busy_ns, now.idle_ns - then.idle_ns
    state = _state(now, live)
    return Pace(
        name=now.name,
        role=now.role,
        where=now.where,
        state=state,
        in_per_s=rate(now.messages_in, then.messages_in),
        out_per_s=rate(now.messages_out, then.messages_out),
        busy=at_work / (at_work + waiting) if at_work + waiting > 0 else 0.0,
        lag=now.lag,
        p99_ns=now.p99_ns,
        errors=now.errors,
        filtered=now.filtered,
        dropped=now.dropped,
        silent_s=now.age_ns / 1e9 if state == "silent" else 0.0,
        in_hand=now.in_hand,
    )
