"""The top bar: which run, how old, how fast, what is wrong. What matters least leaves first."""

from __future__ import annotations

from byteor_tui.tones import Line, Tone, fit, span_width, spread
from byteor_tui.widgets.lines_panel import LinesPanel


class TopBar(LinesPanel):
    """One line of ``Part``s."""


Part = tuple[int, Line]
"""(importance, spans); 0 never leaves."""


def top_line(left: list[Part], right: list[Part], width: int) -> Line:
    """As many parts as fit in ``width`` cells, the least important dropped first, in their order."""
    parts = [(importance, False, spans) for importance, spans in left]
    parts += [(importance, True, spans) for importance, spans in right]
    while True:
        ends = [_join([spans for _, at_right, spans in parts if at_right is side]) for side in (False, True)]
        margin = 1 if width >= 40 else 0
        need = sum(span_width(end) for end in ends) + 2 * margin + (2 if ends[1] else 0)
        weakest = max(parts, key=lambda part: part[0])
        if need <= width or weakest[0] == 0:
            break
        parts.remove(weakest)
    space: Line = ((" " * margin, Tone.PLAIN),) if margin else ()
    return fit((*space, *spread(ends[0], ends[1], max(1, width - 2 * margin)), *space), width)


def _join(groups: list[Line]) -> Line:
    line: list[tuple[str, Tone]] = []
    for spans in groups:
        if line:
            line.append(("  ", Tone.PLAIN))
        line.extend(spans)
    return tuple(line)
