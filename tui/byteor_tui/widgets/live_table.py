"""A table that moves: rows by identity, only visible rows drawn, only changed rows repainted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import events
from textual.geometry import Size
from textual.strip import Strip

from byteor_tui.tones import Line
from byteor_tui.widgets.toned import Toned

DrawRow = Callable[[str, int], Line]
"""``(key, width) -> line`` of one row."""


class LiveTable(Toned):
    """The first row is the header (when there are three rows or more); the rest shows a window of the rows.

    The cursor is a key, not a position: a row that moves takes the cursor along, and one that goes hands it
    to the row that now stands in its place. ``can_focus`` is off: keys come from the action registry.
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        self.cursor_key: str | None = None
        self._keys: tuple[str, ...] = ()
        self._index: dict[str, int] = {}
        self._top = 0
        self._sentences = False
        self._header: Callable[[int], Line] | None = None
        self._draw: DrawRow | None = None
        self._lines: dict[int, tuple[Line, bool]] = {}
        self._strips: dict[int, Strip] = {}
        super().__init__(id=id, classes=classes)

    @property
    def keys(self) -> tuple[str, ...]:
        """Rows in the order shown."""
        return self._keys

    def show(
        self, keys: Sequence[str], header: Callable[[int], Line], draw: DrawRow, *, sentences: bool = False
    ) -> None:
        """Show these rows. ``draw`` is called for visible rows only; ``sentences`` have no cursor."""
        self._header, self._draw, self._sentences = header, draw, sentences
        fresh = tuple(keys)
        if fresh != self._keys:
            self._keep_cursor(fresh)
            grown = len(fresh) != len(self._keys)
            self._keys = fresh
            if grown and self.styles.is_auto_height:
                self.refresh(layout=True)
            self._index = {key: index for index, key in enumerate(fresh)}
        self._update()

    def move(self, by: int) -> None:
        """Move the cursor by rows; it stops at both ends."""
        if self._keys:
            index = max(0, min(len(self._keys) - 1, self._cursor_index() + by))
            self.cursor_key = self._keys[index]
            self._update()

    def put_cursor(self, key: str) -> None:
        """The cursor on ``key``, if there is such a row."""
        if key in self._index:
            self.cursor_key = key
            self._update()

    def page(self) -> int:
        """Rows that fit, for page keys."""
        return max(1, self.size.height - self._header_rows())

    @property
    def text(self) -> str:
        """What stands there now, for tests and screenshots."""
        rows = sorted(self._lines)
        return "\n".join("".join(text for text, _ in self._lines[row][0]).rstrip() for row in rows)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return max(1, len(self._keys)) + 1

    def render_line(self, y: int) -> Strip:
        strip = self._strips.get(y)
        if strip is None:
            line, selected = self._lines.get(y, ((), False))
            strip = self._strips[y] = self.strip_of(line, selected)
        return strip

    def on_resize(self, event: events.Resize) -> None:
        self._forget_strips()
        self._update()
        self.refresh()  # rows below the last one too: the layout painted them with what stood there before

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.move(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.move(-3)

    def on_click(self, event: events.Click) -> None:
        index = self._top + event.y - self._header_rows()
        if event.y >= self._header_rows() and index < len(self._keys):
            self.cursor_key = self._keys[index]
            self._update()

    def notify_style_update(self) -> None:
        self._strips.clear()
        super().notify_style_update()

    def _forget_strips(self) -> None:
        self._lines.clear()
        self._strips.clear()

    def _header_rows(self) -> int:
        return 1 if self.size.height >= 3 else 0

    def _cursor_index(self) -> int:
        return self._index.get(self.cursor_key or "", 0)

    def _keep_cursor(self, fresh: tuple[str, ...]) -> None:
        if not fresh:
            self.cursor_key = None
        elif self.cursor_key not in fresh:
            self.cursor_key = fresh[min(self._cursor_index(), len(fresh) - 1)]

    def _update(self) -> None:
        width, height = self.size
        if width <= 0 or height <= 0 or self._draw is None or self._header is None or not self.display:
            return
        head = self._header_rows()
        self._scroll_to_cursor(height - head)
        lines: dict[int, tuple[Line, bool]] = {0: (self._header(width), False)} if head else {}
        for row in range(head, height):
            index = self._top + row - head
            if index >= len(self._keys):
                break
            key = self._keys[index]
            lines[row] = (self._draw(key, width), key == self.cursor_key and not self._sentences)
        old, self._lines = self._lines, lines
        changed = [row for row in range(height) if old.get(row) != lines.get(row)]
        for row in changed:
            self._strips.pop(row, None)
        self.refresh_rows(changed)

    def _scroll_to_cursor(self, visible: int) -> None:
        index = self._cursor_index()
        last_top = max(0, len(self._keys) - visible)
        self._top = min(max(self._top, index - visible + 1), index, last_top)
