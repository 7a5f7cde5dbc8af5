"""Fanout: one producer and N consumers over the same slots; the slowest consumer holds the producer back.

This is ``on_full=block``. Policies that lose or choose (drop, work queue, credits) need a queue for each
consumer: see ``byteor.indexbus.router``.
"""

from __future__ import annotations

import os
from typing import Self

from byteor.indexbus import abi
from byteor.indexbus.abi import Capability, Kind, LaneGeometry, Wait
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.handles import Consumer, Producer, consumer_class, producer_class
from byteor.indexbus.lane import Lane
from byteor.indexbus.region import Header

MAX_CONSUMERS = 62


class Fanout(Lane):
    """Every consumer sees every message in order; nothing is lost. Cursor @64, then a cell a consumer."""

    kind = Kind.FANOUT
    capabilities = Capability.FANOUT

    @staticmethod
    def geometry_of(header: Header) -> LaneGeometry:
        n = header.lanes
        return LaneGeometry(
            header.capacity, header.slot_bytes, header.slot_stride, cells=1 + n, peers_count=1 + n
        )

    @classmethod
    def problem(cls, header: Header) -> str | None:
        if not 1 <= header.lanes <= MAX_CONSUMERS:
            return f"{header.lanes} consumers, not 1 to {MAX_CONSUMERS}"
        if header.capabilities & Capability.SEQUENCER:
            return "queues of a router, not one ring"
        return None

    @property
    def roles(self) -> tuple[str, ...]:
        return ("producer", *(f"consumer {i}" for i in range(self.consumers)))

    @property
    def consumers(self) -> int:
        return self.region.header.lanes

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        capacity: int = abi.DEFAULT_CAPACITY,
        slot_bytes: int = abi.DEFAULT_SLOT_BYTES,
        consumers: int,
        spec_hash: bytes = b"",
        start: int = 0,
        kernel: str | None = None,
    ) -> Self:
        """Create the region. Raises ``E_GEOMETRY``, ``E_REGION_EXISTS``, ``E_SHM_SPACE``."""
        return cls._create(
            path,
            capacity=capacity,
            slot_bytes=slot_bytes,
            lanes=consumers,
            spec_hash=spec_hash,
            start=start,
            kernel=kernel,
        )

    def producer(self, *, wait: Wait = Wait.BACKOFF) -> Producer:
        """The one producer; it never passes the slowest consumer. Raises ``E_ROLE_TAKEN``."""
        watch = [self.geometry.cell(1 + i) for i in range(self.consumers)]
        return self._handle(producer_class(self._kernel), 0, wait, watch, [abi.CURSOR_AT])

    def consumer(self, index: int, *, wait: Wait = Wait.BACKOFF) -> Consumer:
        """Consumer ``index``. Raises ``E_ROLE``, ``E_ROLE_TAKEN``."""
        if not 0 <= index < self.consumers:
            raise IndexBusError("E_ROLE", f"no consumer {index}; the lane has {self.consumers}")
        own = [self.geometry.cell(1 + index)]
        # Another consumer's death holds the producer back, not this one.
        return self._handle(consumer_class(self._kernel), 1 + index, wait, [abi.CURSOR_AT], own, fatal=1)

    @property
    def gating(self) -> tuple[int, ...]:
        """Messages that each consumer has finished."""
        return tuple(self._value(self.geometry.cell(1 + i)) for i in range(self.consumers))
