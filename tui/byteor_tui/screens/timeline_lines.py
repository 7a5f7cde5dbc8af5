"""The timeline: what happened in the last minutes as one line of signs over one of time."""

from __future__ import annotations

from byteor_tui.glyphs import Glyphs
from byteor_tui.model.text import age, wall_clock
from byteor_tui.model.view import Moment, View
from byteor_tui.tones import Line, Tone, pad

WINDOW_NS = 600_000_000_000
TONES = {"!": Tone.ALARM, "A": Tone.WARN, "F": Tone.ALARM, "i": Tone.WARN}


def timeline(view: View, width: int, height: int) -> list[Line]:
    """Signs, axis and, where there is a third row, the newest moment before the cursor in words."""
    if width < 24 or height < 1:
        return []
    start, end = window(view)
    room = width - 2
    shown = [one for one in view.moments if start <= one.at_unix_ns <= end]
    lines = [_signs(shown, start, end, room), axis(view, start, end, room)]
    at = view.at_unix_ns or end
    last = next((one for one in reversed(shown) if one.at_unix_ns <= at), None)
    if last is not None:
        said = f" {last.sign} {wall_clock(last.at_unix_ns)} {last.text}"
        lines.append(((pad(said, min(len(said), width)), Tone.DIM),))
    return lines[:height]


def title(view: View) -> str:
    """What the rule says at its right."""
    covered = age(view.span[1] - view.span[0]) if view.span is not None else "nothing"
    what = "the recording" if view.replaying else "10 min, on tape"
    return f"{what} {covered}  [ ] step  {{ }} event  m mark"


def window(view: View) -> tuple[int, int]:
    """From when to when it goes: ten minutes up to now or around a cursor that is further back, or the
    recording that is gone through.
    """
    if view.replaying and view.span is not None:
        return view.span
    end = view.span[1] if view.span is not None else view.now_unix_ns
    if view.at_unix_ns and view.at_unix_ns < end - WINDOW_NS:
        end = view.at_unix_ns + WINDOW_NS // 2
    return end - WINDOW_NS, end


def _place(unix_ns: int, start: int, end: int, room: int) -> int:
    return max(0, min(room - 1, (unix_ns - start) * room // max(1, end - start)))


def _signs(shown: list[Moment], start: int, end: int, room: int) -> Line:
    """A sign a cell; of several in one cell the gravest stays."""
    cells: dict[int, str] = {}
    grave = "!FiAmrsx^p"
    for one in shown:
        at = _place(one.at_unix_ns, start, end, room)
        if at not in cells or grave.find(one.sign) < grave.find(cells[at]):
            cells[at] = one.sign
    spans: list[tuple[str, Tone]] = [(" ", Tone.PLAIN)]
    done = 0
    for at, sign in sorted(cells.items()):
        spans += [(" " * (at - done), Tone.PLAIN), (sign, TONES.get(sign, Tone.KEY))]
        done = at + 1
    return tuple(spans)


def axis(view: View, start: int, end: int, room: int) -> Line:
    """What is on tape is drawn as a line, before it as dots; the cursor stands where it is."""
    glyphs: Glyphs = view.glyphs
    known = _place(view.span[0], start, end, room) if view.span is not None else room
    cursor = _place(view.at_unix_ns or end, start, end, room)
    cells = [glyphs.gap if at < known else glyphs.rule for at in range(room)]
    left, right = "".join(cells[:cursor]), "".join(cells[cursor + 1 :])
    sign = "|" if not view.at_unix_ns else "V"
    return ((" ", Tone.PLAIN), (left, Tone.DIM), (sign, Tone.KEY), (right, Tone.DIM))
