"""Jobs between lanes as values: what ``work`` runs, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from byteor.indexbus.abi import End
from byteor.indexbus.handles import Consumer, Producer
from byteor.indexbus.journal_lane import JournalConsumer, JournalProducer
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
