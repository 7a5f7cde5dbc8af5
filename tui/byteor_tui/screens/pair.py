"""A list and the detail of what is under its cursor: the body of every screen but Overview and Runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from textual.containers import Container
from textual.widget import Widget

from byteor_tui.actions.places import heading
from byteor_tui.model.view import View
from byteor_tui.screens.skeleton import Skeleton
from byteor_tui.tones import Line, Tone
from byteor_tui.widgets.live_table import LiveTable
from byteor_tui.widgets.rule import Rule
from byteor_tui.widgets.scroll_lines import ScrollLines


@dataclass(frozen=True, slots=True)
class Content:
    """What to show now. ``row`` gets key, width and the cursor's character; ``stamp`` differs when ``detail``
    does; ``empty`` are the lines of a list without rows."""

    keys: Sequence[str]
    header: Callable[[int], Line]
    row: Callable[[str, int, str], Line]
    note: str
    detail_title: str
    detail_note: str
    detail: Callable[[int], Sequence[Line]]
    stamp: object
    empty: tuple[str, ...] = ("nothing",)


class PairScreen(Skeleton):
    """Side by side where there is room, under each other where not, one at a time where it is tiny.

    ``enter`` gives the detail the whole body and back, ``z`` whichever panel has the keys.
    """

    def __init__(self) -> None:
        super().__init__()
        self.on_detail = False
        self._last_key: str | None = None

    def compose_body(self) -> Iterable[Widget]:
        with Container(id="body"):
            with Container(id="left"):
                yield Rule(id="list-rule", classes="rule")
                yield LiveTable(id="list")
            with Container(id="right"):
                yield Rule(id="detail-rule", classes="rule")
                yield ScrollLines(id="detail")
            yield from self.compose_more()

    def compose_more(self) -> Iterable[Widget]:
        """Panels right of the detail, for a screen that has some."""
        return ()

    def content(self, view: View, chosen: str | None) -> Content:
        """The list, and the detail of ``chosen`` (the key under the cursor)."""
        raise NotImplementedError

    @property
    def detail_panel(self) -> ScrollLines:
        return self.query_one("#detail", ScrollLines)

    @property
    def moved_panel(self) -> ScrollLines:
        """What the keys move while they do not move the list."""
        return self.detail_panel

    @property
    def told(self) -> Sequence[Line]:
        """Everything that is told of what is under the cursor, for the pager."""
        return self.detail_panel.all_lines

    def draw_body(self, view: View) -> None:
        content = self.content(view, self.table.cursor_key)
        keys = tuple(content.keys)
        if keys:
            cursor = view.glyphs.cursor

            def row(key: str, width: int) -> Line:
                return content.row(key, width, cursor if key == self.table.cursor_key else " ")

            self.table.show(keys, content.header, row)
        else:
            said = {f"empty {number}": text for number, text in enumerate(content.empty)}

            def sentence(key: str, width: int) -> Line:
                return ((f" {said[key]}", Tone.DIM),)

            self.table.show(tuple(said), lambda width: (), sentence, sentences=True)
        self.follow_wanted()
        if keys and self.table.cursor_key != self._last_key:
            self._last_key = self.table.cursor_key
            content = self.content(view, self._last_key)
        kept = f"  filter: {self.filter_text}" if self.filter_text else ""
        self.rule("list-rule", heading(self.screen_id), content.note + kept)
        tone = Tone.KEY if self.on_detail else Tone.TITLE
        alone = self.has_class("zoom-right")  # then the list's title is not to be seen
        name = f"{heading(self.screen_id)} > {content.detail_title}" if alone else content.detail_title
        panel = self.detail_panel
        panel.show_all(self._last_key or "", content.stamp, content.detail)
        below = panel.total - panel.window.stop if panel.window else 0
        more = f"{below} more below" if below > 0 else ""
        self.rule("detail-rule", name, "  ".join(filter(None, (content.detail_note, more))), tone)

    @property
    def chosen(self) -> str:
        """The key under the cursor; empty when the list is."""
        key = self.table.cursor_key or ""
        return "" if key.startswith("empty ") else key

    @property
    def item(self) -> str:
        return self.chosen

    def act_panel(self) -> None:
        self.on_detail = not self.on_detail
        if self.on_detail:
            self.uncover_detail()

    def uncover_detail(self) -> bool:
        """Where there is room for one panel only, put the detail there. False when it was on the screen."""
        covered = not self.query_one("#right").region.height
        if covered:
            self.act_detail()
        return covered

    def act_detail(self) -> None:
        """The detail over the whole body, and back."""
        self.on_detail = self._zoom("zoom-right")

    def act_zoom(self) -> None:
        self._zoom("zoom-right" if self.on_detail else "zoom-left")

    def _zoom(self, name: str) -> bool:
        wanted = not self.has_class(name)
        self.remove_class("zoom-left", "zoom-right")
        self.set_class(wanted, name)
        return wanted

    @property
    def zoomed(self) -> bool:
        return self.has_class("zoom-left") or self.has_class("zoom-right")

    def unzoom(self) -> None:
        self.remove_class("zoom-left", "zoom-right")
        self.on_detail = False

    def act_down(self) -> None:
        self._move(1)

    def act_up(self) -> None:
        self._move(-1)

    def act_page_down(self) -> None:
        self._move(self._page())

    def act_page_up(self) -> None:
        self._move(-self._page())

    def act_first(self) -> None:
        self._move(-(10**9))

    def act_last(self) -> None:
        self._move(10**9)

    def _page(self) -> int:
        return max(1, self.moved_panel.size.height - 1) if self.on_detail else self.table.page()

    def _move(self, by: int) -> None:
        if self.on_detail:
            self.moved_panel.scroll_by_lines(by)
        else:
            self.table.move(by)
