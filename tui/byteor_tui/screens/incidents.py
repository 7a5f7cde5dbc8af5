"""Screen 5, Incidents: records, newest first, and the story of the one under the cursor."""

from __future__ import annotations

import msgspec

from byteor_tui.actions.situation import Situation
from byteor_tui.model.evidence import AuditRow, Incident
from byteor_tui.model.text import age, wall_clock
from byteor_tui.model.view import View
from byteor_tui.screens.pair import Content, PairScreen
from byteor_tui.screens.text_lines import Cell, Col, field, fields, header, paragraph, row, title
from byteor_tui.tones import Line, Tone

COLS = (Col("STATE", 13), Col("INCIDENT", 24), Col("AGE", 6, right=True), Col("WHAT", 16))
TONES = {"open": Tone.ALARM, "investigating": Tone.WARN, "explained": Tone.PLAIN, "closed": Tone.DIM}
READING = (
    "spec_validation.json",
    "policy_audit.json",
    "environment.json",
    "single_ring_snapshot.json or lane_graph_state.json",
    "replay_audit.json",
)
AROUND_NS = 300_000_000_000


class IncidentsScreen(PairScreen):
    screen_id = "incidents"

    def __init__(self) -> None:
        super().__init__()
        self._chosen: Incident | None = None

    def content(self, view: View, chosen: str | None) -> Content:
        found_all = view.evidence.incidents
        rows = {one.id: one for one in found_all.rows if self.passes(f"{one.id} {one.state} {one.title}", {})}
        one = self._chosen = rows.get(chosen or "")
        now = view.now_unix_ns
        still = sum(row.state not in {"closed", "explained"} for row in found_all.rows)
        return Content(
            keys=tuple(rows),
            header=lambda width: header(COLS, width),
            row=lambda key, width, cursor: row(COLS, cells(rows[key], now), width, cursor, mark(rows[key])),
            note=found_all.error or f"{still} open of {len(found_all.rows)}",
            detail_title=one.id if one else "Incident",
            detail_note=one.state if one else "",
            detail=lambda width: detail(one, view.evidence.audit.rows, width) if one else [],
            stamp=(one, view.evidence.audit.size),
            empty=(found_all.error or "no incidents", "i on the Overview makes a bundle of the run"),
        )

    def situation(self, now: Situation) -> Situation:
        return msgspec.structs.replace(now, incident=self._chosen)


def mark(one: Incident) -> Cell:
    return ("!", Tone.ALARM) if one.state == "open" else (" ", Tone.DIM)


def cells(one: Incident, now_unix_ns: int) -> tuple[Cell, ...]:
    return (
        (one.state, TONES.get(one.state, Tone.PLAIN)),
        (one.id, Tone.PLAIN),
        (age(now_unix_ns - one.at_unix_ns), Tone.DIM),
        (one.title, Tone.PLAIN),
    )


def detail(one: Incident, audit: tuple[AuditRow, ...], width: int) -> list[Line]:
    """The record, the order in which to read its bundle, and what the log says around it."""
    lines = fields(
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
        lines += [(), title("read in this order")]
        for number, name in enumerate(READING, start=1):
            lines += paragraph(f"{number}  {name}", width)
        lines += paragraph(f"byteor bundle show {one.bundle}", width, Tone.DIM)
    near = [row for row in audit if abs(row.at_unix_ns - one.at_unix_ns) <= AROUND_NS]
    if near:
        lines += [(), title("audit, five minutes around")]
        for row_, number in grouped(near)[-30:]:
            here = ">" if one.run_id and row_.run_id == one.run_id else " "
            times = f"  {number} times" if number > 1 else ""
            when = f" {here}{wall_clock(row_.at_unix_ns)} #{row_.seq:<6} "
            lines.append(((when, Tone.DIM), (row_.action, Tone.PLAIN), (times, Tone.DIM)))
    return lines


def grouped(rows: list[AuditRow]) -> list[tuple[AuditRow, int]]:
    """Rows of one kind that follow each other as the last of them and their number."""
    found: list[tuple[AuditRow, int]] = []
    for one in rows:
        if found and (found[-1][0].action, found[-1][0].run_id) == (one.action, one.run_id):
            found[-1] = (one, found[-1][1] + 1)
        else:
            found.append((one, 1))
    return found
