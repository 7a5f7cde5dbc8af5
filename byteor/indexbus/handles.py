"""The typed handles of a role: a kernel's hot calls plus claiming, leaving, batches and loops.

A handle's class derives from the kernel's, so that ``publish`` and ``receive`` are the kernel's own calls
with nothing in between. It belongs to one thread at a time and to the process that made it.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from byteor.indexbus import abi
from byteor.indexbus.abi import End
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.kernel_choice import kernel

if TYPE_CHECKING:
    from byteor.indexbus._native import Consumer as _ConsumerKernel
    from byteor.indexbus._native import Producer as _ProducerKernel
    from byteor.indexbus._native import _Handle
    from byteor.indexbus.metrics import MetricsRow
    from byteor.indexbus.peers import Claim
else:  # the kernel's classes are mixed in by producer_class and consumer_class
    _Handle = _ProducerKernel = _ConsumerKernel = object


class LoopEnd(NamedTuple):
    """Why a loop ended, at which sequence (the first one not handled), and the exception if there was one."""

    reason: End
    sequence: int
    error: BaseException | None

    @property
    def clean(self) -> bool:
        """The stream ended or somebody asked to stop: no failure of this loop."""
        return self.reason in (End.FINISHED, End.STOPPED, End.ABORTED)


class _Role(_Handle):
    """What producer and consumer add to their kernel class."""

    _claim: Claim
    _abort: Callable[[int, int], None]
    _close_stream: Callable[[], None]
    _capacity_slots: int
    _stride_bytes: int
    #: Payload bytes that a slot of the lane holds.
    slot_bytes: int
    # Kept alive: a row that nobody holds is anybody's.
    _row_held: MetricsRow | None = None
    _lane_row_held: MetricsRow | None = None

    @property
    def native(self) -> bool:
        """Whether the native kernel does this handle's calls."""
        return not getattr(self, "_pure", False)

    @property
    def ended(self) -> End:
        """How the last call that came back early ended (``End.OK`` before the first)."""
        return End(self._ended)

    def attach_row(self, row: MetricsRow | None) -> None:
        """Count into this metrics row from now on; it has one writer, this handle."""
        if row is None:
            self._set_row(None, 0)
        else:
            self._set_row(row.buffer, row.offset)
        self._row_held = row

    def abort(self, reason: int = 0) -> None:
        """Abort the stream for everybody: every call of every role comes back at once. Any thread may call
        it.
        """
        self._abort(reason, self.sequence)

    async def _in_thread(self, wait: Callable[[Any], int], argument: Any) -> int:
        """Wait in a thread. Who cancels that gets the handle back stopped and free to be closed."""
        import asyncio

        waiting = asyncio.ensure_future(asyncio.to_thread(wait, argument))
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            self.stop()
            await asyncio.wait([waiting])  # it looks at stop twice in 100 ms
            raise

    def close(self) -> None:
        """Leave the role. Views into the lane must be gone (``E_VIEW_HELD``); closing twice is fine."""
        if os.getpid() == self._claim.pid:
            self._release()
        self._row_held = self._lane_row_held = None
        self._claim.leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        try:
            self.close()
        except IndexBusError:
            self._claim.leave()
            if kind is None:  # a view held by the frame that raised must not hide what it raised
                raise

    def __del__(self) -> None:
        claim = getattr(self, "_claim", None)
        if claim is not None:
            claim.leave()


