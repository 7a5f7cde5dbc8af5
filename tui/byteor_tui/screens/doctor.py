"""Screen 8, Doctor: checks of this host, worst first, each with what to type. Asked for, never by itself."""

from __future__ import annotations

from byteor_tui.model.evidence import Check, Checks, Tuned
from byteor_tui.model.text import wall_clock
from byteor_tui.model.view import View
from byteor_tui.screens.pair import Content, PairScreen
from byteor_tui.screens.text_lines import Cell, Col, field, header, paragraph, row, title
from byteor_tui.tones import Line, Tone

COLS = (Col("CHECK", 22), Col("VERDICT", 8), Col("DETAIL", 20))
ORDER = {"fail": 0, "warn": 1, "pass": 2}
TONES = {"fail": Tone.ALARM, "warn": Tone.WARN, "pass": Tone.GOOD}
MARKS = {"fail": "!", "warn": "?", "pass": " "}


class DoctorScreen(PairScreen):
    """The checks run in a process of their own when the screen is first opened, and again with ``r``."""

    screen_id = "doctor"

    def content(self, view: View, chosen: str | None) -> Content:
        checks = view.checks
        ordered = sorted(checks.rows, key=lambda one: ORDER.get(one.verdict, 1))
        rows = {one.id: one for one in ordered if self.passes(f"{one.id} {one.verdict} {one.detail}", {})}
        found = rows.get(chosen or "")
        counts = ", ".join(
            f"{sum(one.verdict == word for one in checks.rows)} {word}" for word in ("fail", "warn", "pass")
        )
        note = "running ..." if checks.running else counts if checks.rows else "r runs the checks"
        return Content(
            keys=tuple(rows),
            header=lambda width: header(COLS, width),
            row=lambda key, width, cursor: row(COLS, cells(rows[key]), width, cursor, mark(rows[key])),
            note=note,
            detail_title=found.id if found else "Check",
            detail_note=wall_clock(checks.at_unix_ns) if checks.at_unix_ns else "",
            detail=lambda width: [
                *(detail(found, width) if found else []),
                *(history(found, checks, width) if found else []),
                *tuned(view.evidence.tuning, view.frame.name if view.frame is not None else "", width),
            ],
            stamp=(found, checks.at_unix_ns, view.evidence.tuning),
            empty=(checks.error or ("running ..." if checks.running else "no checks yet: r runs them"),),
        )


def mark(one: Check) -> Cell:
    return (MARKS.get(one.verdict, "?"), TONES.get(one.verdict, Tone.WARN))


def cells(one: Check) -> tuple[Cell, ...]:
    return ((one.id, Tone.PLAIN), (one.verdict, TONES.get(one.verdict, Tone.WARN)), (one.detail, Tone.DIM))


def detail(one: Check, width: int) -> list[Line]:
    """What was found and what to type."""
    lines = field("verdict", one.verdict, width, TONES.get(one.verdict, Tone.WARN))
    lines += field("found", one.detail, width)
    if one.fix:
        lines += [(), title("to mend it"), *paragraph(one.fix, width)]
    elif one.verdict == "pass":
        lines += [(), *paragraph("nothing to do", width, Tone.DIM)]
    return lines


def history(one: Check, checks: Checks, width: int) -> list[Line]:
    """What this check said before, the newest first, each time that it said something else."""
    said = [
        (at, was)
        for at, rows in (*checks.before, (checks.at_unix_ns, checks.rows))
        for was in rows
        if was.id == one.id
    ]
    if len(said) < 2:
        return []
    turns = [
        (at, was)
        for index, (at, was) in enumerate(said)
        if not index or (was.verdict, was.detail) != (said[index - 1][1].verdict, said[index - 1][1].detail)
    ]
    lines: list[Line] = [(), title(f"history of this console: {len(said)} runs of the checks")]
    for at, was in reversed(turns):
        lines += field(
            wall_clock(at), f"{was.verdict}: {was.detail}", width, TONES.get(was.verdict, Tone.WARN)
        )
    return lines


def tuned(rows: tuple[Tuned, ...], run: str, width: int) -> list[Line]:
    """What the run asked of this host beside what it got; what it did not get says why."""
    if not rows:
        return []
    lines: list[Line] = [(), title(f"tuning of {run}: requested, applied")]
    for one in rows:
        same = one.status == "applied"
        tone = Tone.GOOD if same else Tone.ALARM if one.status == "failed" else Tone.WARN
        said = (
            f"{one.requested:<12} {one.applied:<16} " if width >= 48 else f"{one.requested} -> {one.applied} "
        )
        lines.append(((f" {one.request:<10} ", Tone.DIM), (said, Tone.PLAIN), (one.status, tone)))
        if one.why:
            lines += paragraph(one.why, width, Tone.WARN, indent=12)
    return lines
