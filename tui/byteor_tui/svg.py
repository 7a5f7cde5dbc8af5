"""Strips to an SVG that stands alone: every run of text at its own place, blocks drawn as shapes.

Nothing is fetched, no font is required, and blanks are never relied on: viewers disagree about them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.sax.saxutils import escape

from rich.cells import cell_len
from rich.color import Color
from rich.style import Style
from rich.terminal_theme import DEFAULT_TERMINAL_THEME
from textual.strip import Strip

CELL_W, CELL_H, BASELINE, FONT_SIZE = 10, 20, 15, 16
_EIGHTHS = "▁▂▃▄▅▆▇█"
_SHADE = "░"
_RULE = "─"
_HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}"\n'
    ' font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="{size}">\n'
    '<rect width="{w}" height="{h}" fill="{background}"/>\n'
)


def picture(strips: Iterable[Strip], width: int, background: str, foreground: str) -> str:
    """The screen as SVG text; ``background`` and ``foreground`` stand where a style names no colour."""
    rows = list(strips)
    parts = [_HEAD.format(w=width * CELL_W, h=len(rows) * CELL_H, size=FONT_SIZE, background=background)]
    for y, strip in enumerate(rows):
        x = 0
        for text, style, _ in strip:
            ink, paper = _colours(style or Style(), background, foreground)
            cells = cell_len(text)
            if paper != background:
                parts.append(_rect(x * CELL_W, y * CELL_H, cells * CELL_W, CELL_H, paper))
            parts.extend(_run(text, x, y, ink, bold=bool(style and style.bold)))
            x += cells
    return "".join(parts) + "</svg>\n"


def _colours(style: Style, background: str, foreground: str) -> tuple[str, str]:
    ink, paper = _hex(style.color, foreground), _hex(style.bgcolor, background)
    return (paper, ink) if style.reverse else (ink, paper)


def _hex(color: Color | None, default: str) -> str:
    if color is None or color.is_default:
        return default
    return color.get_truecolor(DEFAULT_TERMINAL_THEME).hex


def _run(text: str, x: int, y: int, ink: str, *, bold: bool) -> Iterator[str]:
    """Words and shapes of one segment. Neighbours of one kind become one element."""
    for kind, piece in _pieces(text):
        cells = cell_len(piece)
        left, top = x * CELL_W, y * CELL_H
        if kind == "text":
            weight = ' font-weight="bold"' if bold else ""
            yield (
                f'<text x="{left}" y="{top + BASELINE}" fill="{ink}"{weight} textLength="{cells * CELL_W}"'
                f' lengthAdjust="spacingAndGlyphs">{escape(piece)}</text>\n'
            )
        elif kind in _EIGHTHS:
            height = CELL_H * (_EIGHTHS.index(kind) + 1) / len(_EIGHTHS)
            yield _rect(left, top + CELL_H - height, cells * CELL_W, height, ink)
        elif kind == _SHADE:
            yield _rect(left, top, cells * CELL_W, CELL_H, ink, opacity=0.25)
        elif kind == _RULE:
            yield _rect(left, top + CELL_H / 2 - 0.5, cells * CELL_W, 1, ink)
        x += cells


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """(kind, characters): a block, rule or shade, ``text``, or blank. One blank inside words stays there."""
    kind, piece = "", ""
    for index, char in enumerate(text):
        inside = char == " " and kind == "text" and text[index + 1 : index + 2] not in ("", " ")
        found = char if char in _EIGHTHS + _SHADE + _RULE + " " and not inside else "text"
        if found != kind and piece:
            yield kind, piece
            piece = ""
        kind, piece = found, piece + char
    if piece:
        yield kind, piece


def _rect(x: float, y: float, width: float, height: float, fill: str, *, opacity: float = 1.0) -> str:
    seen = "" if opacity == 1.0 else f' fill-opacity="{opacity}"'
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{fill}"{seen}/>\n'
