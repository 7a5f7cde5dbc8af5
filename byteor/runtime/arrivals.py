"""When each message arrived, for stages that ask: a small window in shared memory beside the lanes.

The sources write one entry a batch (its first ticket, how many, the moment); a stage finds the entry of a
ticket by bisection. One writer at a time, who holds the tickets' lock; an entry is written before the count
that shows it. The window has room for twice the messages that can be under way, each in a batch of its own.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Self

from byteor.indexbus.errors import IndexBusError

FILE = "arrivals.region"
MAX_ENTRIES = 1 << 20
_WORDS = 3  # of an entry: first ticket, count, Unix ns


class Arrivals:
    """The window, open here."""

    def __init__(self, handle: int) -> None:
        try:
            self._mapping = mmap.mmap(handle, 0)
        finally:
            os.close(handle)
        self._words = memoryview(self._mapping).cast("Q")
        self._entries = (len(self._words) - 1) // _WORDS

    @classmethod
    def create(cls, path: Path, in_flight: int) -> Self:
        """A window for ``in_flight`` messages. Raises ``E_SHM_SPACE``, ``FileExistsError``."""
        entries = min(MAX_ENTRIES, 2 * in_flight + 1024)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(handle, 0, 8 * (1 + _WORDS * entries))
        except OSError as error:
            os.close(handle)
            path.unlink()
            raise IndexBusError("E_SHM_SPACE", f"no room for {path}: {error.strerror}") from error
        return cls(handle)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Raises ``OSError``."""
        return cls(os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW))

    def note(self, first_ticket: int, count: int, unix_ns: int) -> None:
        """``count`` messages from ``first_ticket`` on arrived at ``unix_ns``."""
        number = self._words[0]
        at = 1 + _WORDS * (number % self._entries)
        self._words[at], self._words[at + 1], self._words[at + 2] = first_ticket, count, unix_ns
        self._words[0] = number + 1

    def at(self, ticket: int) -> int:
        """When the message with ``ticket`` arrived, in Unix ns. Raises ``KeyError`` when nobody knows."""
        number = self._words[0]
        low, high = max(0, number - self._entries), number
        while low < high:
            middle = (low + high) // 2
            if self._words[1 + _WORDS * (middle % self._entries)] <= ticket:
                low = middle + 1
            else:
                high = middle
        at = 1 + _WORDS * ((low - 1) % self._entries)
        if not low or not 0 <= ticket - self._words[at] < self._words[at + 1]:
            raise KeyError(ticket)
        return self._words[at + 2]

    def close(self) -> None:
        self._words.release()
        self._mapping.close()
