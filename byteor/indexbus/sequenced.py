"""SequencedSlots: one producer, up to four stages in any order of dependency, slots changed in place.

The ring of the LMAX Disruptor: stages gate the producer, and a stage may wait on other stages.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from typing import Self

from byteor.indexbus import abi
from byteor.indexbus.abi import Capability, Kind, LaneGeometry, Wait
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.handles import Consumer, Producer, consumer_class, producer_class
from byteor.indexbus.lane import Lane
from byteor.indexbus.region import Header, Region


class SequencedSlots(Lane):
    """One ring with its roles: a producer, stages 0 to 3, an egress."""

    kind = Kind.SEQUENCED_SLOTS
    capabilities = Capability.SEQUENCED_SLOTS
    roles = ("producer", "stage 0", "stage 1", "stage 2", "stage 3", "egress")

    def __init__(self, region: Region, kernel_name: str | None = None) -> None:
        super().__init__(region, kernel_name)
        self.gates = region.header.lanes
        stream = abi.STREAM.unpack(region.read(self.geometry.stream, abi.STREAM.size))
        #: The gates that the egress releases, those of terminal stages.
        self.egress_gates = tuple(i for i in range(self.gates) if int(stream["egress_mask"]) >> i & 1)

    @staticmethod
    def geometry_of(header: Header) -> LaneGeometry:
        return LaneGeometry(
            header.capacity,
            header.slot_bytes,
            header.slot_stride,
            cells=1 + abi.MAX_GATES,
            peers_count=abi.PEERS,
            done_count=abi.MAX_GATES,
        )

    @classmethod
    def problem(cls, header: Header) -> str | None:
        if not 1 <= header.lanes <= abi.MAX_GATES:
            return f"{header.lanes} gates, not 1 to {abi.MAX_GATES}"
        return None

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        capacity: int = abi.DEFAULT_CAPACITY,
        slot_bytes: int = abi.DEFAULT_SLOT_BYTES,
        gates: int = 1,
        egress: Sequence[int] = (),
        spec_hash: bytes = b"",
        start: int = 0,
        kernel: str | None = None,
    ) -> Self:
        """Create the region. ``egress`` names the gates that the egress releases: those of terminal stages.

        ``capacity`` is a power of two; ``start`` is the first sequence. With ``gates=1, egress=(0,)`` and no
        stage the egress reads straight behind the producer.
        Raises ``E_GEOMETRY``, ``E_REGION_EXISTS``, ``E_SHM_SPACE``.
        """
        if any(not 0 <= gate < gates for gate in egress):
            raise IndexBusError("E_GEOMETRY", f"egress names gates {tuple(egress)} of {gates}")

        def contents(mapping: mmap.mmap, geometry: LaneGeometry) -> None:
            mask = sum(1 << gate for gate in set(egress))
            stream = abi.STREAM.pack({"role": 0xFFFFFFFF, "egress_mask": mask})
            mapping[geometry.stream : geometry.stream + abi.LINE] = stream

        return cls._create(
            path,
            capacity=capacity,
            slot_bytes=slot_bytes,
            lanes=gates,
            spec_hash=spec_hash,
            start=start,
            kernel=kernel,
            contents=contents,
        )

    # -- roles

    def producer(self, *, wait: Wait = Wait.BACKOFF) -> Producer:
        """The one producer. Raises ``E_ROLE_TAKEN`` while another handle, in any process, has the role."""
        gates = [self._gate(i) for i in range(self.gates)]
        return self._handle(producer_class(self._kernel), abi.PEER_PRODUCER, wait, gates, [abi.CURSOR_AT])

    def stage(self, index: int, after: Sequence[int] = (), *, wait: Wait = Wait.BACKOFF) -> Consumer:
        """The stage at gate ``index``, behind the producer or behind the stages in ``after``.

        Raises ``E_ROLE`` for a gate that does not exist or a dependency on a terminal stage,
        ``E_ROLE_TAKEN``.
        """
        for gate in (index, *after):
            if not 0 <= gate < self.gates:
                raise IndexBusError("E_ROLE", f"no gate {gate}; the ring has {self.gates}")
        if index in after:
            raise IndexBusError("E_ROLE", f"stage {index} cannot run after itself")
        if held := [gate for gate in after if gate in self.egress_gates]:
            text = f"the gates {held} are the egress's; nothing runs after a terminal stage"
            raise IndexBusError("E_ROLE", text)
        watch = [self._gate(gate) for gate in after] or [abi.CURSOR_AT]
        return self._handle(
            consumer_class(self._kernel), abi.PEER_STAGE + index, wait, watch, [self._finished_at(index)]
        )

    def egress(self, after: Sequence[int] | None = None, *, wait: Wait = Wait.BACKOFF) -> Consumer:
        """The egress: behind every terminal stage, releasing their gates for them.

        ``after`` defaults to the gates given as ``egress`` at creation; ``()`` means that there is no stage
        and the egress reads straight behind the producer. Raises ``E_ROLE``, ``E_ROLE_TAKEN``.
        """
        behind = self.egress_gates if after is None else tuple(after)
        if not self.egress_gates or (behind and set(behind) != set(self.egress_gates)):
            text = f"the egress of this ring has the gates {self.egress_gates}, not {behind}"
            raise IndexBusError("E_ROLE", text)
        watch = [self._finished_at(gate) for gate in behind] or [abi.CURSOR_AT]
        own = [self._gate(gate) for gate in self.egress_gates]
        return self._handle(consumer_class(self._kernel), abi.PEER_EGRESS, wait, watch, own)

    # -- observing

    @property
    def gating(self) -> tuple[int, ...]:
        """Messages that each gate has released, as the producer sees it."""
        return tuple(self._value(self._gate(i)) for i in range(self.gates))

    @property
    def finished(self) -> tuple[int, ...]:
        """Messages that each stage has finished; a terminal one is ahead of its gate by what the egress
        holds.
        """
        return tuple(self._value(self._finished_at(i)) for i in range(self.gates))

    # -- inside

    def _gate(self, index: int) -> int:
        return abi.GATES_AT + index * abi.LINE

    def _finished_at(self, index: int) -> int:
        return self.geometry.done + index * abi.LINE if index in self.egress_gates else self._gate(index)
