"""Help of a place: its keys, from the registry, and what the marks mean. Fits any width by wrapping."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import ModalScreen

from byteor_tui.actions.registry import Action, key_label
from byteor_tui.glyphs import Glyphs
from byteor_tui.tones import Line, Tone
from byteor_tui.widgets.live_table import LiveTable
from byteor_tui.widgets.rule import Rule

MARKS = (
    ("!", "a person should look: failed, or gone"),
    ("?", "not known: no sign of life for 2 s"),
    ("min gate", "the stage that everybody waits for while the ring is full"),
)
FACTS = "The console only reads; killing it changes nothing for a run. NO_COLOR, BYTEOR_THEME, --plain."


class HelpScreen(ModalScreen[None]):
    """Closes with the keys that opened it."""

    CSS_PATH = "console.tcss"
    AUTO_FOCUS = None
    BINDINGS = [
        Binding("escape,q,question_mark", "dismiss", "close"),
        Binding("j,down", "scroll(1)", show=False),
        Binding("k,up", "scroll(-1)", show=False),
        Binding("pagedown", "scroll(10)", show=False),
        Binding("pageup", "scroll(-10)", show=False),
    ]

    def __init__(self, actions: Iterable[Action], glyphs: Glyphs) -> None:
        super().__init__()
        self._help_of = tuple(actions)
        self._glyphs = glyphs

    def compose(self) -> ComposeResult:
        yield Rule(id="help-rule")
        yield LiveTable(id="help")

    def on_mount(self) -> None:
        self.call_after_refresh(self._draw)

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def action_scroll(self, by: int) -> None:
        self.query_one(LiveTable).move(by)

    def _draw(self) -> None:
        self.query_one(Rule).title("Help", "esc closes, j k move", self._glyphs)
        table = self.query_one(LiveTable)
        lines = help_lines(self._help_of, table.size.width)
        keyed = {str(number): line for number, line in enumerate(lines)}
        table.show(tuple(keyed), lambda width: (("  KEY", Tone.HEAD),), lambda key, width: keyed[key])


def help_lines(actions: tuple[Action, ...], width: int) -> list[Line]:
    """Keys and what they do in at most ``width`` cells; a narrow terminal gets the text under the key."""
    lines: list[Line] = []
    for action in actions:
        lines += _entry(" ".join(key_label(key) for key in action.keys), action.help, width, Tone.KEY)
    lines.append(())
    for mark, meaning in MARKS:
        lines += _entry(mark, meaning, width, Tone.WARN)
    lines.append(())
    lines += [((f" {text}", Tone.DIM),) for text in textwrap.wrap(FACTS, max(8, width - 2))]
    return lines


def _entry(name: str, text: str, width: int, tone: Tone) -> list[Line]:
    indent = 16
    if width < 50:
        body = [((f"  {part}", Tone.PLAIN),) for part in textwrap.wrap(text, max(8, width - 3))]
        return [((f" {name}", tone),), *body]
    parts = textwrap.wrap(text, width - indent - 2)
    first: Line = ((f"  {name:<{indent - 2}}", tone), (parts[0], Tone.PLAIN))
    return [first, *[((" " * indent + part, Tone.PLAIN),) for part in parts[1:]]]
