"""What the lanes of one producer and numbered consumers share; they differ in where the slots lie."""

from __future__ import annotations

import os
from typing import Self

from byteor.indexbus import abi
from byteor.indexbus.abi import Kind
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.lane import Lane
from byteor.indexbus.region import Header

MAX_CONSUMERS = 62


class ConsumersLane(Lane):
    """Role 0 is the producer, role 1 + i is consumer i."""

    kind = Kind.FANOUT

    @classmethod
    def problem(cls, header: Header) -> str | None:
        if not 1 <= header.lanes <= MAX_CONSUMERS:
            return f"{header.lanes} consumers, not 1 to {MAX_CONSUMERS}"
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
        """``capacity`` is of each ring. Raises ``E_GEOMETRY``, ``E_REGION_EXISTS``, ``E_SHM_SPACE``."""
        return cls._create(
            path,
            capacity=capacity,
            slot_bytes=slot_bytes,
            lanes=consumers,
            spec_hash=spec_hash,
            start=start,
            kernel=kernel,
        )

    def _check_consumer(self, index: int) -> None:
        if not 0 <= index < self.consumers:
            raise IndexBusError("E_ROLE", f"no consumer {index}; the lane has {self.consumers}")
