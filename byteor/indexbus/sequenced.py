"""SequencedSlots: one producer, up to four stages in any order of dependency, in-place slots (the Disruptor's
ring).
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from byteor.indexbus import abi
from byteor.indexbus.abi import Capability, Kind, SequencedGeometry, Wait
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.handles import Consumer, Producer, consumer_class, producer_class
from byteor.indexbus.kernel_choice import kernel
from byteor.indexbus.peers import Claim, Peer, read_peers
from byteor.indexbus.region import Header, Region, create, open_region

ROLES = ("producer", "stage 0", "stage 1", "stage 2", "stage 3", "egress")
_H = TypeVar("_H", Producer, Consumer)
CAPABILITIES = Capability.SEQUENCED_SLOTS | Capability.BLOCKING | Capability.GEOMETRY


class Abort(msgspec.Struct, frozen=True):
    """Who aborted a stream, why (a number of theirs) and at which sequence. ``role`` -1: not a role of the
    lane.
    """

    role: int
    reason: int
    sequence: int


class SlotCopy(msgspec.Struct, frozen=True):
    """A slot as an observer copied it; it may have been overwritten since."""

    sequence: int
    length: int
    flags: int
    ingress: int
    origin: int
    payload: bytes


class SequencedSlots:
    """A ring open in this process: hands out the roles' handles, or observes without taking part."""

    def __init__(self, region: Region, geometry: SequencedGeometry, kernel_name: str | None = None) -> None:
        self.region, self.geometry, self._kernel = region, geometry, kernel_name
        stream = abi.STREAM.unpack(region.read(geometry.stream, abi.STREAM.size))
        self.egress_gates = tuple(i for i in range(geometry.gates) if int(stream["egress_mask"]) >> i & 1)

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
        stage the egress reads straight behind the producer. Raises ``E_GEOMETRY``, ``E_REGION_EXISTS``,
        ``E_SHM_SPACE``.
        """
        stride = abi.round_up(abi.SLOT_HEADER + slot_bytes, 16)
        geometry = SequencedGeometry(capacity, slot_bytes, stride, gates)
        if problem := geometry.problem():
            raise IndexBusError("E_GEOMETRY", problem)
        if any(not 0 <= gate < gates for gate in egress):
            raise IndexBusError("E_GEOMETRY", f"egress names gates {tuple(egress)} of {gates}")

        def contents(mapping: mmap.mmap) -> None:
            mapping[geometry.stream : geometry.stream + abi.LINE] = abi.STREAM.pack(
                {"role": 0xFFFFFFFF, "egress_mask": sum(1 << gate for gate in set(egress))}
            )
            first = (start & abi.U64).to_bytes(8, "little")
            cells = [
                abi.CURSOR_AT,
                *(base + abi.LINE * i for base in (abi.GATES_AT, geometry.done) for i in range(4)),
            ]
            for at in cells:
                mapping[at : at + 8] = first
            for i in range(abi.STAMPS):
                # No sequence near the start may find itself stamped at time 0.
                at = geometry.stamps + i * abi.STAMP.size
                mapping[at : at + 8] = (start - 1 & abi.U64).to_bytes(8, "little")

        region = create(
            path,
            kind=Kind.SEQUENCED_SLOTS,
            capabilities=CAPABILITIES,
            total=geometry.total,
            capacity=capacity,
            slot_bytes=slot_bytes,
            lanes=gates,
            slot_stride=stride,
            spec_hash=spec_hash,
            contents=contents,
        )
        return cls(region, geometry, kernel)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, kernel: str | None = None) -> Self:
        """Open to take a role. Raises one ``E_REGION_...`` code a check, see ``region.open_region``."""
        region = open_region(path, Kind.SEQUENCED_SLOTS, expected_bytes)
        return cls(region, geometry_of(region.header), kernel)

    @classmethod
    def observe(cls, path: str | os.PathLike[str]) -> Self:
        """Open to look: no mapping, no role; reads survive a truncation (``E_REGION_GONE``)."""
        region = open_region(path, Kind.SEQUENCED_SLOTS, expected_bytes, observe=True)
        return cls(region, geometry_of(region.header))

    # -- roles

    def producer(self, *, wait: Wait = Wait.BACKOFF) -> Producer:
        """The one producer. Raises ``E_ROLE_TAKEN`` while another handle, in any process, has the role."""
        gates = tuple(self._gate(i) for i in range(self.geometry.gates))
        claim = self._claim(abi.PEER_PRODUCER)
        return self._handle(producer_class(self._kernel), claim, wait, gates, (abi.CURSOR_AT,))

    def stage(self, index: int, after: Sequence[int] = (), *, wait: Wait = Wait.BACKOFF) -> Consumer:
        """The stage at gate ``index``, behind the producer or behind the stages in ``after``.

        Raises ``E_ROLE`` for a gate that does not exist or a dependency on a terminal stage,
        ``E_ROLE_TAKEN``.
        """
        for gate in (index, *after):
            if not 0 <= gate < self.geometry.gates:
                raise IndexBusError("E_ROLE", f"no gate {gate}; the ring has {self.geometry.gates}")
        if index in after:
            raise IndexBusError("E_ROLE", f"stage {index} cannot run after itself")
        if held := [gate for gate in after if gate in self.egress_gates]:
            raise IndexBusError(
                "E_ROLE", f"the gates {held} are the egress's; nothing runs after a terminal stage"
            )
        watch = tuple(self._gate(gate) for gate in after) or (abi.CURSOR_AT,)
        own = self._done(index) if index in self.egress_gates else self._gate(index)
        claim = self._claim(abi.PEER_STAGE + index)
        return self._handle(consumer_class(self._kernel), claim, wait, watch, (own,))

    def egress(self, after: Sequence[int] | None = None, *, wait: Wait = Wait.BACKOFF) -> Consumer:
        """The egress: behind every terminal stage, releasing their gates for them.

        ``after`` defaults to the gates given as ``egress`` at creation; ``()`` means that there is no stage
        and the egress reads straight behind the producer. Raises ``E_ROLE``, ``E_ROLE_TAKEN``.
        """
        behind = self.egress_gates if after is None else tuple(after)
        if not self.egress_gates or (behind and set(behind) != set(self.egress_gates)):
            raise IndexBusError(
                "E_ROLE", f"the egress of this ring has the gates {self.egress_gates}, not {behind}"
            )
        watch = tuple(self._done(gate) for gate in behind) or (abi.CURSOR_AT,)
        own = tuple(self._gate(gate) for gate in self.egress_gates)
        claim = self._claim(abi.PEER_EGRESS)
        return self._handle(consumer_class(self._kernel), claim, wait, watch, own)

    # -- the stream's state

    @property
    def state(self) -> str:
        """``open``, ``closed`` or ``aborted``."""
        closed, aborted = self.region.read(self.geometry.stream, 2)
        return "aborted" if aborted else "closed" if closed else "open"

    @property
    def aborted(self) -> Abort | None:
        """Who aborted, or ``None``. The details may lag the state by a moment."""
        stream = abi.STREAM.unpack(self.region.read(self.geometry.stream, abi.STREAM.size))
        if not int(stream["state"]) & abi.ABORTED_STREAM:
            return None
        role = int(stream["role"])
        return Abort(role if role < abi.PEERS else -1, int(stream["reason"]), int(stream["sequence"]))

    def abort(self, reason: int = 0, sequence: int = 0) -> None:
        """Abort from outside any role (a supervisor). The first to abort is the cause."""
        _abort(self.region.mapping, self.geometry, -1, reason, sequence)

    def close_stream(self) -> None:
        """Mark the end on behalf of a producer that is gone."""
        _end(self.region.mapping, self.geometry, 0)

    # -- observing

    @property
    def cursor(self) -> int:
        """Messages published."""
        return self._value(abi.CURSOR_AT)

    @property
    def gating(self) -> tuple[int, ...]:
        """Messages that each gate has released, as the producer sees it."""
        return tuple(self._value(self._gate(i)) for i in range(self.geometry.gates))

    @property
    def finished(self) -> tuple[int, ...]:
        """Messages that each stage has finished; for a terminal stage ahead of its gate by what the egress
        holds.
        """
        done, gates = self._done, self._gate
        return tuple(
            self._value(done(i) if i in self.egress_gates else gates(i)) for i in range(self.geometry.gates)
        )

    def peers(self) -> list[Peer]:
        """Who takes part: producer, stages 0 to 3, egress."""
        return read_peers(self.region, self.geometry.peers, ROLES)

    def slot(self, sequence: int) -> SlotCopy:
        """A copy of the slot where ``sequence`` lies or lay. Raises ``E_CORRUPT`` for an impossible
        length.
        """
        at = self.geometry.slot(sequence)
        data = self.region.read(at, self.geometry.stride)
        v = abi.SLOT.unpack(data)
        length = int(v["length"])
        if length > self.geometry.slot_bytes:
            raise IndexBusError(
                "E_CORRUPT", f"slot of sequence {sequence} claims {length} bytes", sequence=sequence
            )
        payload = data[abi.SLOT_HEADER : abi.SLOT_HEADER + length]
        return SlotCopy(sequence, length, int(v["flags"]), int(v["ingress"]), int(v["origin"]), payload)

    def close(self) -> None:
        """Close the region here; roles that were handed out keep their memory until they are closed."""
        self.region.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- inside

    def _gate(self, index: int) -> int:
        return abi.GATES_AT + index * abi.LINE

    def _done(self, index: int) -> int:
        return self.geometry.done + index * abi.LINE

    def _value(self, at: int) -> int:
        return int.from_bytes(self.region.read(at, 8), "little")

    def _claim(self, role: int) -> Claim:
        return Claim(self.region, self.geometry.peers + role * abi.PEER.size, ROLES[role])

    def _handle(
        self, cls: type[_H], claim: Claim, wait: Wait, watch: tuple[int, ...], own: tuple[int, ...]
    ) -> _H:
        g = self.geometry
        numbers = (
            g.capacity,
            g.slot_bytes,
            g.stride,
            abi.SLOTS_AT,
            abi.CURSOR_AT,
            g.stream,
            g.stamps,
            g.peers,
        )
        role = (claim.at - g.peers) // abi.PEER.size
        try:
            handle: _H = cls(self.region.mapping, claim.fd, *numbers, abi.PEERS, role, int(wait), watch, own)
        except BaseException:
            claim.leave()
            raise
        mapping = self.region.mapping
        handle._claim = claim
        handle._capacity_slots, handle._stride_bytes = g.capacity, g.stride
        handle._abort = partial(_abort, mapping, g, role)
        handle._close_stream = partial(_end, mapping, g, 0)
        return handle


def _abort(mapping: mmap.mmap, geometry: SequencedGeometry, role: int, reason: int, sequence: int) -> None:
    at = geometry.stream
    if mapping[at + 1]:
        return  # the first to abort is the cause
    mapping[at + 4 : at + 12] = struct.pack("<II", reason & 0xFFFFFFFF, role & 0xFFFFFFFF)
    mapping[at + 16 : at + 24] = (sequence & abi.U64).to_bytes(8, "little")
    _end(mapping, geometry, 1)


def _end(mapping: mmap.mmap, geometry: SequencedGeometry, byte: int) -> None:
    # Closed and aborted are bytes of one word: two processes that set one each cannot undo each other.
    mapping[geometry.stream + byte] = 1
    wake = kernel().wake
    for i in range(abi.MAX_GATES):
        wake(mapping, abi.GATES_AT + i * abi.LINE)
        wake(mapping, geometry.done + i * abi.LINE)
    wake(mapping, abi.CURSOR_AT)


def geometry_of(header: Header) -> SequencedGeometry:
    """The geometry that a header describes; not yet checked."""
    return SequencedGeometry(header.capacity, header.slot_bytes, header.slot_stride, header.lanes)


def expected_bytes(header: Header) -> int | str:
    """What ``open_region`` asks: the length that the header's sizes need, or what is wrong with them."""
    geometry = geometry_of(header)
    return geometry.problem() or geometry.total
