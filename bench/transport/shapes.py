"""The shapes that are measured, by the name that tables and result files use."""

from __future__ import annotations

PAIR = "1 to 1"
CHAIN = "chain of 3"
DIAMOND = "diamond"
SPREAD = "1 to 4"  # each of the four gets everything
GATHER = "4 to 1"
TRIP = "round trip"

SIZES = (8, 64, 256, 4096)
SIZE = 64  # of every row that is not one of the four sizes
BATCH = 256


def capacity_for(size: int) -> int:
    """Slots of a lane: rings of a few hundred KiB to a few MiB."""
    return 4096 if size <= 256 else 1024
