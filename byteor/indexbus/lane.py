"""What every lane of slots shares: opening, the stream's state, roles and their handles, observing."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar, Self, TypeVar

import msgspec

from byteor.closing import Closing
from byteor.indexbus import abi
from byteor.indexbus.abi import Capability, Kind, LaneGeometry, Wait
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.handles import Consumer, Producer
from byteor.indexbus.kernel_choice import kernel
from byteor.indexbus.peers import Claim, Peer, read_peers
from byteor.indexbus.region import Header, Region, create, open_region

_H = TypeVar("_H", Producer, Consumer)


class Abort(msgspec.Struct, frozen=True):
    """Who aborted a stream, why (a number of theirs), at which sequence. ``role`` -1: no role of the lane."""

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


class Lane(Closing):
    """A lane open in this process: hands out the roles' handles, or observes without taking part."""

    kind: ClassVar[Kind]
    capabilities: ClassVar[Capability]

    def __init__(self, region: Region, kernel_name: str | None = None) -> None:
        self.region = region
        self.geometry = self.geometry_of(region.header)
        self._kernel = kernel_name

    # -- for each kind to say

    @staticmethod
    def geometry_of(header: Header) -> LaneGeometry:
        """The geometry that a header describes; not yet checked."""
        raise NotImplementedError

    @classmethod
    def problem(cls, header: Header) -> str | None:
        """What else this kind demands of a header."""
        return None

    @property
    def roles(self) -> tuple[str, ...]:
        """The names of the peers, in the order of the peer section."""
        raise NotImplementedError

    # -- opening

    @classmethod
    def expected_bytes(cls, header: Header) -> int | str:
        """The length that the header's sizes need, or what is wrong with them."""
        if problem := cls.problem(header):
            return problem
        geometry = cls.geometry_of(header)
        return geometry.problem() or geometry.total

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, kernel: str | None = None) -> Self:
        """Open to take a role. Raises one ``E_REGION_...`` code a check, see ``region.open_region``."""
        return cls(open_region(path, cls.kind, cls.expected_bytes), kernel)

    @classmethod
    def observe(cls, path: str | os.PathLike[str]) -> Self:
        """Open to look: no mapping, no role; reads survive a truncation (``E_REGION_GONE``)."""
        return cls(open_region(path, cls.kind, cls.expected_bytes, observe=True))

    @classmethod
    def _create(
        cls,
        path: str | os.PathLike[str],
        *,
        capacity: int,
        slot_bytes: int,
        lanes: int,
        spec_hash: bytes,
        start: int,
        kernel: str | None,
        contents: Callable[[mmap.mmap, LaneGeometry], None] | None = None,
        extra: int = 0,
    ) -> Self:
        """A new lane with every cell at ``start``. Raises ``E_GEOMETRY`` and what ``region.create``
        raises.
        """
        stride = abi.default_stride(slot_bytes)
        capabilities = cls.capabilities | Capability(extra) | Capability.BLOCKING | Capability.GEOMETRY
        header = Header(
            cls.kind, abi.VERSION, capabilities, 0, 2, 0, capacity, slot_bytes, lanes, stride, 0, b""
        )
        geometry = cls.geometry_of(header)
        if problem := cls.problem(header) or geometry.problem():
            raise IndexBusError("E_GEOMETRY", problem)

        def fill(mapping: mmap.mmap) -> None:
            first = (start & abi.U64).to_bytes(8, "little")
            cells = [geometry.cell(i) for i in range(geometry.cells)]
            for at in [*cells, *(geometry.done + abi.LINE * i for i in range(geometry.done_count))]:
                mapping[at : at + 8] = first
            for i in range(abi.STAMPS):  # no sequence near the start may find itself stamped at time 0
                at = geometry.stamps + i * abi.STAMP.size
                mapping[at : at + 8] = (start - 1 & abi.U64).to_bytes(8, "little")
            if contents is not None:
                contents(mapping, geometry)

        region = create(
            path,
            kind=cls.kind,
            capabilities=capabilities,
            total=geometry.total,
            capacity=capacity,
            slot_bytes=slot_bytes,
            lanes=lanes,
            slot_stride=stride,
            spec_hash=spec_hash,
            contents=fill,
        )
        return cls(region, kernel)

    # -- the stream's state

    @property
    def state(self) -> str:
        """``open``, ``closed`` or ``aborted``."""
        closed, aborted = self.region.read(self.geometry.stream, 2)
        return "aborted" if aborted else "closed" if closed else "open"

    @property
    def aborted(self) -> Abort | None:
        """Who aborted, or ``None``."""
        stream = abi.STREAM.unpack(self.region.read(self.geometry.stream, abi.STREAM.size))
        if not int(stream["state"]) & abi.ABORTED_STREAM:
            return None
        role = int(stream["role"])
        known = role if role < self.geometry.peers_count else -1
        return Abort(known, int(stream["reason"]), int(stream["sequence"]))

    def abort(self, reason: int = 0, sequence: int = 0) -> None:
        """Abort from outside any role (a supervisor). The first to abort is the cause."""
        _abort(self.region.mapping, self.geometry, -1, reason, sequence)

    def close_stream(self) -> None:
        """Mark the end on behalf of a producer that is gone."""
        end_stream(self.region.mapping, self.geometry)

    # -- observing

    @property
    def cursor(self) -> int:
        """Messages published (MPSC: claimed)."""
        return self._value(abi.CURSOR_AT)

    def peers(self) -> list[Peer]:
        """Who takes part, role by role."""
        return read_peers(self.region, self.geometry.peers, self.roles)

    def slot(self, sequence: int, ring: int = 0) -> SlotCopy:
        """A copy of the slot where ``sequence`` lies or lay. Raises ``E_CORRUPT``: an impossible length."""
        data = self.region.read(self.geometry.slot(sequence, ring), self.geometry.stride)
        v = abi.SLOT.unpack(data)
        length = int(v["length"])
        if length > self.geometry.slot_bytes:
            text = f"slot of sequence {sequence} claims {length} bytes"
            raise IndexBusError("E_CORRUPT", text, sequence=sequence)
        payload = data[abi.SLOT_HEADER : abi.SLOT_HEADER + length]
        return SlotCopy(sequence, length, int(v["flags"]), int(v["ingress"]), int(v["origin"]), payload)

    def close(self) -> None:
        """Close the region here; handles keep their memory until they are closed themselves."""
        self.region.close()

    # -- for the kinds

    def _value(self, at: int) -> int:
        return int.from_bytes(self.region.read(at, 8), "little")

    def _handle(
        self,
        cls: type[_H],
        role: int,
        wait: Wait,
        watch: Sequence[int],
        own: Sequence[int],
        *,
        ring: int = 0,
        cursor: int | None = None,
        markers: int = 0,
        fatal: int = abi.U64,
        claim: Claim | None = None,
    ) -> _H:
        """Claim the role and make its handle: it never passes ``watch`` and publishes ``own`` (offsets).

        With ``claim`` the role is one that the caller holds already; ``markers``: where MPSC lanes have them.
        """
        g = self.geometry
        mapping = self.region.mapping
        if claim is None:
            claim = Claim(self.region, g.peers + role * abi.PEER.size, self.roles[role])
        cursor_at = abi.CURSOR_AT if cursor is None else cursor
        slots_at = g.slot(0, ring)
        numbers = (g.capacity, g.slot_bytes, g.stride, slots_at, cursor_at, g.stream, g.stamps, g.peers)
        try:
            handle: _H = cls(
                mapping, claim.fd, *numbers, g.peers_count, role, int(wait), tuple(watch), tuple(own),
                markers, fatal & abi.U64,
            )  # fmt: skip
        except BaseException:
            claim.leave()
            raise
        handle._claim = claim
        handle._capacity_slots, handle._stride_bytes = g.capacity, g.stride
        handle.slot_bytes = g.slot_bytes
        handle._abort = partial(_abort, mapping, g, role)
        handle._close_stream = partial(end_stream, mapping, g)
        return handle


def _abort(mapping: mmap.mmap, geometry: LaneGeometry, role: int, reason: int, sequence: int) -> None:
    at = geometry.stream
    if mapping[at + 1]:
        return  # the first to abort is the cause
    mapping[at + 4 : at + 12] = struct.pack("<II", reason & 0xFFFFFFFF, role & 0xFFFFFFFF)
    mapping[at + 16 : at + 24] = (sequence & abi.U64).to_bytes(8, "little")
    _end(mapping, geometry, 1)


def end_stream(mapping: mmap.mmap, geometry: LaneGeometry) -> None:
    """Close the stream and wake everybody who waits on the lane."""
    _end(mapping, geometry, 0)


def _end(mapping: mmap.mmap, geometry: LaneGeometry, byte: int) -> None:
    # Closed and aborted are bytes of one word: two processes that set one each cannot undo each other.
    mapping[geometry.stream + byte] = 1
    wake = kernel().wake
    for i in range(geometry.cells):
        wake(mapping, geometry.cell(i))
    for i in range(geometry.done_count):
        wake(mapping, geometry.done + i * abi.LINE)
