"""Screen 5, Incidents: records, newest first, and the story of the one under the cursor."""

from __future__ import annotations

import msgspec

from byteor_tui.actions.situation import Situation
from byteor_tui.model.bundle_pages import BundlePages
from byteor_tui.model.evidence import AuditRow, Incident
from byteor_tui.model.text import age, count, wall_clock
from byteor_tui.model.view import View
from byteor_tui.screens import timeline_lines
from byteor_tui.screens.pair import Content, PairScreen
from byteor_tui.screens.text_lines import Cell, Col, beside, field, fields, header, paragraph, row, title
from byteor_tui.tones import Line, Tone

COLS = (Col("STATE", 13), Col("AGE", 6, right=True), Col("WHAT", 28), Col("INCIDENT", 12, tail=True))
TONES = {"open": Tone.ALARM, "investigating": Tone.WARN, "explained": Tone.PLAIN, "closed": Tone.DIM}
TIMELINE_FROM = 60
BESIDE_FROM, AUDIT = 110, 52
AROUND_NS = 300_000_000_000


class IncidentsScreen(PairScreen):
    screen_id = "incidents"

    def __init__(self) -> None:
        super().__init__()
        self._chosen: Incident | None = None
        self.wanted_bundle = ""

    def content(self, view: View, chosen: str | None) -> Content:
        found_all = view.evidence.incidents
        rows = {one.id: one for one in found_all.rows if self.passes(f"{one.id} {one.state} {one.title}", {})}
        one = self._chosen = rows.get(chosen or "")
        self.wanted_bundle = one.bundle if one is not None else ""
        now = view.now_unix_ns
        still = sum(row.state not in {"closed", "explained"} for row in found_all.rows)
        return Content(
            keys=tuple(rows),
            header=lambda width: header(COLS, width),
            row=lambda key, width, cursor: row(COLS, cells(rows[key], now), width, cursor, mark(rows[key])),
            note=found_all.error or f"{still} open of {len(found_all.rows)}",
            detail_title=one.id if one else "Incident",
            detail_note=one.state if one else "",
            detail=lambda width: detail(one, view, width) if one else [],
            stamp=(one, view.evidence.audit.size, view.bundle),
            empty=(found_all.error or "no incidents", "i on the Overview makes a bundle of the run"),
        )

    def situation(self, now: Situation) -> Situation:
        return msgspec.structs.replace(now, incident=self._chosen)


def mark(one: Incident) -> Cell:
    return ("!", Tone.ALARM) if one.state == "open" else (" ", Tone.DIM)


def cells(one: Incident, now_unix_ns: int) -> tuple[Cell, ...]:
    return (
        (one.state, TONES.get(one.state, Tone.PLAIN)),
        (age(now_unix_ns - one.at_unix_ns), Tone.DIM),
        (one.title, Tone.PLAIN),
        (one.id, Tone.DIM),
    )


def detail(one: Incident, view: View, width: int) -> list[Line]:
    """Where it lies in time, the record, its bundle in reading order, and what the log says around it."""
    lines = around(one, view, width) if width >= TIMELINE_FROM else []
    if width < BESIDE_FROM:
        told = near(one, view)
        return [*lines, *story(one, view, width), *([(), *told] if told else [])]
    lines += beside(story(one, view, width - AUDIT - 2), near(one, view), width - AUDIT - 2)
    return [*lines, *(sides(view.bundle) if view.bundle.path == one.bundle else [])]


def story(one: Incident, view: View, width: int) -> list[Line]:
    """The record and its bundle."""
    lines: list[Line] = []
    lines += fields(
        (
            ("what", one.title),
            ("state", one.state),
            ("run", one.run_id),
            ("since", wall_clock(one.at_unix_ns)),
            ("bundle", one.bundle),
        ),
        width,
    )
    for name, value in one.fields:
        lines += field(name, value, width)
    if one.bundle:
        lines += [(), title("the bundle, in reading order"), *pages(one, view.bundle, width)]
    return lines


