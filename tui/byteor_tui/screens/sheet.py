"""A sheet of text over the screen: help, why a key is dead, a note. Closes with the keys that open sheets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.app import ComposeResult
from textual.binding import Binding

from byteor_tui.glyphs import Glyphs
from byteor_tui.screens.modal import Modal
from byteor_tui.tones import Line
from byteor_tui.widgets.rule import Rule
from byteor_tui.widgets.scroll_lines import ScrollLines


class SheetScreen(Modal[str]):
    """``draw(width)`` gives all lines; they are wrapped for the width and scrolled."""

    BINDINGS = [
        Binding("escape,q,question_mark,w,W,H,enter", "dismiss", "close"),
        Binding("j,down", "scroll(1)", show=False),
        Binding("k,up", "scroll(-1)", show=False),
        Binding("pagedown,space", "scroll(10)", show=False),
        Binding("pageup", "scroll(-10)", show=False),
        Binding("home", "scroll(-100000)", show=False),
        Binding("end,G", "scroll(100000)", show=False),
    ]

    keys_said = "esc closes, j k move"

    def __init__(self, title: str, draw: Callable[[int], Sequence[Line]], glyphs: Glyphs) -> None:
        super().__init__()
        self._title = title
        self._lines = draw
        self._glyphs = glyphs

    def compose(self) -> ComposeResult:
        yield Rule(id="sheet-rule")
        yield ScrollLines(id="sheet")

    def action_scroll(self, by: int) -> None:
        lines = self.query_one_optional(ScrollLines)
        if lines is not None:
            lines.scroll_by_lines(by)

    def draw(self) -> None:
        self.query_one(Rule).title(self._title, self.keys_said, self._glyphs)
        self.query_one(ScrollLines).show_all(self._title, None, self._lines)


class RefusedScreen(SheetScreen):
    """Why policy refuses, with a smaller request that it would not: ``x`` asks for that one."""

    BINDINGS = [Binding("x", "dismiss('ask')", "ask")]
    keys_said = "x asks for the smaller one, esc closes"


class HandoverScreen(SheetScreen):
    """The note before it is written: enter writes it, ``o`` edits it first, esc does neither."""

    BINDINGS = [
        Binding("enter", "answer('write')", "write"),
        Binding("o", "answer('edit')", "edit"),
    ]
    keys_said = "enter writes it into the audit log, o edits, esc cancels"

    def action_answer(self, answer: str) -> None:
        self.dismiss(answer)


class ReadHandoverScreen(HandoverScreen):
    """The same in a console that may not write."""

    BINDINGS = [Binding("enter,o", "dismiss", "close")]
    keys_said = "read-only: it is shown and not written; esc closes"
