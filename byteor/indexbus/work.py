"""Work: a list of jobs between lanes, run by one thread until all their streams have ended.

A worker that runs one job is a role of its own; a worker that runs several is a *fused* one: the jobs take
turns, none waits while another could go on, and a job that finds its lane full lets the next one make room.

``work([InPlace(...), Through(...)])`` works on every kernel. With native handles the jobs run in C, and the
GIL is taken only for a batch of a Python function; the twin, and jobs on journal lanes, run in Python.
A job counts into ``row`` (a row that was attached to its handles before is let go); a lane counts into the
row that ``producer.attach_lane_row`` gave it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from byteor.indexbus.abi import End, Wait
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.generated import fill_text
from byteor.indexbus.handles import Consumer, Producer
from byteor.indexbus.journal_lane import JournalConsumer, JournalProducer
from byteor.indexbus.kernel_choice import kernel, native_stage_names
from byteor.indexbus.metrics import MetricsRow

OnFull = Literal["block", "drop"]
Rx = Consumer | JournalConsumer
Tx = Producer | JournalProducer
Native = tuple[str, bytes]  # a name of native_stage_names() and its parameter
Function = Callable[[Any], object]
BatchFunction = Callable[[list[Any]], Sequence[object] | None]
Choices = Callable[[int, int], object]


class Job(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What every job has."""

    row: MetricsRow | None = None


class InPlace(Job, frozen=True, eq=False):
    """A stage of a ring: works in the slots of ``rx``, a handle of ``SequencedSlots.stage``.

    One of ``native``, ``function`` (bytes in; bytes, None to filter, or the same object out) and ``batch``
    (a list in; as many results out, or None for "as they are"; with ``views`` the list holds writable
    memoryviews). None of them: identity. A list as result is an error: a ring cannot fan out.
    """

    rx: Consumer
    native: Native | None = None
    function: Function | None = None
    batch: BatchFunction | None = None
    views: bool = False


class Through(Job, frozen=True, eq=False):
    """A stage from lane to lane. Results as in ``InPlace``, or a list of bytes: each is published, with the
    origin of the message that they came from. Without ``tx`` the stage only acts.

    ``drop``: what finds ``tx`` full is lost and counted. ``watermarks``: where nothing comes of a message,
    a watermark says so downstream, for a merge in order.
    """

    rx: Rx
    tx: Tx | None = None
    native: Native | None = None
    function: Function | None = None
    batch: BatchFunction | None = None
    views: bool = False
    on_full: OnFull = "block"
    watermarks: bool = False


class Bridge(Job, frozen=True, eq=False):
    """Carries messages over to a lane of any kind, unchanged."""

    rx: Rx
    tx: Tx
    on_full: OnFull = "block"
    watermarks: bool = False


class Route(Job, frozen=True, eq=False):
    """One lane to several. ``broadcast``: every message to each; ``block`` waits for the slowest lane.
    ``work_queue``: every message to the next lane in turn that has room; ``block`` waits when none has.

    ``choices(lane, count)`` hears, batch by batch, which lanes a work queue chose (-1: dropped).
    """

    rx: Rx
    txs: Sequence[Tx]
    mode: Literal["broadcast", "work_queue"] = "broadcast"
    on_full: OnFull = "block"
    watermarks: bool = False
    choices: Choices | None = None


class Merge(Job, frozen=True, eq=False):
    """Several lanes into one. ``round_robin``: what is there, in turn. ``in_order``: by origin, then ingress,
    then input; a message goes on when every other input has shown (by a message, a watermark or its end)
    that nothing lower follows there. Where a branch gives several messages for one, those of the other
    branches may come in between. Inputs that are not in order themselves are merged as they come.

    ``choices(input, count)`` hears, batch by batch, whose messages were taken.
    """

    rxs: Sequence[Rx]
    tx: Tx
    policy: Literal["round_robin", "in_order"] = "round_robin"
    on_full: OnFull = "block"
    watermarks: bool = False
    choices: Choices | None = None


class Generate(Job, frozen=True, eq=False):
    """A source that makes ``count`` messages (0: endless) of ``size`` bytes, those of ``fill_text``.

    Message n: n in 16 decimal digits (the last ``size`` of them when shorter), then text of ``seed``. With
    several lanes message n goes to lane n mod lanes, or with a ``key`` (offset, length) to the lane
    CRC-32C(those bytes of it) mod lanes. ``stop()`` on a producer ends it like the last message.
    """

    txs: Sequence[Tx]
    count: int
    size: int
    seed: int = 0
    on_full: OnFull = "block"
    key: tuple[int, int] | None = None

    @property
    def key_bytes(self) -> slice:
        """Where the key lies in a message, cut where the message ends."""
        start, length = self.key or (0, 0)
        start = min(start, self.size)
        return slice(start, min(start + length, self.size))


class Discard(Job, frozen=True, eq=False):
    """A sink that forgets every message."""

    rxs: Sequence[Rx]


class WorkEnd(NamedTuple):
    """Why work ended: ``FINISHED`` (every stream has), ``STOPPED``, ``ABORTED``, or what failed: the job's
    place in the list, the sequence in its input that it could not handle, and the exception if there is one.
    """

    reason: End
    job_index: int
    sequence: int
    error: BaseException | None

    @property
    def clean(self) -> bool:
        """The streams ended or somebody asked to stop: no failure of this worker."""
        return self.reason in (End.FINISHED, End.STOPPED, End.ABORTED)


AnyJob = InPlace | Through | Bridge | Route | Merge | Generate | Discard


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
