"""Screen 2, Stages: one stage in depth. Who it waits for, who waits for it, its minute in charts."""

from __future__ import annotations

from byteor_tui.glyphs import Glyphs, bar
from byteor_tui.model.frame import Frame, Mark, RingFill, StageRow
from byteor_tui.model.text import count, milliseconds, percent
from byteor_tui.model.view import View
from byteor_tui.screens import overview_lines as overview
from byteor_tui.screens import stage_columns as columns
from byteor_tui.screens.delta import compared_row, noted
from byteor_tui.screens.pair import Content, PairScreen
from byteor_tui.screens.text_lines import field, title
from byteor_tui.tones import Line, Tone, fit

CHART = 8
BUCKETS = 8
KEPT, LEAST_HALF = 3, 56


class StagesScreen(PairScreen):
    """Shares columns and orders with the Overview; the detail is what is more."""

    screen_id = "stages"

    def __init__(self) -> None:
        super().__init__()
        self._sort = columns.SORTS[0]
        self._backwards = False
        self.kept: tuple[str, ...] = ()

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
            detail=lambda width: self._details(found, frame, view, width, glyphs) if found else [],
            stamp=(
                found,
                frame.rings,
                view.pinned is not None,
                self.kept,
                len(self.kept) > 0 and frame.taken_ns,
            ),
            empty=("no stage matches the filter" if self.filter_text else "no stages",),
        )

    def _details(self, found: StageRow, frame: Frame, view: View, width: int, glyphs: Glyphs) -> list[Line]:
        """The stage under the cursor, and beside and under it those that somebody keeps in sight."""
        others = [row for row in frame.rows if row.name in self.kept and row.name != found.name]
        half = (width - 2) // 2
        if not others or half < LEAST_HALF:
            return [*detail(found, frame, view, width, glyphs), *_under(others, frame, view, width, glyphs)]
        blocks = [_titled(row, frame, view, half, glyphs) for row in (found, *others)]
        lines: list[Line] = []
        for left in range(0, len(blocks), 2):
            pair = blocks[left : left + 2]
            for index in range(max(map(len, pair))):
                parts = [fit(block[index] if index < len(block) else (), half) for block in pair]
                lines.append(parts[0] if len(parts) == 1 else (*parts[0], ("  ", Tone.PLAIN), *parts[1]))
            lines.append(())
        return lines

    def act_keep(self) -> None:
        """Keep the stage under the cursor in sight, or let it go; the oldest of more than three goes."""
        name = self.chosen
        kept = tuple(one for one in self.kept if one != name)
        self.kept = kept if name in self.kept else (*kept, name)[-KEPT:]

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
    if any(one.histogram):
        lines += [(), title("latency since the start, up to"), *histogram(one.histogram, width, glyphs)]
    return lines


def _titled(one: StageRow, frame: Frame, view: View, width: int, glyphs: Glyphs) -> list[Line]:
    return [((f" {one.name}  {one.state}", Tone.KEY),), *detail(one, frame, view, width, glyphs)]


def _under(others: list[StageRow], frame: Frame, view: View, width: int, glyphs: Glyphs) -> list[Line]:
    return [line for one in others for line in ((), *_titled(one, frame, view, width, glyphs))]


def histogram(counts: tuple[int, ...], width: int, glyphs: Glyphs) -> list[Line]:
    """Latencies by powers of two, a bar a bucket; of more than eight buckets the slowest, the rest as one."""
    known = [bits for bits, number in enumerate(counts) if number]
    shown = range(max(known[0], known[-1] - BUCKETS + 1), known[-1] + 1)
    rows = [(bits, counts[bits]) for bits in shown]
    rows[0] = (rows[0][0], sum(counts[: rows[0][0] + 1]))
    most, total = max(number for _, number in rows), sum(counts)
    room = max(8, min(40, width - 36))
    return [
        (
            (f" {milliseconds((1 << bits) - 1):>9} ms ", Tone.DIM),
            (bar(number, most, room, glyphs) if number else " " * room, Tone.TREND),
            (f" {count(number):>7} {percent(number, total):>5}", Tone.PLAIN),
        )
        for bits, number in rows
    ]


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
