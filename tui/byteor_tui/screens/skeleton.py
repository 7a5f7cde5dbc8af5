"""What every screen has: top bar, body, log, footer, and the acts of a list. Screens fill in the body."""

from __future__ import annotations

from collections.abc import Iterable

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget

from byteor_tui.actions.registry import Action
from byteor_tui.model.view import View
from byteor_tui.widgets.footer_bar import FooterBar
from byteor_tui.widgets.live_table import LiveTable
from byteor_tui.widgets.top_bar import TopBar


class Skeleton(Screen[None]):
    """``draw`` is called by the app's tick and after every key; it must be cheap when nothing changed.

    ``ready`` says that the widgets to draw on exist.
    """

    AUTO_FOCUS = None
    screen_id = ""
    ready = False

    def on_mount(self) -> None:
        self.ready = True

    def compose(self) -> ComposeResult:
        yield TopBar(id="top")
        yield from self.compose_body()
        yield FooterBar(id="footer")

    def compose_body(self) -> Iterable[Widget]:
        """The widgets between top bar and footer."""
        raise NotImplementedError

    def draw(self, view: View, actions: list[tuple[Action, bool]]) -> None:
        """Show ``view``; ``actions`` are those of this screen and whether each is alive."""
        raise NotImplementedError

    @property
    def table(self) -> LiveTable:
        return self.query_one(LiveTable)

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
