"""Events: a bounded queue of slots with one consumer; one producer (SPSC) or many (MPSC)."""

from __future__ import annotations

import mmap
import os
from typing import Self

from byteor.indexbus import abi
from byteor.indexbus.abi import Capability, Kind, LaneGeometry, Wait
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.handles import Consumer, Producer, consumer_class, producer_class
from byteor.indexbus.lane import Lane
from byteor.indexbus.region import Header

MAX_PRODUCERS = 62


class Events(Lane):
    """FIFO; with many producers FIFO of each. Full is a result of ``try_publish``; ``publish`` waits.

    The region: tail cell @64, head cell @128, slots @192. With many producers the tail is claimed by
    compare-and-swap and a slot is published by its own marker (its ``origin`` is then sequence + 1).
    """

    kind = Kind.EVENTS
    capabilities = Capability.EVENTS

    @staticmethod
    def geometry_of(header: Header) -> LaneGeometry:
        return LaneGeometry(
            header.capacity, header.slot_bytes, header.slot_stride, cells=2, peers_count=1 + header.lanes
        )

    @classmethod
    def problem(cls, header: Header) -> str | None:
        if not 1 <= header.lanes <= MAX_PRODUCERS:
            return f"{header.lanes} producers, not 1 to {MAX_PRODUCERS}"
        return None

    @property
    def roles(self) -> tuple[str, ...]:
        return ("consumer", *(f"producer {i}" for i in range(self.producers)))

    @property
    def producers(self) -> int:
        """How many producers the lane has room for; 1 makes it SPSC."""
        return self.region.header.lanes

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        capacity: int = abi.DEFAULT_CAPACITY,
        slot_bytes: int = abi.DEFAULT_SLOT_BYTES,
        producers: int = 1,
        spec_hash: bytes = b"",
        start: int = 0,
        kernel: str | None = None,
    ) -> Self:
        """Create the region. Raises ``E_GEOMETRY``, ``E_REGION_EXISTS``, ``E_SHM_SPACE``."""

        def contents(mapping: mmap.mmap, geometry: LaneGeometry) -> None:
            if start:  # no slot may look published: its marker would be sequence + 1
                for i in range(geometry.capacity):
                    at = geometry.slot(i) + abi.SLOT.offset("origin")
                    mapping[at : at + 8] = (start & abi.U64).to_bytes(8, "little")

        return cls._create(
            path,
            capacity=capacity,
            slot_bytes=slot_bytes,
            lanes=producers,
            spec_hash=spec_hash,
            start=start,
            kernel=kernel,
            contents=contents,
        )

    def producer(self, index: int | None = None, *, wait: Wait = Wait.BACKOFF) -> Producer:
        """Producer ``index``, or the first role that is free. Raises ``E_ROLE_TAKEN``, ``E_ROLE``."""
        shared = self.producers > 1
        wanted = range(self.producers) if index is None else (index,)
        for i in wanted:
            if not 0 <= i < self.producers:
                raise IndexBusError("E_ROLE", f"no producer {i}; the lane has {self.producers}")
            try:
                return self._handle(
                    producer_class(self._kernel), 1 + i, wait, [self.geometry.cell(1)], [abi.CURSOR_AT],
                    mpsc=shared, fatal=1,
                )  # fmt: skip
            except IndexBusError as error:
                if error.code != "E_ROLE_TAKEN" or i == wanted[-1]:
                    raise
        raise AssertionError("unreachable")

    def consumer(self, *, wait: Wait = Wait.BACKOFF) -> Consumer:
        """The one consumer. With many producers a dead one ends it only when none is left alive."""
        shared = self.producers > 1
        return self._handle(
            consumer_class(self._kernel), 0, wait, [abi.CURSOR_AT], [self.geometry.cell(1)], mpsc=shared
        )

    @property
    def head(self) -> int:
        """Messages consumed."""
        return self._value(self.geometry.cell(1))
