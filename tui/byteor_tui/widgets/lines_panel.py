"""A panel of a few lines (top bar, rings, needs, log, footer): shows what a function of its size returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import events
from textual.strip import Strip

from byteor_tui.tones import Line
from byteor_tui.widgets.toned import Toned

Draw = Callable[[int, int], Sequence[Line]]


class LinesPanel(Toned):
    """Asks ``draw(width, height)`` for lines, keeps their strips, and repaints only lines that differ."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        self._draw: Draw | None = None
        self._lines: tuple[Line, ...] = ()
        self._strips: dict[int, Strip] = {}
        super().__init__(id=id, classes=classes)

    def show(self, draw: Draw) -> None:
        """Draw with ``draw`` from now on. Cheap when nothing changed or nothing is visible."""
        self._draw = draw
        width, height = self.size
        if not self.display or width <= 0 or height <= 0:
            return
        lines = tuple(draw(width, height)[:height])
        old, self._lines = self._lines, lines
        changed = [
            row for row in range(max(len(old), len(lines))) if old[row : row + 1] != lines[row : row + 1]
        ]
        for row in changed:
            self._strips.pop(row, None)
        self.refresh_rows(changed)

    @property
    def text(self) -> str:
        """What stands there now, for tests and screenshots."""
        return "\n".join("".join(text for text, _ in line).rstrip() for line in self._lines)

    def render_line(self, y: int) -> Strip:
        strip = self._strips.get(y)
        if strip is None:
            line = self._lines[y] if y < len(self._lines) else ()
            strip = self._strips[y] = self.strip_of(line)
        return strip

    def on_resize(self, event: events.Resize) -> None:
        self._strips.clear()
        self._lines = ()
        if self._draw is not None:
            self.show(self._draw)
        self.refresh()  # rows below the last line too: the layout painted them with what stood there before

    def notify_style_update(self) -> None:
        self._strips.clear()
        super().notify_style_update()
