"""Every colour of the console. No other module and no stylesheet names one."""

from __future__ import annotations

from collections.abc import Mapping

from textual.theme import Theme

DARK = Theme(
    name="byteor-dark",
    primary="#7aa2c8",
    secondary="#5f7d99",
    accent="#d8b46a",
    warning="#e0b050",
    error="#ef6b6b",
    success="#7fbf8e",
    foreground="#d6d9dc",
    background="#12161a",
    surface="#171c21",
    panel="#1d2329",
    dark=True,
    variables={"muted": "#909aa4", "cursor-row": "#222c35", "trend": "#7aa2c8", "area": "#4f6a84"},
)
LIGHT = Theme(
    name="byteor-light",
    primary="#1f5f93",
    secondary="#4a6a85",
    accent="#8a5a00",
    warning="#8a5a00",
    error="#b3261e",
    success="#1d6b3a",
    foreground="#1b1f23",
    background="#fbfaf7",
    surface="#f3f1ec",
    panel="#e9e6df",
    dark=False,
    variables={"muted": "#5b646d", "cursor-row": "#d9e4ee", "trend": "#1f5f93", "area": "#6b92b5"},
)
ANSI = Theme(
    name="byteor-ansi",
    ansi=True,
    primary="ansi_blue",
    secondary="ansi_cyan",
    accent="ansi_cyan",
    warning="ansi_yellow",
    error="ansi_red",
    success="ansi_green",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    dark=True,
    variables={
        "muted": "ansi_default",
        "cursor-row": "ansi_default",
        "trend": "ansi_cyan",
        "area": "ansi_blue",
        # Names that Textual's own stylesheets expect of a theme for sixteen colours.
        "ansi-background": "ansi_black",
        "ansi-foreground": "ansi_white",
        "border-blurred": "ansi_black",
        "block-cursor-foreground": "ansi_black",
        "block-cursor-background": "ansi_white",
        "input-cursor-background": "ansi_black",
        "input-cursor-foreground": "ansi_bright_white",
        "input-cursor-text-style": "none",
        "input-selection-background": "ansi_bright_blue",
        "input-selection-foreground": "ansi_black",
        "screen-selection-background": "ansi_bright_blue",
        "screen-selection-foreground": "ansi_black",
    },
)
THEMES = (DARK, LIGHT, ANSI)


def choose(environ: Mapping[str, str], configured: str = "") -> str:
    """The theme's name: ``BYTEOR_THEME`` if it is one of ours, else the configured one, else by what the
    terminal says it can do."""
    asked = environ.get("BYTEOR_THEME", "") or configured
    if asked in {theme.name for theme in THEMES}:
        return asked
    if "NO_COLOR" in environ or environ.get("TERM", "") in {"linux", "screen", "vt100", "vt220"}:
        return ANSI.name
    return DARK.name
