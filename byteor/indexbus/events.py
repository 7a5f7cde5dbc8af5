"""Events: a bounded queue of slots with one consumer; one producer (SPSC) or many (MPSC)."""

from __future__ import annotations

import mmap
import os
import threading
from functools import partial
from typing import Self

from byteor.indexbus import abi
from byteor.indexbus.abi import Capability, Kind, LaneGeometry, Wait
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.handles import Consumer, Producer, consumer_class, producer_class
from byteor.indexbus.lane import Lane, end_stream
from byteor.indexbus.region import Header

MAX_PRODUCERS = 62


class Events(Lane):
    """FIFO; with many producers FIFO of each. Full is a result of ``try_publish``; ``publish`` waits.

    The region: tail cell @64, head cell @128, slots @192. With many producers the tail is claimed by
    compare-and-swap and a slot is published by its own marker (sequence + 1), a word behind the peers.
    """

    kind = Kind.EVENTS
    capabilities = Capability.EVENTS

    @staticmethod
    def geometry_of(header: Header) -> LaneGeometry:
        return LaneGeometry(
            header.capacity,
            header.slot_bytes,
            header.slot_stride,
            cells=2,
            peers_count=1 + header.lanes,
            extra_bytes=8 * header.capacity if header.lanes > 1 else 0,
        )

    @classmethod
    def problem(cls, header: Header) -> str | None:
        if not 1 <= header.lanes <= MAX_PRODUCERS:
            return f"{header.lanes} producers, not 1 to {MAX_PRODUCERS}"
        if (header.lanes > 1) != bool(header.capabilities & Capability.MARKERS):
            return f"{header.lanes} producers and {'' if header.lanes == 1 else 'no '}markers"
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
            if start and producers > 1:  # no slot may look published: its marker would be sequence + 1
                marks = (start & abi.U64).to_bytes(8, "little") * geometry.capacity
                mapping[geometry.extra : geometry.extra + len(marks)] = marks

        return cls._create(
            path,
            capacity=capacity,
            slot_bytes=slot_bytes,
            lanes=producers,
            spec_hash=spec_hash,
            start=start,
            kernel=kernel,
            contents=contents,
            extra=Capability.MARKERS if producers > 1 else 0,
        )

    def producer(self, index: int | None = None, *, wait: Wait = Wait.BACKOFF) -> Producer:
        """Producer ``index``, or the first role that is free. Raises ``E_ROLE_TAKEN``, ``E_ROLE``."""
        wanted = range(self.producers) if index is None else (index,)
        for i in wanted:
            if not 0 <= i < self.producers:
                raise IndexBusError("E_ROLE", f"no producer {i}; the lane has {self.producers}")
            try:
                handle = self._handle(
                    producer_class(self._kernel), 1 + i, wait, [self.geometry.cell(1)], [abi.CURSOR_AT],
                    markers=self._markers, fatal=1,
                )  # fmt: skip
                if self.producers > 1:
                    handle._close_stream = partial(self._close_one, self.region.mapping, i)
                return handle
            except IndexBusError as error:
                if error.code != "E_ROLE_TAKEN" or i == wanted[-1]:
                    raise
        raise AssertionError("unreachable")

    def consumer(self, *, wait: Wait = Wait.BACKOFF) -> Consumer:
        """The one consumer. With many producers a dead one ends it only when none is left alive."""
        own = [self.geometry.cell(1)]
        return self._handle(
            consumer_class(self._kernel), 0, wait, [abi.CURSOR_AT], own, markers=self._markers
        )

    def _close_one(self, mapping: mmap.mmap, index: int) -> None:
        """Producer ``index`` has said all; the last of them ends the stream."""
        first = self.geometry.peers + abi.PEER.size + abi.PEER.offset("flags")
        flags = [(first + i * abi.PEER.size) >> 2 for i in range(self.producers)]
        with memoryview(mapping) as raw, raw.cast("I") as halves:
            halves[flags[index]] |= abi.PEER_DONE
            with threading.Lock():  # a full fence: of two that end at once, one must see the other
                done = all(halves[at] & abi.PEER_DONE for at in flags)
        if done:
            end_stream(mapping, self.geometry)

    @property
    def _markers(self) -> int:
        return self.geometry.extra if self.producers > 1 else 0

    @property
    def head(self) -> int:
        """Messages consumed."""
        return self._value(self.geometry.cell(1))
