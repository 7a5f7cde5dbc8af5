"""When each message arrived, for stages that ask: a small window in shared memory beside the lanes.

The sources write one entry a batch (its first ticket, the moment); a stage finds the entry of a ticket by
bisection. One writer at a time, who holds the tickets' lock; an entry is written before the count that shows
it. The window is as long as two runs' worth of messages in flight, so no message outlives its entry.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from byteor.indexbus import Consumer
from byteor.indexbus.pure.ports import SKIP

FILE = "arrivals.region"
MAX_ENTRIES = 1 << 20
_WORDS = 2  # of an entry: first ticket, Unix ns


class Arrivals:
    """The window, open here. ``entries`` is a power of two."""

    def __init__(self, path: Path, entries: int = 0) -> None:
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT | os.O_EXCL if entries else 0)
        handle = os.open(path, flags, 0o600)
        try:
            if entries:
                os.posix_fallocate(handle, 0, 8 * (1 + _WORDS * entries))
            self._mapping = mmap.mmap(handle, 0)
        finally:
            os.close(handle)
        self._words = memoryview(self._mapping).cast("Q")
        self._entries = (len(self._words) - 1) // _WORDS

    @classmethod
    def create(cls, folder: Path, in_flight: int) -> Self:
        """A window for ``in_flight`` messages. Raises ``OSError`` when the space is not there."""
        wanted = min(MAX_ENTRIES, 2 * in_flight + 1024)
        return cls(folder / FILE, 1 << (wanted - 1).bit_length())

    @classmethod
    def open(cls, folder: Path) -> Self:
        return cls(folder / FILE)

    def add(self, first_ticket: int, unix_ns: int) -> None:
        """Messages from ``first_ticket`` on arrived at ``unix_ns``."""
        count = self._words[0]
        at = 1 + _WORDS * (count % self._entries)
        self._words[at], self._words[at + 1] = first_ticket, unix_ns
        self._words[0] = count + 1

    def of(self, ticket: int) -> int:
        """When the message with ``ticket`` arrived, in Unix ns; 0 when it is not known."""
        count = self._words[0]
        low, high = max(0, count - self._entries), count
        while low < high:
            middle = (low + high) // 2
            if self._words[1 + _WORDS * (middle % self._entries)] <= ticket:
                low = middle + 1
            else:
                high = middle
        return self._words[2 + _WORDS * ((low - 1) % self._entries)] if low else 0

    def close(self) -> None:
        self._words.release()
        self._mapping.close()


class ArrivalClock:
    """The clock of one stage: tells when message ``index`` of the batch at hand arrived."""

    def __init__(self, arrivals: Arrivals, rx: Consumer) -> None:
        self._arrivals, self._rx = arrivals, rx
        self.place = 0  # of the message at hand, for a stage of single messages

    def __call__(self, index: int) -> int:
        left = self.place + index
        for i in range(self._rx.peeked):
            _, flags, _, origin = self._rx.describe(i)
            if not flags & SKIP:
                if not left:
                    return self._arrivals.of(origin)
                left -= 1
        raise IndexError(f"message {index} is not in the batch at hand")

    def one_by_one(self, function: Callable[[Any], object]) -> Callable[[list[Any]], list[object]]:
        """``function`` of single messages as one of batches, with this clock always at its message."""

        def each(messages: list[Any]) -> list[object]:
            results: list[object] = []
            try:
                for self.place, message in enumerate(messages):
                    results.append(function(message))
            except Exception as error:
                if getattr(error, "index", None) is None:
                    error.index = self.place  # type: ignore[attr-defined]
                raise
            finally:
                self.place = 0
            return results

        return each
