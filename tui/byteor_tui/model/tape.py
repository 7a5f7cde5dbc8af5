"""The last minutes of a run as frames, for the time cursor. Bounded, whatever the number of stages."""

from __future__ import annotations

from bisect import bisect_right

import msgspec

from byteor_tui.model.frame import Frame, StageRow

SECOND_NS = 1_000_000_000
MAX_FRAMES = 900
MAX_ROWS = 22_000  # ten minutes of forty stages: a second and a sampling period between two frames
TREND_SECONDS = 60


class Tape:
    """A frame a second, oldest first. Trends are left out and made again from the frames before.

    One thread adds, another looks; the list is replaced, never changed, so that a look is consistent.
    """

    def __init__(self) -> None:
        self._frames: tuple[Frame, ...] = ()
        self._times: tuple[int, ...] = ()

    def add(self, frame: Frame) -> None:
        """Keep ``frame`` unless one of the same second is kept already."""
        if self._frames and frame.taken_unix_ns - self._frames[-1].taken_unix_ns < SECOND_NS:
            if frame.taken_unix_ns >= self._frames[-1].taken_unix_ns:
                return
            self._frames, self._times = (), ()  # the wall clock was set back: what is older is not before
        rows = tuple(msgspec.structs.replace(row, trend=(), trend_p99=(), histogram=()) for row in frame.rows)
        kept = max(30, min(MAX_FRAMES, MAX_ROWS // max(1, len(rows))))
        self._frames = (*self._frames[-kept + 1 :], msgspec.structs.replace(frame, rows=rows))
        self._times = tuple(one.taken_unix_ns for one in self._frames)

    @property
    def span(self) -> tuple[int, int] | None:
        """(oldest, newest) in unix ns."""
        frames = self._frames
        return (frames[0].taken_unix_ns, frames[-1].taken_unix_ns) if frames else None

    def at(self, unix_ns: int) -> Frame | None:
        """The newest frame at or before ``unix_ns``, with the trends as they were; the oldest before that."""
        frames, times = self._frames, self._times
        if not frames:
            return None
        index = max(0, min(len(frames), bisect_right(times, unix_ns)) - 1)
        window = frames[max(0, index - TREND_SECONDS + 1) : index + 1]
        rates: dict[str, list[float | None]] = {}
        tails: dict[str, list[float | None]] = {}
        for frame in window:
            for row in frame.rows:
                rates.setdefault(row.name, []).append(row.rate_per_s)
                tails.setdefault(row.name, []).append(float(row.p99_ns) if row.p99_ns > 0 else None)
        found = frames[index]

        def with_trend(row: StageRow) -> StageRow:
            return msgspec.structs.replace(
                row,
                trend=tuple(rates[row.name]),
                trend_p99=tuple(tails[row.name]),
                trend_closed=len(rates[row.name]),
            )

        return msgspec.structs.replace(found, rows=tuple(map(with_trend, found.rows)))
