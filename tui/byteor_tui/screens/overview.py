"""Screen 1, Overview: one run. Stages, rings, what needs a person, the log."""

from __future__ import annotations

from collections.abc import Iterable

from textual.containers import Container
from textual.widget import Widget

from byteor_tui.model.frame import Frame, Mark
from byteor_tui.model.text import count
from byteor_tui.model.topology import chain, levels, tall
from byteor_tui.model.view import View, mode_word
from byteor_tui.screens import delta, timeline_lines
from byteor_tui.screens import overview_lines as lines
from byteor_tui.screens import overview_side as side
from byteor_tui.screens import stage_columns as columns
from byteor_tui.screens.skeleton import Skeleton
from byteor_tui.tones import Line, Tone
from byteor_tui.widgets.lines_panel import LinesPanel
from byteor_tui.widgets.live_table import LiveTable
from byteor_tui.widgets.rule import Rule

MAX_TOPOLOGY = 6
SIDE = ("asked", "incidents", "checks")


class OverviewScreen(Skeleton):
    """Owns the sort order and the cursor; everything else comes with the view."""

    screen_id = "overview"

    def __init__(self) -> None:
        super().__init__()
        self._sort = columns.SORTS[0]
        self._backwards = False

    def compose_body(self) -> Iterable[Widget]:
        with Container(id="body"):
            with Container(id="graph"):
                yield Rule(id="graph-rule", classes="rule")
                yield LinesPanel(id="tall")
            with Container(id="main"):
                yield LinesPanel(id="topology")
                yield Rule(id="main-rule", classes="rule")
                yield LiveTable(id="stages")
                yield Rule(id="detail-rule", classes="rule")
                yield LinesPanel(id="detail")
            with Container(id="side"):
                yield Rule(id="facts-rule", classes="rule")
                yield LinesPanel(id="facts")
                yield Rule(id="rings-rule", classes="rule")
                yield LinesPanel(id="rings")
                yield Rule(id="needs-rule", classes="rule")
                yield LinesPanel(id="needs")
                for name in SIDE:
                    yield Rule(id=f"{name}-rule", classes="rule side")
                    yield LinesPanel(id=name, classes="side")
        yield Rule(id="time-rule", classes="rule")
        yield LinesPanel(id="timeline")

    def draw_body(self, view: View) -> None:
        glyphs = view.glyphs
        frame = view.frame
        if frame is None:
            self._draw_nothing(view)
            return
        self._draw_stages(view, frame)
        self.rule("facts-rule", "Run", mode_word(view).lower())
        self.panel("facts").show(lambda width, _height: lines.facts(frame, width))
        lanes = any(ring.kind != "ring" for ring in frame.rings)
        number = str(len(frame.rings)) if len(frame.rings) != 1 else ""
        self.rule("rings-rule", "Lanes, fullest first" if lanes else "Rings", number)
        self._set_height("rings", max(1, min(4, len(frame.rings))))
        self.panel("rings").show(lambda width, height: lines.rings(frame, width, height, glyphs))
        needs = lines.needs_of(view)
        alarmed = Tone.ALARM if frame.needs else Tone.WARN if needs else Tone.TITLE
        self.rule("needs-rule", "Needs you", str(len(needs)) if needs else "", alarmed)
        self.panel("needs").show(lambda width, height: lines.needs(needs, width, height))
        self.rule("time-rule", "Timeline", timeline_lines.title(view))
        self.panel("timeline").show(lambda width, height: timeline_lines.timeline(view, width, height))
        self._draw_topology(view, frame)
        self._draw_side(view)

    def _draw_side(self, view: View) -> None:
        """Where there is a third column: what waits, what happened, and how the host is."""
        rows = view.evidence.approvals.rows
        self.rule("asked-rule", "Approvals", f"{view.open_requests} open of {len(rows)}")
        self.panel("asked").show(lambda width, height: side.approvals(view, width, height))
        self.rule("incidents-rule", "Incidents", str(len(view.evidence.incidents.rows)))
        self.panel("incidents").show(lambda width, height: side.incidents(view, width, height))
        self.rule("checks-rule", "Doctor", side.checked(view))
        self.panel("checks").show(lambda width, height: side.checks(view, width, height))

    def _draw_nothing(self, view: View) -> None:
        said = view.error or "waiting for the first sample"
        self.rule("main-rule", "1 Overview", "")
        self.table.show(("said",), lambda width: (), lambda key, width: ((f" {said}", Tone.WARN),))

    def _draw_stages(self, view: View, frame: Frame) -> None:
        table, glyphs = self.table, view.glyphs
        ordered = columns.ordered(frame.rows, self._sort, backwards=self._backwards)
        rows = {row.name: row for row in ordered if self.passes(columns.said(row), columns.figures(row))}
        if view.pinned is not None:
            rows = {name: delta.noted(row, view.pinned) for name, row in rows.items()}
        longest, compared = columns.longest_name(frame.rows), view.pinned is not None
        if table.cursor_key is None:  # somebody who opens a failed run wants to see the stage that failed
            table.cursor_key = next((row.name for row in frame.rows if row.mark is Mark.ALERT), None)

        def header(width: int) -> Line:
            return columns.header_line(columns.place(width, longest, compared), width, self._sort)

        def row(key: str, width: int) -> Line:
            placed = columns.place(width, longest, compared)
            return columns.row_line(rows[key], placed, width, glyphs, selected=key == table.cursor_key)

        table.show(tuple(rows), header, row)
        self.follow_wanted()
        shown = f"{len(rows)} of {len(frame.rows)}" if self.filter_text else f"{len(rows)}"
        order = f"sort {self._sort}{' reversed' if self._backwards else ''}, {shown} stages"
        if self.filter_text:
            order += f"  filter: {self.filter_text}"
        if view.error:
            order = f"{view.error}, {order}"
        self.rule("main-rule", "1 Overview", order)
        chosen = rows.get(table.cursor_key or "")
        self.rule("detail-rule", f"Selected: {chosen.name}" if chosen else "Selected", "messages/s, 60 s")
        self.panel("detail").show(lambda width, height: lines.detail(chosen, width, height, glyphs))

    def _draw_topology(self, view: View, frame: Frame) -> None:
        """The graph with what flows on its arrows; a stage that needs somebody has its mark."""
        panel = self.panel("topology")
        rates = {row.name: count(row.rate_per_s) for row in frame.rows if row.rate_per_s is not None}
        marks = {row.name: row.mark for row in frame.rows}
        height = min(MAX_TOPOLOGY, max(map(len, levels(view.specs.topology)), default=1))
        self._set_height("topology", height)

        def draw(width: int, rows: int) -> list[Line]:
            drawn = chain(view.specs.topology, width - 2, rows, rates)
            return [lines.topology(pieces, marks) for pieces in drawn]

        panel.show(draw)
        self.rule("graph-rule", "Topology", "messages/s")

        def draw_tall(width: int, rows: int) -> list[Line]:
            drawn = tall(view.specs.topology, rates, rows) or chain(
                view.specs.topology, width - 2, rows, None
            )
            return [lines.topology(pieces, marks) for pieces in drawn]

        self.panel("tall").show(draw_tall)

    def act_sort(self) -> None:
        index = columns.SORTS.index(self._sort)
        self._sort = columns.SORTS[(index + 1) % len(columns.SORTS)]

    def act_reverse(self) -> None:
        self._backwards = not self._backwards

    def _set_height(self, id: str, height: int) -> None:
        panel = self.panel(id)
        if panel.styles.height is None or panel.styles.height.value != height:
            panel.styles.height = height
