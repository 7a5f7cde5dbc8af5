"""The twin's face: what ``byteor.indexbus._native`` has, in Python."""

from __future__ import annotations

import time

from byteor.indexbus.pure import futex
from byteor.indexbus.pure.consumer import Consumer
from byteor.indexbus.pure.crc32c import crc32c
from byteor.indexbus.pure.producer import Producer
from byteor.indexbus.pure.stages import STAGES

__all__ = ["NATIVE_STAGES", "Consumer", "Producer", "clock_ns", "crc32c", "install_sigbus", "wake"]

NATIVE_STAGES = tuple(STAGES)
clock_ns = time.monotonic_ns


def wake(mapping: object, offset: int) -> None:
    """Wake everybody who waits on the cell at ``offset``."""
    with memoryview(mapping) as raw, raw.cast("I") as words:  # type: ignore[arg-type]
        words[(offset >> 2) + 3] = 0
        words[(offset >> 2) + 2] = (words[(offset >> 2) + 2] + 1) & 0xFFFFFFFF
        futex.wake(futex.address_of(raw) + offset + 8)


def install_sigbus() -> None:
    """Nothing: a handler in Python cannot leave the faulting instruction."""
