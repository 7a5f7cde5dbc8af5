"""Lines that details and lists are made of: fields, paragraphs, titles, rows of columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells

from byteor_tui.tones import Line, Span, Tone, fit, pad

LABEL = 10
SHORTEST = 8


def field(name: str, value: str, width: int, tone: Tone = Tone.PLAIN, *, label: int = LABEL) -> list[Line]:
    """``name   value``; a long value goes on in the next lines, never out of sight."""
    size = max(LABEL, label, len(name))
    room = width - size - 3
    if room < 16:
        return [((f" {name}", Tone.DIM),), *[((f"  {part}", tone),) for part in wrap(value, width - 3)]]
    parts = wrap(value, room) or [""]
    first: Line = ((f" {name:<{size}} ", Tone.DIM), (parts[0], tone))
    return [first, *[((" " * (size + 2), Tone.PLAIN), (part, tone)) for part in parts[1:]]]


def fields(pairs: Iterable[tuple[str, str]], width: int) -> list[Line]:
    """Those that have a value."""
    return [line for name, value in pairs if value for line in field(name, value, width)]


def paragraph(text: str, width: int, tone: Tone = Tone.PLAIN, indent: int = 1) -> list[Line]:
    return [((" " * indent + part, tone),) for part in wrap(text, width - indent - 1)]


def title(text: str) -> Line:
    """The title of a part of a detail."""
    return ((f" {text}", Tone.HEAD),)


def beside(left: Sequence[Line], right: Sequence[Line], width: int) -> list[Line]:
    """Two blocks in one: ``left`` in ``width`` cells, ``right`` behind it."""
    return [
        (
            *fit(left[index] if index < len(left) else (), width),
            ("  ", Tone.PLAIN),
            *(right[index] if index < len(right) else ()),
        )
        for index in range(max(len(left), len(right)))
    ]


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most ``width`` cells; a word that is longer is cut into pieces, not out."""
    width = max(8, width)
    if text.isascii():
        return textwrap.wrap(text, width, break_on_hyphens=False) or ([""] if text else [])
    lines = [""]
    for piece in (piece for word in text.split() for piece in chop_cells(word, width)):
        joined = f"{lines[-1]} {piece}" if lines[-1] else piece
        if cell_len(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(piece)
    return lines if text else []


def cut(text: str, width: int) -> str:
    """``text`` in exactly ``width`` cells; two points say that there is more of it."""
    return pad(text, width - 2) + ".." if cell_len(text) > width > 3 else pad(text, width)


def inside(text: str, width: int) -> str:
    """``text`` in exactly ``width`` cells without its middle: names begin alike and end with a number."""
    if cell_len(text) <= width or width <= 6:
        return pad(text, width)
    tail = ""
    for char in reversed(text):
        if cell_len(char + tail) > (width - 2) // 2:
            break
        tail = char + tail
    return pad(text, width - 2 - cell_len(tail)) + ".." + tail


def pieces(text: str, width: int) -> list[str]:
    """``text`` in pieces of ``width`` characters, as it is: for text whose blanks mean something."""
    width = max(8, width)
    return [text[at : at + width] for at in range(0, len(text), width)] or [""]


@dataclass(frozen=True, slots=True)
class Col:
    """A column of a list. The last one takes what is left, also when that is less than its ``width``.

    ``tail`` is for ids, which begin alike: of a long one the end is shown.
    """

    title: str
    width: int
    right: bool = False
    tail: bool = False


Cell = tuple[str, Tone]


def _placed(cols: Sequence[Col], width: int) -> list[tuple[Col, int]]:
    left = width - 4
    found: list[tuple[Col, int]] = []
    for col in cols:
        if found and col.width + 1 > left:
            if left > SHORTEST and not col.right:  # half a name says more than none; half a number lies
                found.append((col, left - 1))
                left = 0
            break
        found.append((col, col.width))
        left -= col.width + 1
    col, size = found[-1]
    found[-1] = (col, max(1, size + left + 1)) if left > -1 else (col, max(1, size + left))
    return found


def header(cols: Sequence[Col], width: int) -> Line:
    placed = _placed(cols, width)
    return (("    " + " ".join(pad(col.title, size, right=col.right) for col, size in placed), Tone.HEAD),)


def row(cols: Sequence[Col], cells: Sequence[Cell], width: int, cursor: str, mark: Cell) -> Line:
    """One row: cursor and mark first, so that both are there without colour and at any width."""
    spans: list[Span] = [(f" {cursor}", Tone.KEY), (f"{mark[0]:<2}", mark[1])]
    for index, ((col, size), (text, tone)) in enumerate(zip(_placed(cols, width), cells, strict=False)):
        if col.tail and len(text) > size > 3:
            text = ".." + text[2 - size :]
        said = pad(text, size, right=True) if col.right else cut(text, size)
        spans.append(((" " if index else "") + said, tone))
    return tuple(spans)
