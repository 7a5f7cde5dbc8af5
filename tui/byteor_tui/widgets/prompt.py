"""One line to type into, where the footer stands. The screen behind it stays alive."""

from __future__ import annotations

from collections.abc import Callable

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.strip import Strip

from byteor_tui.tones import Line, Tone, fit
from byteor_tui.widgets.toned import Toned

MAX_TYPED = 500


class Prompt(Toned, can_focus=True):
    """Hidden until ``ask``; ``then`` gets the line, or None after escape. ``secret`` shows no letters."""

    def __init__(self, *, id: str | None = None) -> None:
        self.typed = ""
        self._label = ""
        self._secret = False
        self._then: Callable[[str | None], None] | None = None
        self._on_change: Callable[[str], None] | None = None
        super().__init__(id=id)

    def on_mount(self) -> None:
        self.display = False

    @property
    def open(self) -> bool:
        return self._then is not None

    def ask(
        self,
        label: str,
        then: Callable[[str | None], None],
        *,
        initial: str = "",
        secret: bool = False,
        on_change: Callable[[str], None] | None = None,
    ) -> None:
        """Take the keyboard until enter or escape. A question that is open already is given up."""
        self._close(None)
        self._label, self._then, self._secret, self._on_change = label, then, secret, on_change
        self.typed = initial
        self.display = True
        self.focus()
        self.refresh()

    def on_key(self, event: events.Key) -> None:
        """Everything that is typed belongs to the line: no key of the screen behind it is alive."""
        if self._then is None:
            return
        event.stop()
        event.prevent_default()
        if event.key == "enter":
            self._close(self.typed)
            return
        if event.key in {"escape", "ctrl+c"}:
            self._close(None)
            return
        if event.key == "backspace":
            self._change(self.typed[:-1])
        elif event.key == "ctrl+u":
            self._change("")
        elif event.character is not None and event.is_printable and len(self.typed) < MAX_TYPED:
            self._change(self.typed + event.character)

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        if self._then is not None:
            first = event.text.splitlines()[0] if event.text else ""
            self._change((self.typed + "".join(char for char in first if char.isprintable()))[:MAX_TYPED])

    def check_consume_key(self, key: str, character: str | None) -> bool:
        return self._then is not None

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        shown = "*" * len(self.typed) if self._secret else self.typed
        room = max(1, width - len(self._label) - 4)
        shown = _end_of(shown, room - 1)
        line: Line = (
            (f" {self._label} ", Tone.KEY),
            (shown, Tone.PLAIN),
            ("_", Tone.KEY),
        )
        spans = fit(line, width)
        return Strip([Segment(text, self.style_of(tone)) for text, tone in spans]).adjust_cell_length(width)

    def _change(self, text: str) -> None:
        self.typed = text
        self.refresh()
        if self._on_change is not None:
            self._on_change(text)

    def _close(self, typed: str | None) -> None:
        then, self._then = self._then, None
        self.display = False
        if then is not None:
            if self.has_focus:
                self.screen.set_focus(None)
            then(typed)


def _end_of(text: str, width: int) -> str:
    """The end of ``text`` in ``width`` cells, where somebody types; two points say that there is more."""
    if cell_len(text) <= width:
        return text
    room = max(1, width - 2 if width > 2 else width)
    while cell_len(text) > room:
        text = text[1:]
    return ".." + text if width > 2 else text