class Producer(_Role, _ProducerKernel):
    """The one writer of a lane.

    ``publish(payload, ingress=0, origin=None) -> bool``, ``publish_many(messages, ...) -> int`` and
    ``publish_buffer(buffer, record_bytes, ingress=0, origin=None) -> int`` wait for room and come back short
    when the stream ends; their ``try_`` forms never wait. ``origin`` is the ticket of the first message, the
    next ones follow (default: the lane's own sequence).
    For moving messages on: ``free()`` is how many fit now, ``put(payload, ingress, origin, flags, stamp_ns)``
    one slot as given, ``dropped(cause, n)`` counts what this lane will never hold.
    Raises ``E_OVERSIZE`` (``fields``: index, length, limit; nothing of the call is published),
    ``E_PEER_DEAD``,
    ``E_CORRUPT``, ``E_ROLE_TAKEN`` when two threads use one handle.
    """

    async def apublish_many(self, messages: Sequence[bytes], ingress: int = 0) -> int:
        """As ``publish_many`` for ``await``: only a full lane waits, in a thread. How many were published.
        Cancelling it while it waits stops this handle for good.
        """
        done = self.try_publish_many(messages, ingress)
        while done < len(messages) and await self._in_thread(self.wait_room, None):
            done += self.try_publish_many(messages[done:], ingress)
        return done

    def attach_lane_row(self, row: MetricsRow | None) -> None:
        """Count what is published, what is dropped (by cause) and the lane's high water into the lane's own
        row; all producers of an MPSC lane may share it.
        """
        if row is None:
            self._set_lane_row(None, 0)
        else:
            self._set_lane_row(row.buffer, row.offset)
        self._lane_row_held = row

    def record_turns(self) -> None:
        """From now on remember what ``turns`` gives."""
        self._record_turns()

    def turns(self) -> list[int] | None:
        """What this end did since the last call, run-length coded: a slot's sequence and how many messages
        went into the slots from there on; or 0 and, negative, how many were lost to a full lane; and so on.

        None when there was no memory for them all. Any thread may call it, also after ``close``.
        """
        data, lost = self._turns()
        return None if lost else list(memoryview(data).cast("q"))

    def watermark(self, origin: int, ingress: int = 0) -> bool:
        """Say that nothing lower than ``origin`` follows on this lane; False (and no matter) when it is full.

        Readers skip it without counting it; an ``in_order`` merge need not wait for this lane up to there.
        """
        return self.put(b"", ingress, origin & abi.U64, abi.WATERMARK)

    def close_stream(self) -> None:
        """No more messages will come: consumers finish what is there, then end with ``End.FINISHED``.

        With many producers the stream ends when each of them has said so.
        """
        self._close_stream()


class _Passed:
    """Stands for the consumer in a batch whose step is over, so that the hot calls need not ask."""

    def __getattr__(self, name: str) -> Any:
        raise IndexBusError("E_BATCH_PASSED", "this batch was handed on")


_PASSED: Any = _Passed()


class Batch:
    """Messages in place, valid until the next step of ``batches()`` (then ``E_BATCH_PASSED``); iterating
    gives views of what is not filtered.
    """

    __slots__ = ("_consumer",)

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    def __len__(self) -> int:
        return self._consumer.peeked

    def __iter__(self) -> Iterator[memoryview]:
        return iter(self._consumer.views())

    def __getitem__(self, i: int) -> memoryview:
        return self._consumer.view(i)

    @property
    def sequence(self) -> int:
        """Sequence of the first message."""
        return self._consumer.sequence

    def describe(self, i: int) -> tuple[int, int, int, int]:
        """``(length, flags, ingress, origin)`` of message ``i``."""
        return self._consumer.describe(i)

    def write(self, i: int, payload: bytes | bytearray | memoryview) -> None:
        """Replace message ``i`` in place. Raises ``E_OVERSIZE``."""
        self._consumer.write(i, payload)

    def filter(self, i: int) -> None:
        """Later stages and the egress skip message ``i``."""
        self._consumer.filter(i)


