"""The twin's face: what ``byteor.indexbus._native`` has, in Python."""

from __future__ import annotations

import mmap
import time

from byteor.indexbus.abi import End
from byteor.indexbus.pure import futex
from byteor.indexbus.pure.consumer import Consumer
from byteor.indexbus.pure.crc32c import crc32c
from byteor.indexbus.pure.producer import Producer
from byteor.indexbus.pure.records import (
    record_join,
    record_read,
    record_sizes,
    record_write,
    record_write_many,
)
from byteor.indexbus.pure.stages import STAGES

__all__ = [
    "NATIVE_STAGES",
    "Consumer",
    "Producer",
    "clock_ns",
    "crc32c",
    "install_sigbus",
    "populate",
    "record_join",
    "record_read",
    "record_sizes",
    "record_write",
    "record_write_many",
    "state_read",
    "state_write",
    "wake",
]

NATIVE_STAGES = tuple(STAGES)
clock_ns = time.monotonic_ns


def wake(mapping: object, offset: int) -> None:
    """Wake everybody who waits on the cell at ``offset``."""
    with memoryview(mapping).cast("B") as raw, raw.cast("I") as words:  # type: ignore[arg-type]
        words[(offset >> 2) + 3] = 0
        words[(offset >> 2) + 2] = (words[(offset >> 2) + 2] + 1) & 0xFFFFFFFF
        futex.wake(futex.address_of(raw) + offset + 8)


def state_write(mapping: object, at: int, data: bytes | bytearray | memoryview) -> None:
    """See ``kernel/state.c``."""
    with memoryview(mapping).cast("B") as raw, raw.cast("Q") as words, raw.cast("I") as halves:  # type: ignore[arg-type]
        odd = words[at >> 3] | 1
        words[at >> 3] = odd
        halves[(at >> 2) + 16] = len(data)
        raw[at + 128 : at + 128 + len(data)] = data
        words[at >> 3] = (odd + 1) & 0xFFFFFFFFFFFFFFFF


def state_read(mapping: object, at: int, room: int, tries: int) -> tuple[int, int, bytes]:
    """See ``kernel/state.c``."""
    with memoryview(mapping).cast("B") as raw, raw.cast("Q") as words, raw.cast("I") as halves:  # type: ignore[arg-type]
        for _ in range(tries):
            before = words[at >> 3]
            length = halves[(at >> 2) + 16]
            data = bytes(raw[at + 128 : at + 128 + min(length, room)])
            if not before & 1 and words[at >> 3] == before:
                return (End.OK, before, data) if length <= room else (End.CORRUPT, before, b"")
            time.sleep(0)
    return End.TIMEOUT, 0, b""


def populate(mapping: mmap.mmap) -> None:
    """See ``kernel/records.c``."""
    for at in range(0, len(mapping), mmap.PAGESIZE):
        mapping[at] = mapping[at]


def sync_range(mapping: mmap.mmap, start: int, end: int) -> None:
    """See ``kernel/records.c``."""
    start -= start % mmap.PAGESIZE
    if start < min(end, len(mapping)):
        mapping.flush(start, min(end, len(mapping)) - start)


def install_sigbus() -> None:
    """Nothing: a handler in Python cannot leave the faulting instruction."""
