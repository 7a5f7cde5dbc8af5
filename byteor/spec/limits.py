"""Sizes: what a slot and a whole spec take in memory, and the rules on capacity that both models share."""

from __future__ import annotations

from byteor.spec.fields import POWER_OF_TWO_MAX
from byteor.spec.keys import StageKeyError, capability
from byteor.spec.model import LaneGraph, SingleRing
from byteor.spec.report import Report

MAX_MEMORY_BYTES = 64 << 30
MAX_SHARDS = 64
MAX_FAN = 16  # lanes that a router writes or a merge reads, readers of a broadcast
_SLOT_HEADER_BYTES = 16
_REGION_HEADER_BYTES = 384


def region_bytes(capacity: int, slot_bytes: int) -> int:
    """Bytes of one ring or lane: header, then slots (16-byte header and payload, rounded up to 16).

    What the transport adds for its own book-keeping (peers, wake cells) does not depend on the spec and is
    left out.
    """
    stride = (_SLOT_HEADER_BYTES + slot_bytes + 15) // 16 * 16
    return _REGION_HEADER_BYTES + capacity * stride


def memory_bytes(spec: SingleRing | LaneGraph) -> int:
    """Bytes of shared memory that running ``spec`` takes, slots and headers."""
    if isinstance(spec, SingleRing):
        return spec.shards * region_bytes(spec.capacity, spec.slot_bytes)
    return sum(region_bytes(lane.capacity, lane.slot_bytes) for lane in spec.lanes)


def check_geometry(capacity: int, slot_bytes: int, prefix: str, report: Report) -> bool:
    """``E_CAPACITY`` on ``prefix``'s capacity and slot size; whether both are in range."""
    right = True
    if not 2 <= capacity <= POWER_OF_TWO_MAX or capacity & (capacity - 1):
        message = f"capacity {capacity} is not a power of two from 2 to 1,048,576"
        below = max(2, min(POWER_OF_TWO_MAX, 1 << max(0, capacity.bit_length() - 1)))
        above = min(POWER_OF_TWO_MAX, below * 2)
        hint = f"write {below}" if below == above or capacity < 2 else f"write {below} or {above}"
        report.add("E_CAPACITY", message, prefix + "capacity", value=capacity, hint=hint)
        right = False
    if not 8 <= slot_bytes <= POWER_OF_TWO_MAX:
        message = f"slot_bytes {slot_bytes} is not in 8 to 1,048,576"
        hint = f"write {min(max(slot_bytes, 8), POWER_OF_TWO_MAX)}"
        report.add("E_CAPACITY", message, prefix + "slot_bytes", value=slot_bytes, hint=hint)
        right = False
    return right


def check_memory(spec: SingleRing | LaneGraph, key: str, report: Report) -> None:
    """``E_CAPACITY`` on ``key`` when the whole spec needs more than 64 GiB."""
    total = memory_bytes(spec)
    if total > MAX_MEMORY_BYTES:
        message = f"the spec needs {total / (1 << 30):,.1f} GiB of shared memory; the limit is 64 GiB"
        report.add(
            "E_CAPACITY", message, key, hint="lower capacity, slot_bytes or the number of lanes or shards"
        )


def check_stage_key(key: str, where: str, report: Report) -> None:
    """``E_URL`` or ``E_EXEC_PATH`` for a side-effecting stage whose target cannot be named exactly."""
    try:
        capability(key)
    except StageKeyError as error:
        report.add(error.code, error.message, where, value=key, hint=error.hint)
