"""The stage table as data: what each column says, how wide it is, and which ones a width has room for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from rich.cells import cell_len

from byteor_tui.glyphs import Glyphs, trend
from byteor_tui.model.frame import Mark, StageRow
from byteor_tui.model.text import count, milliseconds
from byteor_tui.screens.delta import FIGURES
from byteor_tui.screens.text_lines import cut, inside
from byteor_tui.tones import Line, Span, Tone, pad

UNKNOWN = "?"
MAX_NAME = 24
TREND_CELLS = 60


@dataclass(frozen=True, slots=True)
class Column:
    """``text(row, width, glyphs)`` fills ``width`` cells at most; spare cells widen it up to ``most``."""

    id: str
    title: str
    width: int
    text: Callable[[StageRow, int, Glyphs], str]
    right: bool = True
    most: int = 0
    tone: Callable[[StageRow], Tone] = lambda row: Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Placed:
    column: Column
    width: int


def _figure(row: StageRow, text: str) -> str:
    return UNKNOWN if row.mark is Mark.UNKNOWN else text


def _state_tone(row: StageRow) -> Tone:
    if row.mark is Mark.ALERT:
        return Tone.ALARM
    if row.mark is Mark.UNKNOWN:
        return Tone.WARN
    return Tone.GOOD if row.state == "run" else Tone.DIM


def _rate(row: StageRow, width: int, glyphs: Glyphs) -> str:
    return _figure(row, "-" if row.rate_per_s is None else count(row.rate_per_s))


def _busy(row: StageRow, width: int, glyphs: Glyphs) -> str:
    return _figure(row, "-" if row.busy_share is None else f"{100 * row.busy_share:.0f} %")


# In the order of drawing. SHARES_ROOM below says which are given up first.
COLUMNS = (
    Column(
        "name", "STAGE", 8, lambda row, width, glyphs: inside(row.name, width), right=False, most=MAX_NAME
    ),
    Column("state", "STATE", 6, lambda row, width, glyphs: row.state, right=False, tone=_state_tone),
    Column("rate", "RATE/S", 7, _rate),
    Column("lag", "LAG", 6, lambda row, width, glyphs: _figure(row, count(row.lag))),
    Column("p50", "P50ms", 6, lambda row, width, glyphs: _figure(row, milliseconds(row.p50_ns))),
    Column("p99", "P99ms", 6, lambda row, width, glyphs: _figure(row, milliseconds(row.p99_ns))),
    Column(
        "errors",
        "ERR",
        5,
        lambda row, width, glyphs: _figure(row, count(row.errors)),
        tone=lambda row: Tone.ALARM if row.errors else Tone.DIM,
    ),
    Column("busy", "BUSY", 5, _busy),
    Column(
        "total",
        "TOTAL",
        7,
        lambda row, width, glyphs: _figure(row, count(max(row.messages_in, row.messages_out))),
    ),
    Column("where", "WHERE", 7, lambda row, width, glyphs: row.where, right=False, tone=lambda row: Tone.DIM),
    Column(
        "trend",
        "TREND 60 s",
        12,
        lambda row, width, glyphs: trend(row.trend, width, glyphs, row.trend_closed),
        most=TREND_CELLS,
        tone=lambda row: Tone.TREND,
    ),
    Column(
        "trend_p99",
        "P99 60 s",
        10,
        lambda row, width, glyphs: trend(row.trend_p99, width, glyphs, row.trend_closed),
        most=30,
        tone=lambda row: Tone.TREND,
    ),
    Column(
        "note",
        "NOTE",
        15,
        lambda row, width, glyphs: cut(row.note, width),
        right=False,
        most=40,
        tone=lambda row: Tone.DIM,
    ),
)
BY_ID = {column.id: column for column in COLUMNS}


def _against(index: int) -> Callable[[StageRow, int, Glyphs], str]:
    return lambda row, width, glyphs: row.against[index] if row.against else ""


def _compared() -> tuple[Column, ...]:
    """Each figure with its difference from the pinned moment behind it."""
    found: list[Column] = []
    places = {name: index for index, (name, _) in enumerate(FIGURES)}
    for column in COLUMNS:
        found.append(column)
        if column.id in places:
            index = places[column.id]
            found.append(
                Column(
                    f"{column.id}_b",
                    "-A",
                    7,
                    _against(index),
                    tone=lambda row, index=index: (  # type: ignore[misc]
                        Tone.DIM if not row.against or row.against[index] == "=" else Tone.WARN
                    ),
                )
            )
    return tuple(found)


COMPARED = _compared()
COMPARED_ROOM = (
    "name", "rate", "rate_b", "lag", "lag_b", "p99", "p99_b", "state", "errors", "errors_b", "p50", "p50_b",
    "busy", "busy_b", "trend", "note", "total", "where",
)  # fmt: skip
SHARES_ROOM = (
    "name",
    "rate",
    "state",
    "lag",
    "errors",
    "p99",
    "trend",
    "note",
    "p50",
    "busy",
    "total",
    "trend_p99",
    "where",
)
AFTER_NAMES = "p50"
"""From here on the columns take what whole names leave."""


def lead_width(width: int) -> int:
    """Cells before the first column: cursor and mark; a margin more when there is room."""
    return 4 if width >= 60 else 2


def longest_name(rows: tuple[StageRow, ...]) -> int:
    """Cells of the longest name, as far as the name column may grow."""
    return min(MAX_NAME, max((cell_len(row.name) for row in rows), default=1))


@lru_cache(maxsize=16)
def place(width: int, longest: int, compared: bool = False) -> tuple[Placed, ...]:
    """The columns that ``width`` cells have room for, widened into what is left, in drawing order.

    ``longest`` is the longest name's width in cells. The same for every frame of one size, hence kept.
    """
    gap = 2 if width >= 100 else 1
    left = width - lead_width(width)
    columns, order = (COMPARED, COMPARED_ROOM) if compared else (COLUMNS, SHARES_ROOM)
    known = {column.id: column for column in columns}
    name = known["name"]
    widths = {"name": max(1, min(name.width, left))}
    left -= widths["name"]
    # A column that finds no room ends the list: a less important one in its place would only confuse.
    for column in (known[id] for id in order[1:]):
        if column.id == AFTER_NAMES:  # two stages that look alike cost more than these figures tell
            more = min(left, max(0, longest - widths["name"]))
            widths["name"] += more
            left -= more
        if column.width + gap > left:
            break
        widths[column.id] = column.width
        left -= column.width + gap
    for id, most in (
        ("name", longest),
        ("trend", 30),
        ("note", 40),
        ("trend_p99", 30),
        ("trend", 60),
    ):
        if id in widths and left > 0:
            more = min(left, max(0, most - widths[id]))
            widths[id] += more
            left -= more
    return tuple(Placed(column, widths[column.id]) for column in columns if column.id in widths)


def header_line(placed: tuple[Placed, ...], width: int, sort: str) -> Line:
    """Titles over their columns; the sorted one is marked by a word in the panel's title and by tone here."""
    gap = " " * (2 if width >= 100 else 1)
    spans: list[Span] = [(" " * lead_width(width), Tone.HEAD)]
    for index, place in enumerate(placed):
        title = pad(place.column.title, place.width, right=place.column.right)
        tone = Tone.TITLE if place.column.id == sort else Tone.HEAD
        spans.append(((gap if index else "") + title, tone))
    return tuple(spans)


