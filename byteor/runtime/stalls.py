"""Workers that give no sign of life: told after some seconds, and the run's failure after a limit.

Every worker shows in its row that it lives, also while it waits for messages or for room. One that does not
is inside a call that does not come back (a stage's own code, a peer that reads nothing), or was stopped by a
signal.
Silence of sources and sinks is told and nothing more: a peer may be as slow as it likes.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from byteor.errors import ByteorError
from byteor.indexbus import RowSample
from byteor.indexbus.lane import Lane as SlotLane
from byteor.runtime.folders import Failure
from byteor.runtime.observe import RunObserver
from byteor.runtime.process import is_stopped

TOLD_S = 5.0
LOOK_S = 0.5
AWAY_S = 2.0  # a watch that was stopped itself for so long has seen nothing meanwhile
ENDS = ("source", "sink")


class Stall(msgspec.Struct, frozen=True):
    """One silent worker. ``sequence``: the last message that its stage was given, of a batch the first."""

    name: str
    role: str
    row: int
    pid: int
    where: str
    silent_s: float
    sequence: int | None

    def told(self) -> str:
        """What an operator should know, without who."""
        why = f"no sign of life for {self.silent_s:.0f} s"
        if self.sequence is not None:
            why += f", since it was given message {self.sequence}"
        if self.where == "process" and is_stopped(self.pid):
            why += f"; its process was stopped by a signal (kill -CONT {self.pid} lets it go on)"
        elif self.role in ENDS:
            why += "; its peer neither answers nor goes away"
        return why


class StallWatch:
    """Looks at the rows of a run now and then. ``limit_s`` 0: nobody is given up."""

    def __init__(self, limit_s: float, tell: Callable[[str], None]) -> None:
        self._limit_s = limit_s
        self._tell = tell
        self._lived: dict[int, tuple[int, int]] = {}  # by row: what it held in hand, and when that changed
        self._told: dict[int, float] = {}
        self._looked_ns = self._back_ns = time.monotonic_ns()

    def due(self) -> bool:
        return time.monotonic_ns() - self._looked_ns >= LOOK_S * 1e9

    def look(self, rows: Sequence[RowSample], now_ns: int) -> Stall | None:
        """Tell who fell silent and who came back; the first that is silent beyond the limit."""
        if now_ns - self._looked_ns > AWAY_S * 1e9:
            self._back_ns = now_ns
        self._looked_ns = now_ns
        beyond: Stall | None = None
        for row in rows:
            if row.role == "lane":
                continue
            silent_s = self._silent_s(row, now_ns)
            over = 0 < self._limit_s <= silent_s and row.role not in ENDS
            if silent_s < TOLD_S and (lasted := self._told.pop(row.index, None)) is not None:
                self._tell(f"{row.role} {row.name} goes on, after more than {lasted:.0f} s")
            if silent_s >= TOLD_S:
                if row.index not in self._told:
                    self._tell(f"{row.role} {row.name} gives {_stall(row, silent_s).told()}")
                self._told[row.index] = silent_s
            if over and beyond is None:
                beyond = _stall(row, silent_s)
        return beyond

    def _silent_s(self, row: RowSample, now_ns: int) -> float:
        if row.state != "running":
            return 0.0
        in_hand, since_ns = self._lived.get(row.index, (-1, 0))
        if row.in_hand != in_hand:
            self._lived[row.index] = (row.in_hand, now_ns)
            since_ns = now_ns if in_hand >= 0 else 0
        return max(0, now_ns - max(row.heartbeat_ns, since_ns, self._back_ns)) / 1e9


def _stall(row: RowSample, silent_s: float) -> Stall:
    sequence = row.in_hand - 1 if row.in_hand else None
    return Stall(row.name, row.role, row.index, row.pid, row.where, silent_s, sequence)


def failure_of(stall: Stall, run: Path, limit_s: float) -> Failure:
    """The run's failure when ``stall`` is given up."""
    text = f"it gives {stall.told()}; the limit of {limit_s:g} s is over"
    return Failure(stall.name, stall.sequence, text, "E_STAGE_TIMEOUT", _digest(stall, run))


def _digest(stall: Stall, run: Path) -> str | None:
    """Of the message in its hands as it lies in the lane; None where that cannot be read."""
    if stall.sequence is None:
        return None
    with contextlib.suppress(ByteorError, OSError), RunObserver(run) as observer:
        for view in observer.lanes:
            if stall.row in view.identity.readers and isinstance(view.lane, SlotLane):
                slot = view.lane.slot(stall.sequence)
                return f"sha256:{hashlib.sha256(slot.payload).hexdigest()}"
    return None
