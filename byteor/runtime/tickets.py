"""The order of arrival over all sources of a run: every message gets one ticket, its ``origin``."""

from __future__ import annotations

import threading
import time

from byteor.runtime.arrivals import Arrivals


class Tickets:
    """One counter for the sources of a run, which all live in the supervisor's process."""

    def __init__(self, arrivals: Arrivals | None = None) -> None:
        self._next = 0
        self._lock = threading.Lock()
        self._arrivals = arrivals

    def take(self, count: int) -> tuple[int, int]:
        """The first of ``count`` tickets in a row, and the moment of their arrival in Unix ns."""
        with self._lock:
            first, now = self._next, time.time_ns()
            self._next += count
            if self._arrivals is not None and count:
                self._arrivals.note(first, count, now)
        return first, now

    def peek(self) -> int:
        """The ticket that the next message will get, or a lower one."""
        return self._next