def row_line(
    row: StageRow, placed: tuple[Placed, ...], width: int, glyphs: Glyphs, *, selected: bool
) -> Line:
    """One stage. Mark and cursor come first, so that both are there without colour and at any width."""
    gap = " " * (2 if width >= 100 else 1)
    lead = lead_width(width)
    spans: list[Span] = [
        (pad(glyphs.cursor if selected else "", lead // 2), Tone.KEY),
        (pad(row.mark.value, lead - lead // 2), _state_tone(row)),
    ]
    for index, place in enumerate(placed):
        column = place.column
        text = pad(column.text(row, place.width, glyphs), place.width, right=column.right)
        spans.append(((gap if index else "") + text, column.tone(row)))
    return tuple(spans)


def said(row: StageRow) -> str:
    """What a filter's words are looked for in."""
    return f"{row.name} {row.state} {row.key} {row.role} {row.note}"


def figures(row: StageRow) -> dict[str, float]:
    """What a filter can compare: ``lag>5k``."""
    found: dict[str, float] = {
        "lag": row.lag,
        "errors": row.errors,
        "err": row.errors,
        "in": row.messages_in,
        "out": row.messages_out,
        "p50": row.p50_ns / 1e6,
        "p99": row.p99_ns / 1e6,
    }
    if row.rate_per_s is not None:
        found["rate"] = row.rate_per_s
    if row.busy_share is not None:
        found["busy"] = 100 * row.busy_share
    return found


SORTS = ("flow", "name", "rate", "lag", "p99", "errors")


def ordered(rows: tuple[StageRow, ...], sort: str, *, backwards: bool) -> tuple[StageRow, ...]:
    """Rows by ``sort``: ``flow`` as the messages travel, ``name`` from a, figures from the largest.

    Equal rows keep the order of the flow, so that nothing swaps places for no reason.
    """
    if sort == "flow":
        return rows[::-1] if backwards else rows
    if sort == "name":
        return tuple(sorted(rows, key=lambda row: row.name, reverse=backwards))
    figures: dict[str, Callable[[StageRow], float]] = {
        "rate": lambda row: row.rate_per_s or 0.0,
        "lag": lambda row: row.lag,
        "p99": lambda row: row.p99_ns,
        "errors": lambda row: row.errors,
    }
    figure = figures[sort]
    sign = 1 if backwards else -1
    return tuple(sorted(rows, key=lambda row: sign * figure(row)))
