"""The third column of a wide Overview: requests with their clocks, incidents, and what the host wants."""

from __future__ import annotations

from byteor_tui.model.text import age, wall_clock
from byteor_tui.model.view import View
from byteor_tui.screens.text_lines import cut
from byteor_tui.tones import Line, Tone

SECOND_NS = 1_000_000_000
TONES = {"pending": Tone.WARN, "approved": Tone.GOOD, "denied": Tone.ALARM, "open": Tone.ALARM}


def approvals(view: View, width: int, height: int) -> list[Line]:
    """Open ones first, each with the time that is left."""
    rows = sorted(view.evidence.approvals.rows, key=lambda one: (not one.open, -one.created))
    now = view.now_unix_ns // SECOND_NS
    lines: list[Line] = []
    for one in rows[:height]:
        left = age((one.ends() - now) * SECOND_NS) if one.ends() else ""
        said = f"{one.requester}: {one.reason}; {one.action} in {one.env}"
        lines.append(
            (
                (f" {one.state:<9}", TONES.get(one.state, Tone.DIM)),
                (f"{one.short} {left:>6}  ", Tone.DIM),
                (cut(said, max(0, width - 28)), Tone.PLAIN),
            )
        )
    return lines or [((" none", Tone.DIM),)]


def incidents(view: View, width: int, height: int) -> list[Line]:
    """The newest, with how far each is."""
    lines: list[Line] = [
        (
            (f" {one.state:<14}", TONES.get(one.state, Tone.DIM)),
            (f"{wall_clock(one.at_unix_ns)}  ", Tone.DIM),
            (cut(one.title, max(0, width - 26)), Tone.PLAIN),
        )
        for one in view.evidence.incidents.rows[:height]
    ]
    return lines or [((" none", Tone.DIM),)]


def checked(view: View) -> str:
    rows = view.checks.rows
    if not rows:
        return "running" if view.checks.running else "8 runs the checks"
    return ", ".join(
        f"{sum(one.verdict == word for one in rows)} {word}" for word in ("fail", "warn", "pass")
    )


def checks(view: View, width: int, height: int) -> list[Line]:
    """What is not as it should be; what passed is a number in the title."""
    bad = [one for one in view.checks.rows if one.verdict != "pass"]
    bad.sort(key=lambda one: one.verdict != "fail")
    lines: list[Line] = [
        (
            (" ! " if one.verdict == "fail" else " ? ", Tone.ALARM if one.verdict == "fail" else Tone.WARN),
            (f"{one.id:<18} ", Tone.PLAIN),
            (cut(one.detail, max(0, width - 23)), Tone.DIM),
        )
        for one in bad[:height]
    ]
    said = "nothing is wrong with this host" if view.checks.rows else "not asked yet"
    return lines or [((f" {said}", Tone.DIM),)]
