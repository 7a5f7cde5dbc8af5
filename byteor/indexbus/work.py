"""Work: a list of jobs between lanes, run by one thread until all their streams have ended.

A worker that runs one job is a role of its own; a worker that runs several is a *fused* one: the jobs take
turns, none waits while another could go on, and a job that finds its lane full lets the next one make room.

``work([InPlace(...), Through(...)])`` works on every kernel. With native handles the jobs run in C, and the
GIL is taken only for a batch of a Python function; the twin, and jobs on journal lanes, run in Python.
A job counts into ``row`` (a row that was attached to its handles before is let go); a lane counts into the
row that ``producer.attach_lane_row`` gave it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from byteor.indexbus.abi import End, Wait
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.generated import fill_text
from byteor.indexbus.handles import Consumer, Producer
from byteor.indexbus.jobs import (
    AnyJob,
    Bridge,
    Discard,
    Generate,
    InPlace,
    Merge,
    Route,
    Rx,
    Through,
    Tx,
    WorkEnd,
)
from byteor.indexbus.kernel_choice import kernel, native_stage_names


def work(jobs: Sequence[AnyJob], *, max_batch: int = 256, wait: Wait = Wait.BACKOFF) -> WorkEnd:
    """Run ``jobs`` in the calling thread until each has ended; a job closes its output when its input ends.

    Returns early when a job fails, when a stream of a job is aborted, when a peer dies, and when ``stop()``
    was called on a consumer of a job. Raises ``E_VALUE`` for jobs that make no sense, ``E_ROLE_TAKEN``.
    """
    _check(jobs, max_batch)
    handles = [handle for job in jobs for handle in (*_read_by(job), *_written_by(job))]
    if all(isinstance(handle, Consumer | Producer) and handle.native for handle in handles):
        described = tuple(_describe(job) for job in jobs)
        if None not in described:
            for handle in handles:
                handle.attach_row(None)
            code, *rest = kernel("native").work(described, max_batch, int(wait))
            return WorkEnd(End(code), *rest)
    from byteor.indexbus.pure.work import run

    return WorkEnd(*run(jobs, max_batch, wait))


def _read_by(job: AnyJob) -> Sequence[Rx]:
    return () if isinstance(job, Generate) else job.rxs if isinstance(job, Merge | Discard) else (job.rx,)


def _written_by(job: AnyJob) -> Sequence[Tx]:
    if isinstance(job, InPlace | Discard):
        return ()
    if isinstance(job, Route | Generate):
        return job.txs
    return () if job.tx is None else (job.tx,)


# As in kernel/host.c: kinds of jobs, ways of calling, flags.
_IN_PLACE, _ROUTE, _MERGE, _GENERATE, _DISCARD, _CALL = range(6)
_EACH, _BATCH, _VIEWS = 1, 2, 3
_DROP, _MARKS, _QUEUE, _ORDERED, _KEYED = 1, 2, 4, 8, 16


def _describe(job: AnyJob) -> tuple[Any, ...] | None:
    """The job as the kernel takes it; ``None`` for one that only the twin does."""
    flags = _DROP * (getattr(job, "on_full", "block") == "drop") + _MARKS * getattr(job, "watermarks", False)
    native, parameter, function, how = -1, b"", None, 0
    numbers: tuple[int, int, bytes, int, int, int] = (0, 0, b"", 1, 0, 0)
    choices = getattr(job, "choices", None)
    match job:
        case InPlace() | Through():
            if job.native is not None and job.native[0] != "identity":
                native, parameter = kernel("native").NATIVE_STAGES.index(job.native[0]), job.native[1]
            function = job.function or job.batch
            how = _EACH if job.function else 0 if job.batch is None else _VIEWS if job.views else _BATCH
            kind = _IN_PLACE if isinstance(job, InPlace) else _CALL if how else _ROUTE
            if isinstance(job, Through) and job.tx is None and not how:
                if native >= 0:
                    return None  # computes and forgets
                kind = _DISCARD
        case Bridge():
            kind = _ROUTE
        case Route():
            kind, flags = _ROUTE, flags + _QUEUE * (job.mode == "work_queue")
        case Merge():
            kind, flags = _MERGE, flags + _ORDERED * (job.policy == "in_order")
        case Generate():
            kind, flags, key = _GENERATE, flags + _KEYED * (job.key is not None), job.key_bytes
            text, period = fill_text(job.seed, job.size)
            numbers = job.count, job.size, text, period, key.start, key.stop - key.start
        case Discard():
            kind = _DISCARD
    buffer, offset = (None, 0) if job.row is None else (job.row.buffer, job.row.offset)
    ends = tuple(_read_by(job)), tuple(_written_by(job))
    return kind, *ends, native, parameter, function, how, flags, buffer, offset, choices, *numbers


def _check(jobs: Sequence[AnyJob], max_batch: int) -> None:
    if not jobs or not 1 <= max_batch <= 4096:
        raise IndexBusError("E_VALUE", f"{len(jobs)} jobs in batches of {max_batch}; it takes 1 to 4096")
    for job in jobs:
        if isinstance(job, InPlace | Through):
            given = [way for way in (job.native, job.function, job.batch) if way is not None]
            if len(given) > 1:
                raise IndexBusError("E_VALUE", "a stage is native, or a function, or a function of batches")
            if job.native is not None and job.native[0] not in native_stage_names():
                raise IndexBusError("E_VALUE", f"no native stage {job.native[0]!r}")
        elif isinstance(job, Route | Generate) and not job.txs:
            raise IndexBusError("E_VALUE", f"{type(job).__name__} without a lane to write")
        elif isinstance(job, Merge | Discard) and not job.rxs:
            raise IndexBusError("E_VALUE", f"{type(job).__name__} without a lane to read")
        if isinstance(job, Generate) and (job.size < 1 or job.count < 0 or min(job.key or (0,)) < 0):
            raise IndexBusError("E_VALUE", f"{job.count} messages of {job.size} bytes")
