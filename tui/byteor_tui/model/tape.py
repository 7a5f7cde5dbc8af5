"""The last hours of a run as frames, for the time cursor: one a second of the last quarter of an hour, and
one a minute of the half day before. Bounded, whatever the number of stages.
"""

from __future__ import annotations

import marshal
import zlib
from array import array
from bisect import bisect_right
from typing import NamedTuple

import msgspec

from byteor_tui.model.frame import Frame, StageRow

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
MAX_FRAMES = 900
MAX_ROWS = 36_000  # a quarter of an hour of forty stages
MAX_MINUTES = 720  # half a day: this morning can be compared with now
MAX_MINUTE_ROWS = 28_800
TREND_SECONDS = 60
NAN = float("nan")


class _Kept(NamedTuple):
    """A packed frame: as objects, ten minutes of forty stages would be 15 MB.

    ``figures`` are what trends are made of, apart from the rest: a look wants them of a whole minute.
    """

    at_unix_ns: int
    names: tuple[str, ...]
    packed: bytes
    figures: bytes


class Tape:
    """Frames, oldest first. Trends are left out and made again from the seconds before.

    One thread adds, another looks; the tiers are replaced, never changed, so that a look is consistent.
    """

    def __init__(self) -> None:
        self._tiers: tuple[tuple[_Kept, ...], tuple[_Kept, ...]] = (), ()  # a minute apart; a second apart
        self._found: Frame | None = None  # what ``at`` said last: it is asked for each picture

    def add(self, frame: Frame) -> None:
        """Keep ``frame`` unless one of the same second is kept already."""
        (minutes, seconds), at = self._tiers, frame.taken_unix_ns
        if seconds and at - seconds[-1].at_unix_ns < SECOND_NS:
            if at >= seconds[-1].at_unix_ns:
                return
            minutes, seconds = (), ()  # the wall clock was set back: what is older is not before
        names = tuple(row.name for row in frame.rows)
        if seconds and seconds[-1].names == names:
            names = seconds[-1].names
        rows = max(1, len(names))
        most = max(30, min(MAX_FRAMES, MAX_ROWS // rows))
        for gone in seconds[: max(0, len(seconds) + 1 - most)]:
            if not minutes or gone.at_unix_ns - minutes[-1].at_unix_ns >= MINUTE_NS:
                minutes = (*minutes, gone)
        minutes = minutes[-max(30, min(MAX_MINUTES, MAX_MINUTE_ROWS // rows)) :]
        new = _Kept(at, names, _pack(frame), _pack_figures(frame))
        self._tiers = minutes, (*seconds[-most + 1 :], new)

    @property
    def span(self) -> tuple[int, int] | None:
        """(oldest, newest) in unix ns."""
        minutes, seconds = self._tiers
        return ((minutes or seconds)[0].at_unix_ns, seconds[-1].at_unix_ns) if seconds else None

    def near(self, unix_ns: int) -> int:
        """``unix_ns``, or where frames are further apart the time of the frame that ``at`` says."""
        kept = self._all()
        at = kept[_index(kept, unix_ns)].at_unix_ns if kept else unix_ns
        return unix_ns if 0 <= unix_ns - at < SECOND_NS else at

    def after(self, unix_ns: int) -> int:
        """The time of the next frame behind ``unix_ns``; the newest one's at the end."""
        kept = self._all()
        return kept[min(_index(kept, unix_ns) + 1, len(kept) - 1)].at_unix_ns if kept else unix_ns

    def at(self, unix_ns: int) -> Frame | None:
        """The newest frame at or before ``unix_ns``, with the trends as they were; the oldest before that."""
        minutes, seconds = self._tiers
        kept, before = (*minutes, *seconds), self._found
        if not kept:
            return None
        index = _index(kept, unix_ns)
        if before is not None and before.taken_unix_ns == kept[index].at_unix_ns:
            return before
        first = index if index < len(minutes) else max(len(minutes), index - TREND_SECONDS + 1)
        found = _unpack(kept[index].packed)
        rates: dict[str, list[float | None]] = {row.name: [] for row in found.rows}
        tails: dict[str, list[float | None]] = {row.name: [] for row in found.rows}
        for one in kept[first : index + 1]:
            for name, rate, tail in zip(one.names, *_unpack_figures(one.figures), strict=True):
                if name in rates:
                    rates[name].append(rate if rate == rate else None)
                    tails[name].append(tail if tail > 0 else None)

        def with_trend(row: StageRow) -> StageRow:
            return msgspec.structs.replace(
                row,
                rate_per_s=rates[row.name][-1],
                trend=tuple(rates[row.name]),
                trend_p99=tuple(tails[row.name]),
                trend_closed=len(rates[row.name]),
            )

        self._found = msgspec.structs.replace(found, rows=tuple(map(with_trend, found.rows)))
        return self._found

    def _all(self) -> tuple[_Kept, ...]:
        minutes, seconds = self._tiers
        return (*minutes, *seconds)


def _index(kept: tuple[_Kept, ...], unix_ns: int) -> int:
    return max(0, bisect_right(kept, unix_ns, key=lambda one: one.at_unix_ns) - 1)


def _pack(frame: Frame) -> bytes:
    """Without what the figures and the frames before tell."""
    without = {"trend": (), "trend_p99": (), "histogram": (), "rate_per_s": None}
    rows = tuple(msgspec.structs.replace(row, **without) for row in frame.rows)
    plain = msgspec.to_builtins(msgspec.structs.replace(frame, rows=rows))
    plain["rows"] = tuple(tuple(row.values()) for row in plain["rows"])
    return zlib.compress(marshal.dumps(plain), 1)  # marshal: a torn region's numbers fit in no 64 bits


def _unpack(packed: bytes) -> Frame:
    plain = marshal.loads(zlib.decompress(packed))
    plain["rows"] = [dict(zip(StageRow.__struct_fields__, row, strict=True)) for row in plain["rows"]]
    return msgspec.convert(plain, Frame)


def _pack_figures(frame: Frame) -> bytes:
    """Messages/s and p99 in ns of each row, NaN for a rate that is not known."""
    rates = (NAN if row.rate_per_s is None else row.rate_per_s for row in frame.rows)
    figures = array("d", (*rates, *(row.p99_ns for row in frame.rows)))
    return zlib.compress(figures.tobytes(), 1)


def _unpack_figures(packed: bytes) -> tuple[array[float], array[float]]:
    figures = array("d", zlib.decompress(packed))
    half = len(figures) // 2
    return figures[:half], figures[half:]
