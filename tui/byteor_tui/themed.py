"""The part of the app that has to do with looks: stylesheets, tones and themes, read once at the start."""

from __future__ import annotations

import os
from pathlib import Path

from textual.app import App

from byteor_tui import themes
from byteor_tui.tones import Tone

SHEETS = ("console", "overview", "pair", "runs", "armed", "chooser")


class Themed(App[None]):
    """Screens bring no sheets of their own: with each one Textual would parse all of them once more."""

    CSS_PATH = [Path(__file__).parent / "screens" / f"{name}.tcss" for name in SHEETS]
    COMPONENT_CLASSES = {tone.value for tone in Tone}

    def begin_with_theme(self, configured: str) -> None:
        """Take the theme before anything is styled. Set as usual, every sheet would be parsed twice."""
        self._styled = ""
        for theme in themes.THEMES:
            self.register_theme(theme)
        if "TEXTUAL_THEME" in os.environ:
            return
        self._styled = themes.choose(os.environ, configured)
        self.set_reactive(App.theme, self._styled)
        self.stylesheet.set_variables(self.get_css_variables())

    def on_load(self) -> None:
        """The tones are the app's own styles, and a screen may be painted before Textual comes to them."""
        self.stylesheet.apply(self)

    def _watch_theme(self, theme_name: str) -> None:
        """Textual calls this at the start too, when what is on the screen is in this theme already."""
        if theme_name != self._styled:
            super()._watch_theme(theme_name)
            return
        self._styled = ""
        dark = self.current_theme.dark
        self.update_classes(
            {f"-theme-{theme_name}": True, "-dark-mode": dark, "-light-mode": not dark}, update=False
        )
        self._refresh_truecolor_filter(self.ansi_theme)
