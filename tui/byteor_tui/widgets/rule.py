"""The line above a panel: its title at the left, a word about it at the right."""

from __future__ import annotations

from byteor_tui.glyphs import Glyphs
from byteor_tui.tones import Line, Tone, pad
from byteor_tui.widgets.lines_panel import LinesPanel


class Rule(LinesPanel):
    """One ``rule_line``."""

    def title(self, left: str, right: str, glyphs: Glyphs, tone: Tone = Tone.TITLE) -> None:
        self.show(lambda width, _height: [rule_line(left, right, width, glyphs, tone)])


def rule_line(left: str, right: str, width: int, glyphs: Glyphs, tone: Tone = Tone.TITLE) -> Line:
    """``─ left ───── right ─`` in exactly ``width`` cells; ``right`` leaves first."""
    stroke = glyphs.rule
    tail = f" {right} {stroke}" if right else ""
    gap = width - len(left) - 3 - len(tail)
    if gap < 2:
        tail, gap = "", width - len(left) - 3
    if gap < 1:
        return ((pad(left, width), tone),)
    return ((f"{stroke} ", Tone.DIM), (left, tone), (f" {stroke * gap}", Tone.DIM), (tail, Tone.DIM))
