"""The order of arrival over all sources of a run: every message gets one ticket, its ``origin``."""

from __future__ import annotations

import threading


class Tickets:
    """One counter for the sources of a run, which all live in the supervisor's process."""

    def __init__(self, first: int = 0) -> None:
        self._next = first
        self._lock = threading.Lock()

    def take(self, count: int) -> int:
        """The first of ``count`` tickets in a row."""
        with self._lock:
            first = self._next
            self._next += count
        return first

    def peek(self) -> int:
        """The ticket that the next message will get, or a lower one."""
        return self._next
