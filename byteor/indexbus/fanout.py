"""Fanout: one producer and N consumers over the same slots; the slowest consumer holds the producer back.

This is ``on_full=block``. Policies that lose or choose (drop, work queue, credits) need a queue for each
consumer: see ``byteor.indexbus.router``.
"""

from __future__ import annotations

from byteor.indexbus import abi
from byteor.indexbus.abi import Capability, LaneGeometry, Wait
from byteor.indexbus.consumers import ConsumersLane
from byteor.indexbus.handles import Consumer, Producer, consumer_class, producer_class
from byteor.indexbus.region import Header


class Fanout(ConsumersLane):
    """Every consumer sees every message in order; nothing is lost. Cursor @64, then a cell a consumer."""

    capabilities = Capability.FANOUT

    @staticmethod
    def geometry_of(header: Header) -> LaneGeometry:
        n = header.lanes
        return LaneGeometry(
            header.capacity, header.slot_bytes, header.slot_stride, cells=1 + n, peers_count=1 + n
        )

    @classmethod
    def problem(cls, header: Header) -> str | None:
        if header.capabilities & Capability.SEQUENCER:
            return "queues of a router, not one ring"
        return super().problem(header)

    def producer(self, *, wait: Wait = Wait.BACKOFF) -> Producer:
        """The one producer; it never passes the slowest consumer. Raises ``E_ROLE_TAKEN``."""
        watch = [self.geometry.cell(1 + i) for i in range(self.consumers)]
        return self._handle(producer_class(self._kernel), 0, wait, watch, [abi.CURSOR_AT])

    def consumer(self, index: int, *, wait: Wait = Wait.BACKOFF) -> Consumer:
        """Consumer ``index``. Raises ``E_ROLE``, ``E_ROLE_TAKEN``."""
        self._check_consumer(index)
        own = [self.geometry.cell(1 + index)]
        # Another consumer's death holds the producer back, not this one.
        return self._handle(consumer_class(self._kernel), 1 + index, wait, [abi.CURSOR_AT], own, fatal=1)

    @property
    def gating(self) -> tuple[int, ...]:
        """Messages that each consumer has finished."""
        return tuple(self._value(self.geometry.cell(1 + i)) for i in range(self.consumers))
