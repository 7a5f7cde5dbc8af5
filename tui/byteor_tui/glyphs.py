"""Characters for terminals that draw blocks and for those that do not; trends, bars and charts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter


@dataclass(frozen=True, slots=True)
class Glyphs:
    """``ramp`` goes from nothing to full, ``gap`` is a second of which nothing is known."""

    ramp: str
    gap: str
    rule: str
    full: str
    empty: str
    cursor: str


BLOCKS = Glyphs(ramp="▁▂▃▄▅▆▇█", gap="·", rule="─", full="█", empty="░", cursor=">")
ASCII = Glyphs(ramp="_.-=+*#@", gap=".", rule="-", full="#", empty=".", cursor=">")

_HEADROOM = 1.15  # a steady rate is drawn a step below the top, so that a peak has somewhere to go
_ROUND_TOPS = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_LEAST_TOP = 1e-9  # no rate and no latency is that small; further down tens have no exact power
_CHART_SECONDS = 60
_AXIS = 9


def choose(environ: Mapping[str, str]) -> Glyphs:
    """Blocks in a UTF-8 locale; ASCII elsewhere, on the Linux console and without colour."""
    if environ.get("TERM", "") in {"dumb", "linux", "screen"} or "NO_COLOR" in environ:
        return ASCII
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or "C.UTF-8"
    return BLOCKS if "utf" in locale.lower() else ASCII


def trend(
    values: Sequence[float | None], width: int, glyphs: Glyphs, closed: int = 0, seconds: int = 60
) -> str:
    """The last ``seconds`` values in ``width`` cells, newest at the right, on a scale that starts at zero.

    Several seconds share a cell by their mean. ``closed`` is the number of the newest value counted from the
    start of the run: groups are cut at its multiples, so that a drawn cell never changes as time passes.
    """
    if width <= 0:
        return ""
    group = max(1, -(-seconds // width))
    cells: list[float | None] = []
    end = len(values)
    size = (closed % group) or group
    while end > 0 and len(cells) < width:
        known = [value for value in values[max(0, end - size) : end] if value is not None]
        cells.append(sum(known) / len(known) if known else None)
        end, size = end - size, group
    cells.reverse()
    top = _HEADROOM * max((value for value in cells if value is not None), default=0.0)
    drawn = "".join(glyphs.gap if value is None else _step(value, top, glyphs.ramp) for value in cells)
    return drawn.rjust(width)


def bar(part: int, whole: int, width: int, glyphs: Glyphs) -> str:
    """``part`` of ``whole`` as a bar of ``width`` cells. Neither empty nor full too early."""
    if width <= 0:
        return ""
    if whole <= 0:
        return glyphs.empty * width
    filled = min(width, max(0, round(width * part / whole)))
    if part > 0:
        filled = max(1, filled)
    if part < whole:
        filled = min(filled, max(0, width - 1)) or (1 if part > 0 else 0)
    return glyphs.full * filled + glyphs.empty * (width - filled)


def chart(
    values: Sequence[float | None], width: int, height: int, glyphs: Glyphs, label: Callable[[float], str]
) -> list[tuple[str, list[tuple[str, bool]]]]:
    """A bar chart of ``height`` rows, top first, as (axis text, runs); newest right, scale from zero.

    A run is (cells, whether a column's top is here): what is below a top is area and drawn quieter. Two cells
    a value where there is room: sixty seconds are a good half of a terminal.
    """
    room = width - _AXIS
    if height <= 0 or room < 4:
        return []
    wide = 2 if room >= 2 * _CHART_SECONDS else 1
    shown = values[-(room // wide) :]
    top = _round_top(max((value for value in shown if value is not None), default=0.0))
    levels = len(glyphs.ramp)
    heights = [None if value is None else _height(value, top, height * levels) for value in shown]
    left = " " * (wide * (min(_CHART_SECONDS, room // wide) - len(heights)))
    rows = []
    for row in range(height - 1, -1, -1):
        cells = [(left, True)] if left else []
        for filled in heights:
            crest = filled is None or filled <= (row + 1) * levels
            cells.append((_chart_cell(filled, row, levels, glyphs) * wide, crest))
        said = label(top) if row == height - 1 and top > 0 else "0" if row == 0 else ""
        rows.append((f"{said:>{_AXIS - 1}} ", _runs(cells)))
    return rows


def charted(width: int) -> int:
    """How many of the newest seconds a chart of ``width`` cells has room for."""
    return max(0, min(_CHART_SECONDS, width - _AXIS))


def _round_top(most: float) -> float:
    """The end of an axis: a number that one reads at a glance, a little above ``most``."""
    if most < _LEAST_TOP:
        return 0.0
    scale = 10.0 ** math.floor(math.log10(most * _HEADROOM))
    return scale * next(step for step in _ROUND_TOPS if step * scale >= most * _HEADROOM * (1 - 1e-9))


def _runs(cells: Sequence[tuple[str, bool]]) -> list[tuple[str, bool]]:
    return [("".join(text for text, _ in run), crest) for crest, run in groupby(cells, key=itemgetter(1))]


def _height(value: float, top: float, steps: int) -> int:
    if top <= 0 or value <= 0:
        return 0
    return max(1, min(steps, round(steps * value / top)))


def _chart_cell(filled: int | None, row: int, levels: int, glyphs: Glyphs) -> str:
    if filled is None:
        return glyphs.gap if row == 0 else " "
    rest = filled - row * levels
    if rest <= 0:
        return glyphs.ramp[0] if row == 0 else " "
    return glyphs.ramp[min(rest, levels) - 1]


def _step(value: float, top: float, ramp: str) -> str:
    if top <= 0 or value <= 0:
        return ramp[0]
    return ramp[min(len(ramp) - 1, 1 + int(value / top * (len(ramp) - 2)))]
