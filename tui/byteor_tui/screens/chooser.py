"""One letter chooses: the list after ``g``. Any other key closes it."""

from __future__ import annotations

from collections.abc import Mapping

from textual import events
from textual.app import ComposeResult

from byteor_tui.glyphs import Glyphs
from byteor_tui.screens.modal import Modal
from byteor_tui.tones import Line, Tone
from byteor_tui.widgets.lines_panel import LinesPanel


class ChooserScreen(Modal[str | None]):
    """The answer is the letter, or None."""

    reads_what_was_typed = True

    def __init__(self, letters: Mapping[str, str], glyphs: Glyphs) -> None:
        super().__init__()
        self._letters = letters
        self._glyphs = glyphs

    def compose(self) -> ComposeResult:
        yield LinesPanel(id="letters")

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        if self.handed_on(event):
            return
        letter = event.character or ""
        self.dismiss(letter if letter in self._letters else None)

    def draw(self) -> None:
        lines: list[Line] = [
            (("  ", Tone.PLAIN), (letter, Tone.KEY), (f"  {title}", Tone.PLAIN))
            for letter, title in self._letters.items()
        ]
        self.query_one(LinesPanel).show(lambda _width, height: lines[:height])
