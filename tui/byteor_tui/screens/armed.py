"""The armed dialog: the only way to a commit. It names act, target and effect, and wants a code."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult

from byteor_tui.glyphs import Glyphs
from byteor_tui.model.arming import LIFE_S, Armed, Commit, Outcome, Target, commit
from byteor_tui.model.text import wall_clock
from byteor_tui.screens.modal import Modal
from byteor_tui.screens.text_lines import field, paragraph
from byteor_tui.tones import Line, Tone, fit, pad
from byteor_tui.widgets.lines_panel import LinesPanel

MAX_SECRET = 1024


class ArmedScreen(Modal[Commit | None]):
    """Takes every key itself: no binding is alive while it is open. A paste is refused.

    ``current`` tells the target as it is now; when it moved, the dialog says so and its key is dead.
    """

    def __init__(self, armed: Armed, current: Callable[[], Target | None], glyphs: Glyphs) -> None:
        super().__init__()
        self.armed = armed
        self._current = current
        self._glyphs = glyphs
        self._typed = ""
        self._secret = ""
        self._asks_secret = False
        self._said = ""

    def compose(self) -> ComposeResult:
        yield LinesPanel(id="armed")

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self._said = "a paste is refused: type the code"
        self.redraw()

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        if self.closed:  # what was typed into it means nothing elsewhere
            return
        if event.key in {"escape", "ctrl+c"}:
            self.dismiss(None)
        elif event.key == "enter":
            self._enter()
        elif event.key == "backspace":
            self._put(self._text[:-1])
        elif event.character is not None and event.is_printable:
            self._put((self._text + event.character)[: MAX_SECRET if self._asks_secret else 8])
        if not self.closed:
            self.redraw()

    @property
    def _text(self) -> str:
        return self._secret if self._asks_secret else self._typed

    def _put(self, text: str) -> None:
        if self._asks_secret:
            self._secret = text
        else:
            self._typed = text

    def _enter(self) -> None:
        found = commit(self.armed, self._typed, self._current(), time.monotonic(), self._secret)
        if isinstance(found, Outcome):
            self._said, self._typed = found.value, ""
            if found in {Outcome.GONE, Outcome.LATE}:
                self._said += "; esc closes"
        elif self.armed.needs_secret and not self._asks_secret:
            self._asks_secret, self._said = True, ""
        else:
            self.dismiss(found)

    def draw(self) -> None:
        """The frame and what stands in it now; called by the app's tick too, so that it tells the truth."""
        panel = self.query_one(LinesPanel)
        if panel.size.width:
            panel.styles.height = len(self._inner(panel.size.width)) + 2  # as tall as what it says
        panel.show(self._lines)

    def _lines(self, width: int, height: int) -> list[Line]:
        return framed(
            self.armed.title,
            self._inner(width),
            width,
            height,
            prod=self.armed.shape == "prod",
            ascii=self._glyphs.rule == "-",
        )

    def _inner(self, width: int) -> list[Line]:
        left = max(0, LIFE_S - (time.monotonic() - self.armed.born_s))
        inner: list[Line] = []
        for name, value in self.armed.facts:
            inner += field(name, value, width - 4)
        inner += field("captured", self._captured(), width - 4, self._captured_tone())
        inner.append(())
        if self._asks_secret:
            inner += paragraph("The key's passphrase; it goes to the verb through a pipe.", width - 4)
            shown = "*" * len(self._secret)
        else:
            ask = f"Type  {self.armed.code}  to {self.armed.verb}. Enter on an empty field does nothing."
            inner += paragraph(ask, width - 4, Tone.WARN)
            shown = self._typed
        inner.append(((f" > {shown}_", Tone.KEY), (f"   Esc cancels   {left:.0f} s", Tone.DIM)))
        if self._said:
            inner += paragraph(self._said, width - 4, Tone.ALARM)
        return inner

    def _captured(self) -> str:
        now, armed = self._current(), self.armed
        said = "unchanged since" if now == armed.target else Outcome.MOVED.value
        seen = f"{armed.name} rev {armed.target.short} at {wall_clock(armed.seen_unix_ns)}"
        return Outcome.GONE.value if now is None else f"{seen}: {said}"

    def _captured_tone(self) -> Tone:
        return Tone.PLAIN if self._current() == self.armed.target else Tone.ALARM


def framed(title: str, inner: list[Line], width: int, height: int, *, prod: bool, ascii: bool) -> list[Line]:
    """``inner`` in a frame; the frame of prod differs in shape, not only in colour.

    Where there are too few rows, the last ones stay: the code and the field decide. That others are
    missing is said.
    """
    corner, across, down = ("+", "=" if prod else "-", "#" if prod else "|")
    if not ascii:
        corner, across, down = ("", "═" if prod else "─", "║" if prod else "│")
    ends = {True: "╔╗╚╝", False: "┌┐└┘"}[prod] if not ascii else corner * 4
    tone = Tone.ALARM if prod else Tone.WARN
    rows, room = max(1, height - 2), max(0, width - 2)
    head = f"{across} {title} "
    head = pad(head, room) if cell_len(head) > room else head + across * (room - cell_len(head))
    lines: list[Line] = [((ends[0] + head + ends[1], tone),)]
    lines += [((down, tone), *fit(line, room), (down, tone)) for line in _shown(inner, rows)]
    lines.append(((ends[2] + across * room + ends[3], tone),))
    return lines


def _shown(inner: list[Line], rows: int) -> list[Line]:
    """``inner`` in ``rows``, without its middle; who signs has to know that there is more."""
    if len(inner) <= rows:
        return inner
    head, tail = inner[: max(0, rows - 4)], inner[-min(4, rows) :]
    if not tail[0]:
        tail = tail[1:]
    elif head:
        head = head[:-1]
    else:
        return tail
    hidden = len(inner) - len(head) - len(tail)
    return [*head, ((f" {hidden} more lines: make it taller", Tone.ALARM),), *tail]