class Consumer(_Role, _ConsumerKernel):
    """A stage or the egress of a lane.

    In place: ``peek(max, timeout_s) -> n`` (0: timeout or end, see ``ended``), then ``view(i)``, ``room(i)``,
    ``payload(i)``, ``describe(i)``, ``write(i, payload)``, ``set_length(i, n)``, ``filter(i)``, and
    ``advance(n)``, which ends every view handed out and refuses (``E_VIEW_HELD``) while a slice or an array
    still points into one.
    ``gather()`` copies the batch into four buffers: origins (u64), ingresses (u16), lengths (u32), payloads.
    Copies: ``receive(timeout_s)``, ``receive_many(max, timeout_s)``, ``receive_into(buffer, record_bytes)``;
    filtered messages are skipped and counted in ``filtered``.
    Loops: ``drive``, ``drive_batch``, ``run_native``. ``stop()`` ends any of them from another thread.
    """

    def batches(self, max: int = 256) -> Iterator[Batch]:
        """Batches until the stream is finished or ``stop``; each is handed on when the next is asked for.

        Raises ``E_ABORTED`` when the stream was aborted, ``E_PEER_DEAD``, ``E_CORRUPT``.
        """
        while n := self.peek(max):
            yield (batch := Batch(self))
            self.advance(min(n, self.peeked))
            batch._consumer = _PASSED
        if self.ended == End.ABORTED:
            raise IndexBusError("E_ABORTED", "the stream was aborted")

    async def abatches(self, max: int = 256) -> AsyncIterator[Batch]:
        """As ``batches`` for ``async for``: waits in a thread. Cancelling it stops this handle for good."""
        # What is there already needs no thread.
        while n := self.peek(max, 0) or await self._in_thread(self.peek, max):
            yield (batch := Batch(self))
            self.advance(min(n, self.peeked))
            batch._consumer = _PASSED
        if self.ended == End.ABORTED:
            raise IndexBusError("E_ABORTED", "the stream was aborted")

    def drive(self, function: Callable[[bytes], object], max_batch: int = 256) -> LoopEnd:
        """Call ``function(bytes)`` per message: bytes replace it, ``None`` filters it, the same object leaves
        it.
        """
        code, sequence, error = self._drive(function, max_batch)
        return LoopEnd(End(code), sequence, error)

    def drive_batch(
        self,
        function: Callable[[list[Any]], Sequence[object] | None],
        max_batch: int = 256,
        *,
        views: bool = False,
    ) -> LoopEnd:
        """Call ``function(list)`` per batch (at most 4096) of messages that are not filtered.

        The list holds bytes, or with ``views`` writable memoryviews that end with the call. The result is
        ``None`` (left alone, or changed in place) or as many results as messages, each as in ``drive``.
        """
        code, sequence, error = self._drive_batch(function, max_batch, views)
        return LoopEnd(End(code), sequence, error)

    def run_native(self, kind: str, param: bytes = b"", max_batch: int = 256) -> LoopEnd:
        """Run a built-in stage (``native_stage_names()``) without the GIL until the stream ends."""
        names = kernel().NATIVE_STAGES
        if kind not in names:
            raise IndexBusError("E_VALUE", f"no native stage {kind!r}; there are {', '.join(names)}")
        code, sequence, error = self._run_native(names.index(kind), param, max_batch)
        return LoopEnd(End(code), sequence, error)

    def contiguous(self, start: int = 0) -> int:
        """How many messages of the peeked batch from ``start`` lie in one piece of the region."""
        place = (self.sequence + start) & (self._capacity_slots - 1)
        return min(self.peeked - start, self._capacity_slots - place)

    def array(self, dtype: Any, start: int = 0) -> Any:
        """A NumPy array over the payloads of ``contiguous(start)`` messages, without a copy.

        ``dtype`` describes one payload. The array must be gone before the batch is advanced
        (``E_VIEW_HELD``).
        """
        import numpy

        slot = numpy.dtype(
            {
                "names": ["payload"],
                "formats": [dtype],
                "offsets": [abi.SLOT_HEADER],
                "itemsize": self._stride_bytes,
            }
        )
        # frombuffer keeps the export for as long as the array lives; ndarray(buffer=...) does not.
        return numpy.frombuffer(self.raw(start, self.contiguous(start)), slot)["payload"]


@cache
def producer_class(kernel_name: str | None = None) -> type[Producer]:
    """``Producer`` over the named kernel (default: the chosen one)."""
    return type("Producer", (Producer, kernel(kernel_name).Producer), {"__module__": __name__})


@cache
def consumer_class(kernel_name: str | None = None) -> type[Consumer]:
    """``Consumer`` over the named kernel (default: the chosen one)."""
    return type("Consumer", (Consumer, kernel(kernel_name).Consumer), {"__module__": __name__})
