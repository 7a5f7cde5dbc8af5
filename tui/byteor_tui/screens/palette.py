"""The palette: type a few letters of an act, stage, request or incident; enter does it."""

from __future__ import annotations

from collections.abc import Mapping

from textual import events
from textual.app import ComposeResult

from byteor_tui.actions.entry import Entry
from byteor_tui.glyphs import Glyphs
from byteor_tui.model.filter import compile_filter
from byteor_tui.screens.modal import Modal
from byteor_tui.screens.text_lines import cut, inside
from byteor_tui.tones import Line, Tone
from byteor_tui.widgets.lines_panel import LinesPanel
from byteor_tui.widgets.live_table import LiveTable


class PaletteScreen(Modal[str | None]):
    """Takes every key itself; the answer is the key of the chosen entry."""

    reads_what_was_typed = True

    def __init__(self, found: Mapping[str, Entry], glyphs: Glyphs) -> None:
        super().__init__()
        self._entries = found
        self._glyphs = glyphs
        self._typed = ""

    def compose(self) -> ComposeResult:
        yield LinesPanel(id="typed")
        yield LiveTable(id="found")

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        if self.handed_on(event):
            return
        table = self.query_one(LiveTable)
        moves = {"down": 1, "up": -1, "pagedown": table.page(), "pageup": -table.page(), "tab": 1}
        if event.key in {"escape", "ctrl+c"}:
            self.dismiss(None)
            return
        if event.key == "enter":
            self.dismiss(table.cursor_key if table.cursor_key in self._entries else None)
            return
        if event.key in moves:
            table.move(moves[event.key])
        elif event.key == "backspace":
            self._typed = self._typed[:-1]
        elif event.character is not None and event.is_printable:
            self._typed += event.character
        self.redraw()

    def draw(self) -> None:
        words = " ".join(f"~{word}" for word in self._typed.split())
        test = compile_filter(words)
        names = [key for key, entry in self._entries.items() if test(entry.name, {})]
        more = [key for key, entry in self._entries.items() if key not in names and test(entry.about, {})]
        if self._typed:
            low = self._typed.lower()
            names.sort(key=lambda key: _rank(self._entries[key].name, low))
        table = self.query_one(LiveTable)

        def row(key: str, width: int) -> Line:
            return entry_line(
                self._entries[key], width, self._glyphs.cursor if key == table.cursor_key else " "
            )

        self.query_one(LinesPanel).show(
            lambda width, _height: [((" : ", Tone.KEY), (self._typed, Tone.PLAIN), ("_", Tone.KEY))]
        )
        fresh = (*names, *more)
        if fresh and table.cursor_key not in fresh:
            table.cursor_key = fresh[0]
        table.show(fresh, lambda width: (("    enter does it, esc closes", Tone.HEAD),), row)


def _rank(name: str, low: str) -> tuple[bool, int]:
    """What has the letters in one piece comes first, then what is short."""
    return (low not in name.lower(), len(name))


def entry_line(entry: Entry, width: int, cursor: str) -> Line:
    """Name, key, and what it is; a dead act is grey."""
    tone = Tone.PLAIN if entry.alive else Tone.DIM
    room = 26 if width >= 60 else 16
    return (
        (f" {cursor} ", Tone.KEY),
        (inside(entry.name, room), tone),
        (f" {entry.key:>6}  ", Tone.KEY if entry.alive else Tone.DIM),
        (cut(entry.about, max(0, width - room - 12)), Tone.DIM),
    )
