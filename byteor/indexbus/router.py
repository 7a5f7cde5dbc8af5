"""Router: one producer, a queue for each consumer, and a policy for the consumer that cannot take a message.

``broadcast`` gives every consumer every message, ``work_queue`` gives each message to one. With credits a
consumer gets only what it granted. What is not delivered is counted, never lost in silence.
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Sequence
from typing import Literal, get_args

import msgspec

from byteor.closing import Closing
from byteor.indexbus import abi
from byteor.indexbus.abi import Capability, End, LaneGeometry, Wait
from byteor.indexbus.consumers import ConsumersLane
from byteor.indexbus.errors import IndexBusError, oversize
from byteor.indexbus.handles import Consumer, Producer, consumer_class, producer_class
from byteor.indexbus.region import Header

PEERS_EVERY_S = 0.05  # a parked router looks at its consumers' locks
CELLS = 3  # of a queue: tail, head, credits granted

Mode = Literal["broadcast", "work_queue"]
OnFull = Literal["drop", "park", "detach"]
Payload = bytes | bytearray | memoryview


class Queues(ConsumersLane):
    """The region: for each consumer a tail, a head and a credit cell, and a ring of its own."""

    capabilities = Capability.FANOUT | Capability.SEQUENCER

    @staticmethod
    def geometry_of(header: Header) -> LaneGeometry:
        n = header.lanes
        return LaneGeometry(
            header.capacity,
            header.slot_bytes,
            header.slot_stride,
            cells=CELLS * n,
            peers_count=1 + n,
            rings=n,
            extra_bytes=8 * len(abi.ROUTER_COUNTERS),
        )

    @classmethod
    def problem(cls, header: Header) -> str | None:
        if not header.capabilities & Capability.SEQUENCER:
            return "one ring, not queues of a router"
        return super().problem(header)

    def router(self, mode: Mode = "broadcast", on_full: OnFull = "drop", *, credit_max: int = 0) -> Router:
        """The producing role. ``credit_max`` 0: no credits; else at most so many undelivered grants count.

        Raises ``E_VALUE``, ``E_ROLE_TAKEN``.
        """
        for given, known in ((mode, get_args(Mode)), (on_full, get_args(OnFull))):
            if given not in known:  # a policy that is only nearly spelled must not lose messages
                raise IndexBusError("E_VALUE", f"no policy {given!r}; there are {', '.join(known)}")
        if credit_max < 0:
            raise IndexBusError("E_VALUE", f"credit_max is {credit_max}")
        return Router(self, mode, on_full, credit_max)

    def consumer(self, index: int, *, wait: Wait = Wait.BACKOFF) -> Consumer:
        """Consumer ``index`` of its queue. Raises ``E_ROLE``, ``E_ROLE_TAKEN``."""
        self._check_consumer(index)
        tail, head = self.tail_at(index), self.head_at(index)
        return self._handle(
            consumer_class(self._kernel), 1 + index, wait, [tail], [head], ring=index, cursor=tail, fatal=1
        )

    def grant(self, index: int, messages: int) -> None:
        """Consumer ``index`` can take so many more messages; only that consumer calls it. Raises ``E_ROLE``,
        ``E_VALUE``.
        """
        self._check_consumer(index)
        if messages < 0:
            raise IndexBusError("E_VALUE", f"{messages} messages: what was granted cannot be taken back")
        with memoryview(self.region.mapping) as raw, raw.cast("Q") as words:
            at = self.credit_at(index) >> 3
            words[at] = (words[at] + messages) & abi.U64

    def counters(self) -> dict[str, int]:
        """``abi.ROUTER_COUNTERS`` by name."""
        data = self.region.read(self.geometry.extra, 8 * len(abi.ROUTER_COUNTERS))
        numbers = memoryview(data).cast("Q")
        return dict(zip(abi.ROUTER_COUNTERS, numbers, strict=True))

    def tail_of(self, index: int) -> int:
        """Messages routed to consumer ``index``."""
        return self._value(self.tail_at(index))

    def head_of(self, index: int) -> int:
        """Messages that consumer ``index`` has finished."""
        return self._value(self.head_at(index))

    def tail_at(self, index: int) -> int:
        return self.geometry.cell(CELLS * index)

    def head_at(self, index: int) -> int:
        return self.geometry.cell(CELLS * index + 1)

    def credit_at(self, index: int) -> int:
        return self.geometry.cell(CELLS * index + 2)


class Routed(msgspec.Struct, frozen=True):
    """What became of one message: to whom it went, and who should have had it."""

    delivered: tuple[int, ...]
    refused: tuple[int, ...]


class Router(Closing):
    """The one producer of all queues. Not for two threads at once; ``close`` gives the role back."""

    def __init__(self, lane: Queues, mode: Mode, on_full: OnFull, credit_max: int) -> None:
        self._lane, self._mode, self._on_full, self._credit_max = lane, mode, on_full, credit_max
        self._mapping: mmap.mmap = lane.region.mapping
        first = self._queue(0, None)
        self._queues = [first, *(self._queue(i, first) for i in range(1, lane.consumers))]
        self._words = memoryview(self._mapping).cast("Q")
        start = lane.geometry.extra >> 3
        self._counter = {name: start + i for i, name in enumerate(abi.ROUTER_COUNTERS)}
        # Credits count from where the queue stood when this router came.
        self._credits = [lane.credit_at(i) >> 3 for i in range(lane.consumers)]
        self._next = 0
        self.attached = set(range(lane.consumers))

    def _queue(self, index: int, first: Producer | None) -> Producer:
        lane = self._lane
        tail, head = lane.tail_at(index), lane.head_at(index)
        cls = producer_class(lane._kernel)
        return lane._handle(
            cls,
            0,
            Wait.BACKOFF,
            [head],
            [tail],
            ring=index,
            cursor=tail,
            claim=first._claim if first is not None else None,
        )

    def publish(self, payload: Payload) -> Routed:
        """Route one message. With ``park`` it waits (200 us at a time) until it fits or the stream ends.

        Raises ``E_OVERSIZE``, ``E_CLOSED``, ``E_PEER_DEAD`` (``park`` only: a dead consumer will never make
        room).
        """
        self._check((payload,))
        return self._publish(payload)

    def _check(self, payloads: Sequence[Payload]) -> None:
        """Before anything is routed or counted, and whether or not anybody could take it."""
        if self._queues[0]._claim.fd < 0:
            raise IndexBusError("E_CLOSED", "this handle was closed")
        limit = self._lane.geometry.slot_bytes
        for i, payload in enumerate(payloads):
            length = memoryview(payload).nbytes
            if length > limit:
                raise oversize(i, length, limit)

    def _publish(self, payload: Payload) -> Routed:
        self._add("routed", 1)
        routed = self._to_one(payload) if self._mode == "work_queue" else self._to_all(payload)
        self._add("delivered", len(routed.delivered))
        return routed

    def publish_many(self, payloads: Sequence[Payload]) -> int:
        """Route each; how many went to at least one consumer. One that is too long keeps all of them out."""
        self._check(payloads)
        self._add("batches", 1)
        at = self._counter["batch_max"]
        self._words[at] = max(self._words[at], len(payloads))
        return sum(bool(self._publish(payload).delivered) for payload in payloads)

    def _has_credit(self, index: int) -> bool:
        if not self._credit_max:
            return True
        outstanding = (self._words[self._credits[index]] - self._queues[index].sequence) & abi.U64
        # Grants beyond credit_max do not count: a consumer cannot ask for more than was agreed.
        used = (self._queues[index].sequence - self._words[self._lane.head_at(index) >> 3]) & abi.U64
        return 0 < outstanding < 1 << 63 and used < self._credit_max

    def _try(self, index: int, payload: Payload) -> bool:
        return self._has_credit(index) and self._queues[index].try_publish(payload)

    def _to_all(self, payload: Payload) -> Routed:
        delivered: list[int] = []
        refused: list[int] = []
        for index in sorted(self.attached):
            (delivered if self._offer(index, payload) else refused).append(index)
        return Routed(tuple(delivered), tuple(refused))

    def _offer(self, index: int, payload: Payload) -> bool:
        if self._try(index, payload):
            return True
        no_credit = not self._has_credit(index)
        if self._on_full == "park":
            self._add("credit_waits" if no_credit else "idle_waits", 1)
            if self._park((index,), payload) is not None:
                return True
        self._add("dropped_no_credit" if no_credit else "dropped_full", 1)
        if self._on_full == "detach":
            self.attached.discard(index)
            self._add("detaches", 1)
        return False

    def _to_one(self, payload: Payload) -> Routed:
        order = sorted(self.attached, key=lambda i: (i - self._next) % self._lane.consumers)
        taken = next((index for index in order if self._try(index, payload)), None)
        if taken is None and order and self._on_full == "park":
            waits = "idle_waits" if any(map(self._has_credit, order)) else "credit_waits"
            self._add(waits, 1)
            taken = self._park(tuple(order), payload)
        if taken is None:
            self._add("dropped_all_full", 1)
            return Routed((), tuple(order))
        self._next = taken + 1
        return Routed((taken,), ())

    def _park(self, candidates: tuple[int, ...], payload: Payload) -> int | None:
        waited, look_at = 0, time.monotonic() + PEERS_EVERY_S
        while True:
            for index in candidates:
                if self._try(index, payload):
                    return index
            queue = self._queues[candidates[waited % len(candidates)]]
            if queue.ended in (End.ABORTED, End.FINISHED) or self._lane.state != "open":
                return None
            waited += 1
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + PEERS_EVERY_S
                dead = [peer.index - 1 for peer in self._lane.peers()[1:] if peer.state == "dead"]
                if set(candidates) <= set(dead):
                    raise IndexBusError(
                        "E_PEER_DEAD", f"consumer {dead[0]} of the lane died without leaving it"
                    )
            time.sleep(0.0002)

    def close_stream(self) -> None:
        """No more messages will come."""
        self._lane.close_stream()

    def close(self) -> None:
        """Give the role back."""
        for queue in self._queues:
            queue.close()
        self._words.release()

    def _add(self, name: str, n: int) -> None:
        at = self._counter[name]
        self._words[at] = (self._words[at] + n) & abi.U64
