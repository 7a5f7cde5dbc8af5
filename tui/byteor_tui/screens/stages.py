"""Screen 2, Stages: one stage in depth. Who it waits for, who waits for it, its minute in charts."""

from __future__ import annotations

from byteor_tui.glyphs import Glyphs, bar
from byteor_tui.model.frame import Frame, Mark, RingFill, StageRow
from byteor_tui.model.text import count, percent
from byteor_tui.model.view import View
from byteor_tui.screens import overview_lines as overview
from byteor_tui.screens import stage_columns as columns
from byteor_tui.screens.delta import compared_row, noted
from byteor_tui.screens.pair import Content, PairScreen
from byteor_tui.screens.text_lines import field, title
from byteor_tui.tones import Line, Tone

CHART = 8


class StagesScreen(PairScreen):
    """Shares columns and orders with the Overview; the detail is what is more."""

    screen_id = "stages"

    def __init__(self) -> None:
        super().__init__()
        self._sort = columns.SORTS[0]
        self._backwards = False

    def content(self, view: View, chosen: str | None) -> Content:
        frame = view.frame
        if frame is None:
            return Content(
                (), lambda w: (), lambda k, w, c: (), "", "Stage", "", lambda w: [], None, (view.error,)
            )
        ordered = columns.ordered(frame.rows, self._sort, backwards=self._backwards)
        rows = {one.name: one for one in ordered if self.passes(columns.said(one), columns.figures(one))}
        longest, compared = columns.longest_name(frame.rows), view.pinned is not None
        if view.pinned is not None:
            rows = {name: noted(one, view.pinned) for name, one in rows.items()}
        found = rows.get(chosen or "")
        glyphs = view.glyphs
        order = f"sort {self._sort}{' reversed' if self._backwards else ''}"

        def row(key: str, width: int, cursor: str) -> Line:
            placed = columns.place(width, longest, compared)
            return columns.row_line(rows[key], placed, width, glyphs, selected=cursor != " ")

        return Content(
            keys=tuple(rows),
            header=lambda width: columns.header_line(
                columns.place(width, longest, compared), width, self._sort
            ),
            row=row,
            note=f"{order}, {len(rows)} of {len(frame.rows)}",
            detail_title=found.name if found else "Stage",
            detail_note=found.state if found else "",
            detail=lambda width: detail(found, frame, view, width, glyphs) if found else [],
            stamp=(found, frame.rings, view.pinned is not None),
            empty=("no stage matches the filter" if self.filter_text else "no stages",),
        )

    def act_sort(self) -> None:
        self._sort = columns.SORTS[(columns.SORTS.index(self._sort) + 1) % len(columns.SORTS)]

    def act_reverse(self) -> None:
        self._backwards = not self._backwards


def detail(one: StageRow, frame: Frame, view: View, width: int, glyphs: Glyphs) -> list[Line]:
    """Figures, place in the graph, the gate, and the last minute."""
    lines = [*overview.detail_figures(one, width)]
    before, after = view.specs.topology.before(one.name), view.specs.topology.after(one.name)
    if before or after:
        lines += field("takes from", ", ".join(before) or "-", width)
        lines += field("hands to", ", ".join(after) or "-", width)
    for ring in rings_of(one, frame):
        lines += gate(one, ring, width, glyphs)
    if one.mark is not Mark.NONE:
        lines += field("needs you", one.note or one.state, width, Tone.ALARM)
    if view.pinned is not None:
        lines += compared_row(one, view.pinned, width)
    lines += [(), title("messages/s, 60 s"), *overview.chart_lines(one.trend, width, CHART, glyphs, count)]
    if any(one.trend_p99):
        lines += [
            (),
            title("p99 in ms, 60 s"),
            *overview.chart_lines(one.trend_p99, width, CHART, glyphs, overview.chart_ms),
        ]
    return lines


def rings_of(one: StageRow, frame: Frame) -> list[RingFill]:
    """A ring is everybody's; of a graph's lanes those that it gates."""
    return [ring for ring in frame.rings if ring.kind == "ring" or ring.slowest == one.name]


def gate(one: StageRow, ring: RingFill, width: int, glyphs: Glyphs) -> list[Line]:
    """How far behind it is in the ring, and whether everybody waits for it."""
    share = percent(one.lag, ring.capacity)
    cells = bar(min(one.lag, ring.capacity), ring.capacity, max(8, min(30, width - 46)), glyphs)
    lines: list[Line] = [
        (
            (f" {'lag':<10} ", Tone.DIM),
            (cells, Tone.WARN if one.lag > 0.9 * ring.capacity else Tone.TREND),
            (f" {share:>5}  {count(one.lag)} behind, {ring.name}", Tone.PLAIN),
        )
    ]
    if ring.slowest == one.name:
        lines += field(
            "gate", "it is the min gate: everybody waits for it when the ring is full", width, Tone.WARN
        )
    elif ring.slowest:
        lines += field("gate", f"min gate is {ring.slowest}", width)
    return lines
