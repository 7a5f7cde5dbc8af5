"""Read a run for telemetry: rows and lanes now, and a reading of a moment ago to tell rates by."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from byteor.runtime.end_health import read_ends
from byteor.runtime.observe import RunObserver
from byteor.runtime.process import own_bytes
from byteor.runtime.telemetry import LaneDepth, Reading, exposition

WINDOW_NS = 1_000_000_000  # rates are told over at least this long, however often somebody asks


class Readings:
    """One run, read by any number of threads. Raises ``RunError`` or ``IndexBusError`` when it is gone."""

    def __init__(self, folder: Path) -> None:
        self._observer = RunObserver(folder)
        self._lock = threading.Lock()
        self._older = self._newer = self.read()

    def read(self) -> Reading:
        sample = self._observer.sample()
        return Reading(
            ends=read_ends(self._observer.folder),
            taken_ns=time.monotonic_ns(),
            state=sample.state,
            rows=tuple(self._observer.rows()),
            memory={w.pid: own_bytes(w.pid) for w in sample.workers if w.alive},
            lanes=tuple(
                LaneDepth(lane.name, lane.depth, lane.capacity) for lane in sample.lanes if lane.depth >= 0
            ),
        )

    def state(self) -> str:
        return self._observer.sample().state

    def exposition(self) -> str:
        """The page of metrics as of now."""
        with self._lock:
            now = self.read()
            if now.taken_ns - self._newer.taken_ns >= WINDOW_NS:
                self._older, self._newer = self._newer, now
            return exposition(self._observer.identity, now, self._older)

    def close(self) -> None:
        self._observer.close()
