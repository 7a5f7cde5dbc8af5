"""What a piece of text means, apart from how it looks. ``console.tcss`` gives each tone its style."""

from __future__ import annotations

from enum import StrEnum

from rich.cells import cell_len, set_cell_size

from byteor_tui.model.text import clean


class Tone(StrEnum):
    """The closed set of meanings. State never rests on a tone alone: a mark or a word says it too."""

    PLAIN = "tone--plain"
    DIM = "tone--dim"
    HEAD = "tone--head"
    GOOD = "tone--good"
    WARN = "tone--warn"
    ALARM = "tone--alarm"
    KEY = "tone--key"
    TREND = "tone--trend"
    AREA = "tone--area"
    TITLE = "tone--title"
    CURSOR = "tone--cursor"


Span = tuple[str, Tone]
Line = tuple[Span, ...]


def span_width(line: Line) -> int:
    """Cells that ``line`` takes."""
    return sum(cell_len(text) for text, _ in line)


def fit(line: Line, width: int, fill: Tone = Tone.PLAIN) -> Line:
    """``line`` cut or padded to exactly ``width`` cells. Everything that is drawn passes here: nothing in it
    can steer a terminal, whoever forgot to clean it."""
    spans: list[Span] = []
    left = width
    for text, tone in line:
        if left <= 0:
            break
        if not text.isprintable():
            text = clean(text)
        size = cell_len(text)
        if size > left:
            text, size = set_cell_size(text, left), left
        if size:
            spans.append((text, tone))
        left -= size
    if left > 0:
        spans.append((" " * left, fill))
    return tuple(spans)


def pad(text: str, width: int, *, right: bool = False) -> str:
    """``text`` in exactly ``width`` cells, cut at the end, flush right where it is a number."""
    size = cell_len(text)
    if size >= width:
        return set_cell_size(text, width)
    return " " * (width - size) + text if right else text + " " * (width - size)


def spread(left: Line, right: Line, width: int) -> Line:
    """``left`` and ``right`` at the two ends of ``width`` cells; when there is no room, ``left`` wins."""
    gap = width - span_width(left) - span_width(right)
    if gap < 1:
        return fit(left, width)
    return (*left, (" " * gap, Tone.PLAIN), *right)
