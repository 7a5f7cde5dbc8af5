"""The time cursor over a replay: a record at a time, to the next difference, or on by itself at a speed."""

from __future__ import annotations

from byteor_tui.model.frame import Frame
from byteor_tui.model.recorded import Record, Recorded
from byteor_tui.model.replays import Replay

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


class Player:
    """Belongs to the screen's thread. ``index`` is the record under the cursor; playing ends by itself at a
    record that differs and at the end.
    """

    def __init__(self, replay: Replay, recorded: Recorded) -> None:
        self.replay = replay
        self.recorded = recorded
        self.speed = 1.0
        self.playing = False
        self._clock_ns = 0
        self._ticked_ns = 0
        self._record: Record | None = None
        first = recorded.index_of(recorded.differing[0]) if recorded.differing else 0
        self.index = first

    @property
    def record(self) -> Record:
        if self._record is None or self._record.index != self.index:
            self._record = self.recorded.at(self.index)
        return self._record

    @property
    def at_unix_ns(self) -> int:
        return self.recorded.times[self.index]

    @property
    def span(self) -> tuple[int, int]:
        return self.recorded.times[0], self.recorded.times[-1]

    @property
    def frame(self) -> Frame | None:
        return self.recorded.frame_at(self.index)

    def move(self, by: int) -> None:
        """So many records on or back."""
        self.playing = False
        self.index = max(0, min(len(self.recorded) - 1, self.index + by))

    def seek(self, unix_ns: int, record: int = -1) -> None:
        """To the last record that had arrived at ``unix_ns``, or to ``record`` when it had by then."""
        self.playing = False
        last = self.recorded.index_at(unix_ns)
        self.index = record if 0 <= record <= last else last

    def to_difference(self, by: int) -> bool:
        """To the next record that differs, or the one before; False when there is none."""
        here, known = self.recorded.origins[self.index], self.recorded.differing
        found = [origin for origin in known if (origin > here if by > 0 else origin < here)]
        if not found:
            return False
        self.playing = False
        self.index = self.recorded.index_of(found[0] if by > 0 else found[-1])
        return True

    def play(self, now_ns: int) -> None:
        """Go on from here, from the start when this is the end; or stand still again."""
        self.playing = not self.playing
        if self.playing and self.index == len(self.recorded) - 1:
            self.index = 0
        self._clock_ns, self._ticked_ns = self.at_unix_ns, now_ns

    def step_speed(self, by: int) -> None:
        at = SPEEDS.index(self.speed) + by
        self.speed = SPEEDS[max(0, min(len(SPEEDS) - 1, at))]

    def tick(self, now_ns: int) -> None:
        """Time has passed: on by so much of the recording, but not past a record that differs."""
        if not self.playing:
            return
        self._clock_ns += int((now_ns - self._ticked_ns) * self.speed)
        self._ticked_ns = now_ns
        wanted = max(self.index, self.recorded.index_at(self._clock_ns))
        before = self.recorded.differing_to(self.index)
        if self.recorded.differing_to(wanted) > before:
            self.index = self.recorded.index_of(self.recorded.differing[before])
            self.playing = False
            return
        self.index = wanted
        self.playing = wanted < len(self.recorded) - 1
