"""State: one value in shared memory that its writer overwrites; a reader gets the latest whole one."""

from __future__ import annotations

import os
import time
from typing import Self

from byteor.closing import Closing
from byteor.indexbus import abi
from byteor.indexbus.abi import Capability, End, Kind
from byteor.indexbus.errors import IndexBusError, oversize
from byteor.indexbus.kernel_choice import kernel
from byteor.indexbus.peers import Claim, Peer, lock_is_free, read_peers
from byteor.indexbus.region import Header, Region, create, open_region

LOCK_AT = 64  # the cell; its value is odd while a write is under way
PAYLOAD_AT = LOCK_AT + 2 * abi.LINE
TRIES = 1000


class StateWriter(Closing):
    """The one writer. ``write`` never waits: readers do not hold it up."""

    def __init__(self, state: State, claim: Claim) -> None:
        self._mapping, self._claim = state.region.mapping, claim
        self._room, self._write = state.region.header.slot_bytes, kernel(state.kernel_name).state_write

    def write(self, value: bytes | bytearray | memoryview) -> None:
        """Replace the value. Raises ``E_OVERSIZE``, ``E_CLOSED``."""
        if self._claim.fd < 0:
            raise IndexBusError("E_CLOSED", "this handle was closed")
        if len(value) > self._room:
            raise oversize(0, len(value), self._room)
        self._write(self._mapping, LOCK_AT, value)

    def close(self) -> None:
        self._claim.leave()

    def __del__(self) -> None:
        self._claim.leave()


class State(Closing):
    """A value of at most ``slot_bytes``. Reading retries a bounded number of times and tells why it
    failed.
    """

    def __init__(self, region: Region, kernel_name: str | None = None) -> None:
        self.region, self.kernel_name = region, kernel_name
        self._peers_at = _peers_at(region.header.slot_bytes)
        self._look = self._look_by_copy if region.observed else self._look_in_place

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        slot_bytes: int = abi.DEFAULT_SLOT_BYTES,
        spec_hash: bytes = b"",
        kernel: str | None = None,
    ) -> Self:
        """An empty value. Raises ``E_GEOMETRY``, ``E_REGION_EXISTS``, ``E_SHM_SPACE``."""
        if not 1 <= slot_bytes <= 1 << 30:
            raise IndexBusError("E_GEOMETRY", f"slot_bytes {slot_bytes} is not from 1 to 2^30")
        region = create(
            path,
            kind=Kind.STATE,
            capabilities=Capability.STATE | Capability.GEOMETRY,
            total=_peers_at(slot_bytes) + abi.PEER.size,
            capacity=1,
            slot_bytes=slot_bytes,
            lanes=1,
            slot_stride=0,
            spec_hash=spec_hash,
        )
        return cls(region, kernel)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, kernel: str | None = None) -> Self:
        """Open to read or to write. Raises one ``E_REGION_...`` code a check."""
        return cls(open_region(path, Kind.STATE, expected_bytes), kernel)

    @classmethod
    def observe(cls, path: str | os.PathLike[str]) -> Self:
        """Open to read only; survives a truncation (``E_REGION_GONE``)."""
        return cls(open_region(path, Kind.STATE, expected_bytes, observe=True))

    def writer(self) -> StateWriter:
        """The one writer. Raises ``E_ROLE_TAKEN``."""
        return StateWriter(self, Claim(self.region, self._peers_at, "writer"))

    def read(self, timeout_s: float = 0.1) -> tuple[int, bytes]:
        """``(version, value)``: the number of writes so far and the latest value.

        Raises ``E_PEER_DEAD`` when the writer died half-way through a write, ``E_BUSY`` when writes left no
        gap for ``timeout_s``, ``E_CORRUPT`` for an impossible length.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            code, version, value = self._look()
            if code == End.OK:
                return version >> 1, value
            if code == End.CORRUPT:
                raise IndexBusError("E_CORRUPT", "the value claims more bytes than there are")
            odd = self.region.read(LOCK_AT, 1)[0] & 1
            if odd and lock_is_free(self.region.fd, self._peers_at):
                raise IndexBusError("E_PEER_DEAD", "the writer died while it wrote; no whole value is left")
            if time.monotonic() >= deadline:
                raise IndexBusError("E_BUSY", f"no quiet moment to read in {timeout_s} s")
            time.sleep(0)

    def _look_in_place(self) -> tuple[int, int, bytes]:
        look = kernel(self.kernel_name).state_read
        found: tuple[int, int, bytes] = look(
            self.region.mapping, LOCK_AT, self.region.header.slot_bytes, TRIES
        )
        return found

    def _look_by_copy(self) -> tuple[int, int, bytes]:
        """As ``kernel/state.c`` over ``pread``: the lock before and after, in calls of their own."""
        before = int.from_bytes(self.region.read(LOCK_AT, 8), "little")
        length = int.from_bytes(self.region.read(LOCK_AT + abi.LINE, 4), "little")
        room = self.region.header.slot_bytes
        value = self.region.read(PAYLOAD_AT, min(length, room))
        if before & 1 or int.from_bytes(self.region.read(LOCK_AT, 8), "little") != before:
            return End.TIMEOUT, 0, b""
        return (End.OK, before, value) if length <= room else (End.CORRUPT, before, b"")

    @property
    def version(self) -> int:
        """The number of writes so far."""
        return int.from_bytes(self.region.read(LOCK_AT, 8), "little") >> 1

    def peers(self) -> list[Peer]:
        return read_peers(self.region, self._peers_at, ("writer",))

    def close(self) -> None:
        self.region.close()


def expected_bytes(header: Header) -> int | str:
    """What ``open_region`` asks of a state region."""
    if not 1 <= header.slot_bytes <= 1 << 30:
        return f"slot_bytes {header.slot_bytes} is not from 1 to 2^30"
    return _peers_at(header.slot_bytes) + abi.PEER.size


def _peers_at(slot_bytes: int) -> int:
    return abi.round_up(PAYLOAD_AT + slot_bytes, abi.LINE)
