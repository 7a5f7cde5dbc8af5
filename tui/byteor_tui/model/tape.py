"""The last minutes of a run as frames, for the time cursor. Bounded, whatever the number of stages."""

from __future__ import annotations

import marshal
import zlib
from bisect import bisect_right
from typing import Any, NamedTuple

import msgspec

from byteor_tui.model.frame import Frame, StageRow

SECOND_NS = 1_000_000_000
MAX_FRAMES = 900
MAX_ROWS = 36_000  # a quarter of an hour of forty stages
TREND_SECONDS = 60


class _Kept(NamedTuple):
    """A packed frame: as objects, ten minutes of forty stages would be 15 MB."""

    at_unix_ns: int
    packed: bytes


class Tape:
    """A frame a second, oldest first. Trends are left out and made again from the frames before.

    One thread adds, another looks; the list is replaced, never changed, so that a look is consistent.
    """

    def __init__(self) -> None:
        self._kept: tuple[_Kept, ...] = ()
        self._found: Frame | None = None  # what ``at`` said last: it is asked for each picture

    def add(self, frame: Frame) -> None:
        """Keep ``frame`` unless one of the same second is kept already."""
        kept, at = self._kept, frame.taken_unix_ns
        if kept and at - kept[-1].at_unix_ns < SECOND_NS:
            if at >= kept[-1].at_unix_ns:
                return
            kept = ()  # the wall clock was set back: what is older is not before
        most = max(30, min(MAX_FRAMES, MAX_ROWS // max(1, len(frame.rows))))
        self._kept = (*kept[-most + 1 :], _Kept(at, _pack(frame)))

    @property
    def span(self) -> tuple[int, int] | None:
        """(oldest, newest) in unix ns."""
        kept = self._kept
        return (kept[0].at_unix_ns, kept[-1].at_unix_ns) if kept else None

    def at(self, unix_ns: int) -> Frame | None:
        """The newest frame at or before ``unix_ns``, with the trends as they were; the oldest before that."""
        kept, before = self._kept, self._found
        if not kept:
            return None
        index = max(0, bisect_right(kept, unix_ns, key=lambda one: one.at_unix_ns) - 1)
        if before is not None and before.taken_unix_ns == kept[index].at_unix_ns:
            return before
        window = [_unpack(one.packed) for one in kept[max(0, index - TREND_SECONDS + 1) : index + 1]]
        found = msgspec.convert(window[-1], Frame)
        rates: dict[str, list[float | None]] = {}
        tails: dict[str, list[float | None]] = {}
        for frame in window:
            for row in frame["rows"]:
                p99_ns = row["p99_ns"]
                rates.setdefault(row["name"], []).append(row["rate_per_s"])
                tails.setdefault(row["name"], []).append(float(p99_ns) if p99_ns > 0 else None)

        def with_trend(row: StageRow) -> StageRow:
            return msgspec.structs.replace(
                row,
                trend=tuple(rates[row.name]),
                trend_p99=tuple(tails[row.name]),
                trend_closed=len(rates[row.name]),
            )

        self._found = msgspec.structs.replace(found, rows=tuple(map(with_trend, found.rows)))
        return self._found


def _pack(frame: Frame) -> bytes:
    rows = tuple(msgspec.structs.replace(row, trend=(), trend_p99=(), histogram=()) for row in frame.rows)
    plain = msgspec.to_builtins(msgspec.structs.replace(frame, rows=rows))
    return zlib.compress(marshal.dumps(plain), 1)  # marshal: a torn region's numbers fit in no 64 bits


def _unpack(packed: bytes) -> dict[str, Any]:
    """A frame as plain values: of all but one in a window, only names and figures are wanted."""
    plain: dict[str, Any] = marshal.loads(zlib.decompress(packed))
    return plain
