"""The ends of lanes as jobs in Python see them: what lies there now, and what can be put there now.

The same for handles of both kernels and for journal lanes; nothing here waits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from byteor.indexbus import abi
from byteor.indexbus.abi import End

SKIP = abi.FILTERED | abi.ABORTED | abi.WATERMARK


class Item(NamedTuple):
    """One slot: a message, or (``flags``) the place of one that is none."""

    payload: bytes
    ingress: int
    origin: int
    flags: int
    stamp_ns: int


class StreamEnded(Exception):
    """A stream ended in a way that ends the work."""

    def __init__(self, reason: End) -> None:
        super().__init__(reason.name)
        self.reason = reason


class Inlet:
    """Where a job takes messages from. ``floor``: nothing lower follows; -1 before the first slot."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.finished = False
        self.floor = -1

    @property
    def sequence(self) -> int:
        return int(self.handle.sequence)

    @property
    def waiting(self) -> bool:
        return not self.finished and not self.handle.peek(1, 0)

    def look(self, most: int) -> int:
        """How many slots lie there, at most ``most``. Raises ``StreamEnded`` unless it is the plain end."""
        if self.finished:
            return 0
        n: int = self.handle.peek(most, 0)
        if self.handle.stopped:
            raise StreamEnded(End.STOPPED)
        if not n:
            ended = self.handle.ended
            if ended == End.FINISHED:
                self.finished = True
            elif ended != End.TIMEOUT:
                raise StreamEnded(ended)
        return n

    def item(self, i: int) -> Item:
        """Slot ``i`` of those looked at, as a copy."""
        handle = self.handle
        _, flags, ingress, origin = handle.describe(i)
        stamp = handle.stamp(i) if flags & abi.STAMPED else 0
        payload = b"" if flags & SKIP else handle.payload(i)
        self.floor = max(self.floor, origin)
        return Item(payload, ingress, origin, flags & SKIP, stamp)

    def items(self, n: int) -> list[Item]:
        return [self.item(i) for i in range(n)]

    def advance(self, n: int) -> None:
        self.handle.advance(n)


class Outlet:
    """Where a job puts messages. A watermark that found no room is owed, and tried again."""

    def __init__(self, handle: Any, drop: bool) -> None:
        self.handle = handle
        self.drop = drop
        self.lost = 0
        self.told = -1  # the origin up to which readers of the lane have been told
        self.floor = -1  # up to which they should be

    def free(self) -> int:
        """Messages that fit now. Raises ``StreamEnded`` when nothing will fit any more."""
        n: int = self.handle.free()
        if not n and self.handle.ended not in (End.TIMEOUT, End.STOPPED):
            raise StreamEnded(End.ABORTED)
        return n

    @property
    def waiting(self) -> bool:
        return not self.handle.free()

    def put(self, item: Item) -> bool:
        """Whether the message is settled: it lies in the lane now, or it is counted as dropped."""
        if self.handle.put(item.payload, item.ingress, item.origin, item.flags, item.stamp_ns):
            self.told = max(self.told, item.origin)
            return True
        self.free()
        if self.drop:
            self.handle.dropped("full", 1)
            self.lost += 1
            return True
        return False

    def mark(self, floor: int) -> bool:
        """Tell readers that nothing lower than ``floor`` follows; True when that took a slot."""
        self.floor = max(self.floor, floor)
        if self.floor <= self.told or not self.handle.put(b"", 0, self.floor, abi.WATERMARK, 0):
            return False
        self.told = self.floor
        return True

    def close(self) -> None:
        self.handle.close_stream()
