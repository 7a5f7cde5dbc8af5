"""Screen 8, Doctor: checks of this host, worst first, each with what to type. Asked for, never by itself."""

from __future__ import annotations

import re

from byteor_tui.model.evidence import Check, Checks, Past, Tuned
from byteor_tui.model.text import day_clock, wall_clock
from byteor_tui.model.view import View
from byteor_tui.screens.pair import Content, PairScreen
from byteor_tui.screens.text_lines import Cell, Col, cut, field, header, paragraph, row, title
from byteor_tui.tones import Line, Tone, pad

COLS = (Col("CHECK", 22), Col("VERDICT", 8), Col("DETAIL", 20))
ORDER = {"fail": 0, "warn": 1, "pass": 2}
TONES = {"fail": Tone.ALARM, "warn": Tone.WARN, "pass": Tone.GOOD}
TURNS, WHEN, PAIRS_FROM = 8, 14, 90
FIGURES = re.compile(r"[\d.,]+")
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
                *tuned(view.evidence.tuning, view.frame.name if view.frame is not None else "", width),
                *(history(found, checks, width, view.now_unix_ns) if found else []),
                *compared(checks, width, view.now_unix_ns),
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


def history(one: Check, checks: Checks, width: int, now_unix_ns: int = 0) -> list[Line]:
    """What this check said before on this host, the newest first, each time that it said something else."""
    here = [past for past in (*checks.before, checks.now) if past.host == checks.host]
    last: dict[str, tuple[str, str]] = {}
    turns: list[tuple[Past, Check]] = []
    runs = 0
    for past in here:
        was = next((row for row in past.rows if row.id == one.id), None)
        if was is None:
            continue
        runs += 1
        if last.get(past.profile) != (was.verdict, was.detail):  # a profile judges in its own way
            last[past.profile] = (was.verdict, was.detail)
            turns.append((past, was))
    if runs < 2:
        return []
    lines: list[Line] = [(), title(f"history: {runs} runs of the checks, those that said something else")]
    for past, was in turns[: -TURNS - 1 : -1]:
        under = f" (--profile {past.profile})" if past.profile != checks.profile else ""
        when = day_clock(past.at_unix_ns, now_unix_ns or checks.at_unix_ns)
        said = f"{was.verdict}: {was.detail}{under}"
        lines += field(when, said, width, TONES.get(was.verdict, Tone.WARN), label=WHEN)
    if len(turns) > TURNS:
        lines += paragraph(f"and {len(turns) - TURNS} before", width, Tone.DIM)
    return lines


def other_side(checks: Checks) -> Past | None:
    """What to hold this host beside: the newest result of another one, else this one's oldest."""
    others = [past for past in checks.before if past.host != checks.host]
    return others[-1] if others else next(iter(checks.before), None)


def compared(checks: Checks, width: int, now_unix_ns: int = 0) -> list[Line]:
    """This host beside another, or beside itself some time ago: facts, then checks, what differs marked."""
    other = other_side(checks)
    if other is None or width < PAIRS_FROM:
        return []
    when = day_clock(other.at_unix_ns, now_unix_ns or checks.at_unix_ns)
    half = (width - 21) // 2
    heads = (f"{checks.host} now", f"{other.host} {when}")
    lines: list[Line] = [
        (),
        title("hosts compared" if other.host != checks.host else "this host, then and now"),
    ]
    lines.append(((f"   {'':<16} {pad(heads[0], half)} {heads[1]}", Tone.HEAD),))
    then, was = dict(other.facts), {row.id: row for row in other.rows}
    pairs = [
        (name, Check(name, "", said), Check(name, "", then.get(name, "-"))) for name, said in checks.facts
    ]
    pairs += [(row.id, row, was.get(row.id, Check(row.id, "-", "not checked"))) for row in checks.rows]
    differ = [pair for pair in pairs if not alike(*pair[1:])]
    for name, mine, theirs in differ:
        lines.append(
            (
                (" ~ ", Tone.WARN),
                (f"{pad(name, 16)} ", Tone.DIM),
                (f"{cut(_said(mine), half)} ", TONES.get(mine.verdict, Tone.PLAIN)),
                (cut(_said(theirs), half), TONES.get(theirs.verdict, Tone.PLAIN)),
            )
        )
    return [*lines, ((f"   {len(pairs) - len(differ)} of {len(pairs)} alike", Tone.DIM),)]


def alike(one: Check, other: Check) -> bool:
    """A fact to the letter; a check in its verdict and words, whatever it counted just then."""
    if one.verdict != other.verdict or not one.verdict:
        return (one.verdict, one.detail) == (other.verdict, other.detail)
    return bool(FIGURES.sub("#", one.detail) == FIGURES.sub("#", other.detail))


def _said(one: Check) -> str:
    return f"{one.verdict}: {one.detail}" if one.verdict else one.detail


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
