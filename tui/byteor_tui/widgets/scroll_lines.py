"""A panel of many lines of which a window is shown; knows which of them have been on the screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import events

from byteor_tui.tones import Line
from byteor_tui.widgets.lines_panel import LinesPanel


class ScrollLines(LinesPanel):
    """``show_all`` draws only when what is shown changed: its ``stamp``, the size, or the place in it."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.top = 0
        self.total = 0
        self.all_lines: Sequence[Line] = ()
        self._subject = ""
        self._made: tuple[object, int] | None = None

    def show_all(self, subject: str, stamp: object, draw: Callable[[int], Sequence[Line]]) -> None:
        """Show ``draw(width)``. Another ``subject`` starts at the top; another ``stamp`` draws again."""
        if subject != self._subject:
            self._subject, self.top, self._made = subject, 0, None
        self._all_of = draw
        self._stamp = stamp
        self.show(self._window)

    def _window(self, width: int, height: int) -> Sequence[Line]:
        made = (self._stamp, width)
        if self._made != made:
            self.all_lines = list(self._all_of(width))
            self.total = len(self.all_lines)
            self._made = made
        self.top = max(0, min(self.top, self.total - height))
        return self.all_lines[self.top : self.top + height]

    @property
    def window(self) -> range:
        """Indices of the lines that are on the screen now; none while it is hidden."""
        if not self.display or self.size.height <= 0 or self.region.height <= 0:
            return range(0)
        return range(self.top, min(self.total, self.top + self.size.height))

    def scroll_by_lines(self, by: int) -> None:
        self.to_line(self.top + by)

    def to_line(self, index: int) -> None:
        """Put line ``index`` at the top, as far as there are lines below it."""
        self.top = max(0, min(index, max(0, self.total - self.size.height)))
        if self._draw is not None:
            self.show(self._draw)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.scroll_by_lines(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.scroll_by_lines(-3)
