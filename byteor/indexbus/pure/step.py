"""What the steps of all jobs share: their ends, their counters, how they fail."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from byteor.indexbus.abi import End
from byteor.indexbus.metrics import MetricsRow
from byteor.indexbus.pure.ports import Inlet, Item, Outlet


class JobFailed(Exception):
    """A job cannot go on: why, at which sequence of its input, because of which exception."""

    def __init__(self, reason: End, sequence: int, error: BaseException | None) -> None:
        super().__init__(reason.name)
        self.reason, self.sequence, self.error = reason, sequence, error


class Step:
    """A job at work: ``move`` is each job's own; ``turn`` ends it when its inlets have ended."""

    def __init__(self, job: Any, inlets: Sequence[Any], outlets: Sequence[Any]) -> None:
        self.row: MetricsRow | None = job.row
        self.inlets = [Inlet(handle) for handle in inlets]
        drop = getattr(job, "on_full", "block") == "drop"
        self.outlets = [Outlet(handle, drop) for handle in outlets]
        self.marks = bool(getattr(job, "watermarks", False))
        self.done = False
        self.busy_ns = 0
        for handle in (*inlets, *outlets):
            handle.attach_row(None)

    def move(self, most: int) -> int:
        """Move what can be moved now, about ``most`` slots; how many."""
        raise NotImplementedError

    @property
    def empty(self) -> bool:
        """Everything that came in has been handed on."""
        return all(inlet.finished for inlet in self.inlets)

    @property
    def sequence(self) -> int:
        return self.inlets[0].sequence if self.inlets else 0

    def turn(self, most: int) -> int:
        lost = self.lost()
        try:
            n = self.move(most)
        finally:
            self.add(dropped=self.lost() - lost, dropped_full=self.lost() - lost)
        if not n and self.empty:
            self.done = True
            for outlet in self.outlets:
                outlet.close()
            return 1
        return n

    def lost(self) -> int:
        return sum(outlet.lost for outlet in self.outlets)

    def tell(self, floor: int) -> int:
        """Pass on that nothing lower than ``floor`` follows; how many slots that took."""
        return sum(outlet.mark(floor) for outlet in self.outlets) if self.marks and floor >= 0 else 0

    def add(self, **counters: int) -> None:
        if self.row is not None:
            for name, n in counters.items():
                if n:
                    self.row.add(name, n)

    def batch(self, taken: int, out: int, filtered: int = 0, aborted: int = 0) -> None:
        """Count a batch of messages."""
        if self.row is not None and taken + out:
            self.add(out=out, filtered=filtered, dropped=aborted, dropped_aborted=aborted, batches=1)
            self.row.add("in", taken)
            self.row.at_least("batch_max", max(taken, out))

    def latency(self, items: Iterable[Item]) -> None:
        if self.row is not None:
            now = time.monotonic_ns()
            for item in items:
                if item.stamp_ns and now >= item.stamp_ns:
                    self.row.latency(now - item.stamp_ns)

    def failed(self) -> None:
        self.add(errors=1)
