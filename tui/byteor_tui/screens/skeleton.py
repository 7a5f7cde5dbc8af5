"""What every screen has: top bar, body, log, footer or prompt, and the acts of a list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget

from byteor_tui.actions.registry import Action
from byteor_tui.actions.situation import Situation
from byteor_tui.glyphs import BLOCKS, Glyphs
from byteor_tui.model.filter import compile_filter
from byteor_tui.model.view import View
from byteor_tui.screens import overview_lines as lines
from byteor_tui.tones import Tone
from byteor_tui.widgets.footer_bar import FooterBar
from byteor_tui.widgets.lines_panel import LinesPanel
from byteor_tui.widgets.live_table import LiveTable
from byteor_tui.widgets.prompt import Prompt
from byteor_tui.widgets.rule import Rule
from byteor_tui.widgets.top_bar import TopBar

if TYPE_CHECKING:
    from byteor_tui.app import ConsoleApp


class Skeleton(Screen[None], inherit_bindings=False):  # Textual's own would take `tab` from the panels
    """``draw`` is called by the app's tick and after every key; it must be cheap when nothing changed.

    ``ready`` says that the widgets to draw on exist. ``wanted`` is the id that the cursor goes to as soon as
    there is such a row: where a link or another screen pointed to. ``request`` is the one whose specs
    Diff shows.
    """

    AUTO_FOCUS = None
    screen_id = ""
    ready = False

    def __init__(self) -> None:
        super().__init__()
        self._css_update_count = 0  # of the rules read at the start: else Textual parses them all once more
        self.glyphs: Glyphs = BLOCKS
        self.filter_text = ""
        self.passes = compile_filter("")
        self.wanted = ""
        self.request = ""

    def on_mount(self) -> None:
        self.ready = True
        app: ConsoleApp = self.app  # type: ignore[assignment]
        app.paint()  # what is there already is in the first picture

    def on_unmount(self) -> None:
        self.ready = False

    def compose(self) -> ComposeResult:
        yield TopBar(id="top")
        yield from self.compose_body()
        yield Rule(id="log-rule", classes="log-rule")
        yield LinesPanel(id="log", classes="log")
        yield FooterBar(id="footer")
        yield Prompt(id="prompt")

    def compose_body(self) -> Iterable[Widget]:
        """The widgets between top bar and log."""
        raise NotImplementedError

    def draw(self, view: View, actions: list[tuple[Action, bool]]) -> None:
        """Show ``view``; ``actions`` are those of this screen and whether each is alive."""
        self.glyphs = view.glyphs
        self.query_one(TopBar).show(lambda width, _height: [lines.top(view, width)])
        self.query_one(FooterBar).show_actions(actions)
        self.rule("log-rule", view.tour or "Log", "", Tone.KEY if view.tour else Tone.TITLE)
        self.panel("log").show(lambda width, height: lines.log(view.log, width, height))
        self.draw_body(view)

    def draw_body(self, view: View) -> None:
        """The part that is the screen's own."""
        raise NotImplementedError

    def situation(self, now: Situation) -> Situation:
        """``now`` with what is under this screen's cursor."""
        return now

    @property
    def item(self) -> str:
        """The id under the cursor, for links and for the way back."""
        return self.table.cursor_key or ""

    def set_filter(self, text: str) -> None:
        self.filter_text = text
        self.passes = compile_filter(text)

    def follow_wanted(self) -> None:
        """Put the cursor on the wanted row once it is there."""
        if self.wanted and self.wanted in self.table.keys:
            self.table.put_cursor(self.wanted)
            self.wanted = ""

    @property
    def table(self) -> LiveTable:
        return self.query_one(LiveTable)

    @property
    def prompt(self) -> Prompt:
        return self.query_one(Prompt)

    def panel(self, id: str) -> LinesPanel:
        return self.query_one(f"#{id}", LinesPanel)

    def rule(self, id: str, left: str, right: str, tone: Tone = Tone.TITLE) -> None:
        self.query_one(f"#{id}", Rule).title(left, right, self.glyphs, tone)

    def act_down(self) -> None:
        self.table.move(1)

    def act_up(self) -> None:
        self.table.move(-1)

    def act_page_down(self) -> None:
        self.table.move(self.table.page())

    def act_page_up(self) -> None:
        self.table.move(-self.table.page())

    def act_first(self) -> None:
        self.table.move(-len(self.table.keys))

    def act_last(self) -> None:
        self.table.move(len(self.table.keys))
