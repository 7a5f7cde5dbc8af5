"""The list of runs: live ones first; opens the one under the cursor. Waits, visibly, while there is none."""

from __future__ import annotations

import time
from collections.abc import Iterable

from textual.widget import Widget

from byteor_tui.model.run import Run
from byteor_tui.model.text import age, clean
from byteor_tui.model.view import View
from byteor_tui.screens.skeleton import Skeleton
from byteor_tui.screens.text_lines import inside
from byteor_tui.tones import Line, Tone, pad
from byteor_tui.widgets.live_table import LiveTable
from byteor_tui.widgets.rule import Rule
from byteor_tui.widgets.top_bar import TopBar, top_line

EMPTY = (
    " no runs yet. In another terminal:",
    "   byteor run SPEC --source=host: --sink=null:",
    " or leave with q and try",
    "   byteor-console demo",
)


class RunsScreen(Skeleton):
    """Rows are run ids; ``runs`` is replaced by the app whenever it has looked."""

    screen_id = "runs"

    def __init__(self) -> None:
        super().__init__()
        self.runs: tuple[Run, ...] = ()

    def compose_body(self) -> Iterable[Widget]:
        yield Rule(id="main-rule", classes="rule")
        yield LiveTable(id="runs")

    @property
    def chosen(self) -> Run | None:
        """The run under the cursor."""
        return next((run for run in self.runs if run.run_id == self.table.cursor_key), None)

    def draw_body(self, view: View) -> None:
        live = sum(run.alive for run in self.runs)
        self.query_one(TopBar).show(lambda width, _height: [_top(live, width)])
        kept = f"  filter: {self.filter_text}" if self.filter_text else ""
        self.rule("main-rule", "Runs", f"{live} live of {len(self.runs)}{kept}")
        if not self.runs:
            hints = dict(zip("abcd", EMPTY, strict=True))
            self.table.show(tuple(hints), lambda width: (), lambda key, width: ((hints[key], Tone.PLAIN),))
            return
        by_id = {
            run.run_id: run
            for run in self.runs
            if self.passes(f"{run.run_id} {run.name} {run.state} {run.env}", {})
        }
        now = time.time_ns()

        def row(key: str, width: int) -> Line:
            return run_line(
                by_id[key], width, now, cursor=view.glyphs.cursor if key == self.table.cursor_key else " "
            )

        self.table.show(tuple(by_id), header_line, row)
        self.follow_wanted()


def header_line(width: int) -> Line:
    """Titles over ``run_line``."""
    if width < 60:
        return (("  STATE    NAME", Tone.HEAD),)
    return ((f"    {'STATE':<9} {'NAME':<20} {'ENV':<8} {'AGE':>9}  RUN", Tone.HEAD),)


def run_line(run: Run, width: int, now_unix_ns: int, *, cursor: str) -> Line:
    """One run; its state comes first because that is what chooses."""
    tone = Tone.GOOD if run.alive else Tone.ALARM if run.state in {"failed", "dead"} else Tone.DIM
    mark = "!" if tone is Tone.ALARM else " "
    name = clean(run.name)
    if width < 60:
        return ((cursor, Tone.KEY), (mark, tone), (f"{run.state:<8} ", tone), (name, Tone.PLAIN))
    started = age(now_unix_ns - run.started_unix_ns)
    run_id, room = clean(run.run_id), max(8, width - 55)  # ids of one pipeline begin alike
    return (
        (f" {cursor}", Tone.KEY),
        (f"{mark} ", tone),
        (f"{run.state:<9} ", tone),
        (inside(name, 20), Tone.PLAIN),
        (f" {pad(clean(run.env) or '-', 8)} {started:>9}  ", Tone.DIM),
        (run_id if len(run_id) <= room else ".." + run_id[2 - room :], Tone.PLAIN),
    )


def _top(live: int, width: int) -> Line:
    return top_line([(0, (("byteor", Tone.TITLE),)), (1, ((f"{live} live", Tone.PLAIN),))], [], width)
