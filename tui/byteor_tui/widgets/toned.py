"""The base of every widget here: toned lines to strips. Styles are looked up once a theme."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from byteor_tui.tones import Line, Tone, fit


class Toned(Widget):
    """A widget that is made of rows. Subclasses repaint rows (``refresh_rows``), never cells."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        self._styles_of: dict[tuple[Tone, bool], Style] = {}
        super().__init__(id=id, classes=classes)

    def style_of(self, tone: Tone, selected: bool = False) -> Style:
        """The style of a tone on this widget; on the cursor's row its background is the cursor's."""
        style = self._styles_of.get((tone, selected))
        if style is None:
            style = self.rich_style + self._tone(tone)
            if selected:
                style += self._tone(Tone.CURSOR)
            self._styles_of[tone, selected] = style
        return style

    def _tone(self, tone: Tone) -> Style:
        """What the tone alone says. The app has the tones: ten styles, not ten for every widget."""
        return self.app.get_component_styles(tone.value).partial_rich_style

    def strip_of(self, line: Line, selected: bool = False) -> Strip:
        """``line`` cut or padded to the widget's width."""
        width = self.size.width
        spans = fit(line, width)
        return Strip([Segment(text, self.style_of(tone, selected)) for text, tone in spans], width)

    def render_lines(self, crop: Region) -> list[Strip]:
        """The rows as they are. Textual would look for border, padding, tint and opacity around each: our
        sheets give none to a widget that is made of rows.
        """
        strips = [self.render_line(y) for y in crop.line_range]
        if filters := self.get_line_filters():
            background = self.background_colors[1]
            for one in filters:
                strips = [strip.apply_filter(one, background) for strip in strips]
        if crop.column_span != (0, self.size.width):
            strips = [strip.crop(*crop.column_span) for strip in strips]
        return strips

    def refresh_rows(self, rows: list[int]) -> None:
        """Mark rows of this widget dirty. Row-sized regions are what keeps a live screen cheap."""
        if rows:
            width = self.size.width
            self.refresh(*[Region(0, row, width, 1) for row in rows])

    def notify_style_update(self) -> None:
        self._styles_of.clear()
        super().notify_style_update()
