"""When a source may forget what it gave: it has left the run.

Nobody counts messages for this. A *crossing* follows everything that a source has given up to now through
the lanes behind it, whatever becomes of it on the way, like the markers of Chandy and Lamport's snapshots
(ACM TOCS 3, 1985), but without a marker: the lanes' own counters tell.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from byteor.runtime.adapter import Source
from byteor.runtime.lanes import Lane, released
from byteor.runtime.wiring import Port, WorkerPlan

LOOK_S = 0.002  # between two looks at the lanes


class Departed:
    """How far ``sinks`` have handed on what they took; not of the kernel's own, which keep nothing."""

    def __init__(self, sinks: Iterable[WorkerPlan]) -> None:
        self._flushed: dict[int, dict[int, int]] = {}  # by lane, by reader
        for sink in sinks:
            for port in sink.rx:
                self._flushed.setdefault(port.lane, {})[port.index] = 0

    def flushed(self, port: Port, sequence: int) -> None:
        """The sink that reads at ``port`` has handed everything below ``sequence`` to its peer."""
        self._flushed[port.lane][port.index] = sequence

    def behind(self, index: int, lane: Lane) -> int:
        """The sequence below which no reader has anything of lane ``index`` in hand."""
        return min((*released(lane), *self._flushed.get(index, {}).values()))


class Crossing:
    """All that lay in ``lanes`` (index and lane, in the order in which messages meet them) when it began.

    A worker gives a slot back when everything that came of it lies in the next lanes. So once all readers
    are past where a lane's producers were, the rest lies below where the next lanes' producers are by then.
    """

    def __init__(self, lanes: Sequence[tuple[int, Lane]], departed: Departed) -> None:
        self._lanes, self._departed = lanes, departed
        self._at, self._mark = 0, lanes[0][1].cursor

    def over(self) -> bool:
        """Whether all of it has left; as far as that has come, the next look goes on from there."""
        while self._departed.behind(*self._lanes[self._at]) >= self._mark:
            self._at += 1
            if self._at == len(self._lanes):
                return True
            self._mark = self._lanes[self._at][1].cursor
        return False


class Commits:
    """Tells ``source`` what it may forget: one position at a time, and the newest when that has left."""

    def __init__(self, source: Source, lanes: Sequence[tuple[int, Lane]], departed: Departed) -> None:
        self._source, self._lanes, self._departed = source, lanes, departed
        self._crossing: Crossing | None = None
        self._position: object = None  # of the crossing
        self._newer = False
        self._next_look_s = 0.0
        self.last: object = source.checkpoint()  # everything before it has left the run

    def took(self) -> None:
        """All that ``source`` has given lies in its lanes now."""
        self._newer = True

    def settle(self) -> bool:
        """Commit what has left; True when nothing is waiting. Not between a ``read`` and its ``took``."""
        if self._crossing is not None:
            now = time.monotonic()
            if now < self._next_look_s:
                return False
            self._next_look_s = now + LOOK_S
            if not self._crossing.over():
                return False
            self._crossing = None
            self._source.commit(self._position)
            self.last = self._position
        if self._newer:
            self._newer, self._position = False, self._source.checkpoint()
            if self._position is not None:
                self._crossing = Crossing(self._lanes, self._departed)
        return self._crossing is None