def near(one: Incident, view: View) -> list[Line]:
    """What the log says five minutes around."""
    rows = [row for row in view.evidence.audit.known if abs(row.at_unix_ns - one.at_unix_ns) <= AROUND_NS]
    lines: list[Line] = [title("audit, five minutes around")] if rows else []
    for row_, number in grouped(rows)[-30:]:
        here = ">" if one.run_id and row_.run_id == one.run_id else " "
        times = f" x{number}" if number > 1 else ""
        when = f" {here}{wall_clock(row_.at_unix_ns)} #{row_.seq:<6} "
        who = f"{row_.actor.removeprefix('user:')[:10]:<11}"
        lines.append(((when, Tone.DIM), (who, Tone.DIM), (row_.action, Tone.PLAIN), (times, Tone.DIM)))
    return lines


def sides(found: BundlePages) -> list[Line]:
    """The run in the snapshot before and in the bundle, beside each other."""
    if not found.sides:
        return []
    names = list(dict.fromkeys(one.name for side in found.sides for one in side.workers))
    said = ", ".join(
        f"{'AB'[at]} {side.label} {wall_clock(side.at_unix_ns)}" for at, side in enumerate(found.sides)
    )
    lines: list[Line] = [(), title(said)]
    lines.append(((f" {'STAGE':<14} {'STATE':<18} {'IN':<17} {'OUT':<17} {'LAG':<13} ERRORS", Tone.HEAD),))
    for name in names:
        rows = [side.worker(name) for side in found.sides]
        cells = [
            _turned([show(row) if row is not None else "-" for row in rows])
            for show in (
                lambda row: row.state,
                lambda row: count(row.messages_in),
                lambda row: count(row.messages_out),
                lambda row: count(row.lag),
                lambda row: count(row.errors),
            )
        ]
        bad = rows[-1] is None or rows[-1].state == "failed" or rows[-1].errors > 0
        text = f" {name[:14]:<14} {cells[0]:<18} {cells[1]:<17} {cells[2]:<17} {cells[3]:<13} {cells[4]}"
        lines.append(((text, Tone.ALARM if bad else Tone.PLAIN),))
    return lines


def _turned(values: list[str]) -> str:
    """``A -> B``, or one word when they are the same."""
    return values[0] if len(set(values)) == 1 else " -> ".join(values)


def around(one: Incident, view: View, width: int) -> list[Line]:
    """Ten minutes about it on a line of time."""
    start, end = one.at_unix_ns - AROUND_NS, one.at_unix_ns + AROUND_NS
    here = msgspec.structs.replace(
        view,
        span=(start, min(end, view.now_unix_ns)),
        at_unix_ns=one.at_unix_ns,
        replaying=False,
        moments=tuple(moment for moment in view.moments if start <= moment.at_unix_ns <= end),
    )
    return [*timeline_lines.timeline(here, width - 1, 2), ()]


def pages(one: Incident, found: BundlePages, width: int) -> list[Line]:
    """What each member comes to; then the others by size."""
    if found.path != one.bundle:
        return paragraph("reading it ...", width, Tone.DIM)
    if found.error:
        return paragraph(found.error, width, Tone.ALARM)
    lines: list[Line] = []
    for number, page in enumerate(found.pages, start=1):
        mark = "!" if page.bad else " "
        lines.append(((f" {number} {mark} ", Tone.ALARM if page.bad else Tone.DIM), (page.name, Tone.PLAIN)))
        lines += paragraph(page.said, width, Tone.ALARM if page.bad else Tone.DIM, indent=5)
    rest = ", ".join(f"{name} {count(size)}B" for name, size in found.others)
    lines += paragraph(f"also: {rest}", width, Tone.DIM)
    return [*lines, *paragraph(f"byteor bundle show {one.bundle}", width, Tone.DIM)]


def grouped(rows: list[AuditRow]) -> list[tuple[AuditRow, int]]:
    """Rows of one kind that follow each other as the last of them and their number."""
    found: list[tuple[AuditRow, int]] = []
    for one in rows:
        if found and (found[-1][0].action, found[-1][0].run_id) == (one.action, one.run_id):
            found[-1] = (one, found[-1][1] + 1)
        else:
            found.append((one, 1))
    return found
