"""Screen 7, Audit: who did what, newest last; any page of a log of any length; the row's proof on request."""

from __future__ import annotations

from collections import Counter

import msgspec

from byteor_tui.actions.situation import Situation
from byteor_tui.glyphs import Glyphs, bar, trend
from byteor_tui.model.evidence import AuditPage, AuditRow
from byteor_tui.model.text import age, one_line, short_hash, wall_clock
from byteor_tui.model.view import View
from byteor_tui.screens.pair import Content, PairScreen
from byteor_tui.screens.text_lines import (
    Cell,
    Col,
    beside,
    field,
    fields,
    header,
    paragraph,
    pieces,
    row,
    title,
)
from byteor_tui.tones import Line, Tone

COLS = (
    Col("TIME", 8),
    Col("ACTION", 21),
    Col("ACTOR", 8),
    Col("VERDICT", 10),
    Col("ABOUT", 12, tail=True),
)
DECISIONS = {
    "Allow": Tone.GOOD,
    "DryRunOnly": Tone.DIM,
    "RequireApproval": Tone.KEY,
    "Deny": Tone.ALARM,
}
REFUSALS = ("denied", "failed", "killed", "revoked", "refused", "dead")


class AuditScreen(PairScreen):
    """``page`` is a page that somebody leafed to; without one the newest rows are shown as they come."""

    screen_id = "audit"

    def __init__(self) -> None:
        super().__init__()
        self.page: AuditPage | None = None
        self._shown: tuple[AuditRow, ...] = ()
        self._tailing = True  # the cursor stays on the newest row until somebody moves it

    def content(self, view: View, chosen: str | None) -> Content:
        page = self.page or view.evidence.audit
        until = view.at_unix_ns or 1 << 63
        kept = [
            one for one in page.known if one.at_unix_ns <= until and self.passes(said(one), {"seq": one.seq})
        ]
        groups = grouped(kept)
        rows = {str(first.seq): first for first, _ in groups}
        more = {str(first.seq): number for first, number in groups}
        self._shown = page.rows
        newest_row = next(reversed(rows), "")
        if self.wanted in rows and self.wanted != newest_row:  # a link, or the way back, points there
            self._tailing = False
        elif self._tailing and rows:
            self.wanted = newest_row
        found = rows.get(chosen or "")
        newest = page.rows[-1].seq if page.rows else 0
        where = f"{page.size:,} entries" if page.tail else f"to {newest:,} of {page.size:,}"
        return Content(
            keys=tuple(rows),
            header=lambda width: header(COLS, width),
            row=lambda key, width, cursor: row(
                COLS, cells(rows[key], more[key]), width, cursor, mark(rows[key])
            ),
            note=page.error or f"{where}, p n pages",
            detail_title=f"Entry {found.seq}" if found else "Entry",
            detail_note=wall_clock(found.at_unix_ns) if found else "",
            detail=lambda width: (
                with_facets(detail(found, page, width), page, width, view.glyphs) if found else []
            ),
            stamp=(found, page.size, self.page is None),
            empty=(page.error or "no audit entries yet", "byteor run writes the first"),
        )

    def situation(self, now: Situation) -> Situation:
        return msgspec.structs.replace(now, entry=int(self.chosen) if self.chosen.isdigit() else -1)

    def _move(self, by: int) -> None:
        super()._move(by)
        keys = self.table.keys
        self._tailing = self.page is None and bool(keys) and self.table.cursor_key == keys[-1]

    def show_page(self, page: AuditPage) -> None:
        """A page that was leafed to; the newest one shows what comes again."""
        self.page = None if page.tail else page
        self._tailing = page.tail
        self.wanted = str(page.rows[-1].seq) if page.rows else ""

    def first_seq(self) -> int:
        """The oldest row on the page; -1 when there is none."""
        return self._shown[0].seq if self._shown else -1

    def last_seq(self) -> int:
        return self._shown[-1].seq if self._shown else -1


def said(one: AuditRow) -> str:
    return " ".join((one.action, one.actor, one.env, one.run_id, one.decision, one.rule, one.approval_id))


def verdict(one: AuditRow) -> Cell:
    """The decision with its rule, or how it went, from the action's name."""
    if one.decision:
        return (one.decision, DECISIONS.get(one.decision, Tone.WARN))
    bad = any(word in one.action for word in REFUSALS)
    return (
        "refused" if bad and "denied" in one.action else "failed" if bad else "ok",
        Tone.WARN if bad else Tone.DIM,
    )


def mark(one: AuditRow) -> Cell:
    return ("!", Tone.ALARM) if verdict(one)[1] in {Tone.WARN, Tone.ALARM} else (" ", Tone.DIM)


def grouped(rows: list[AuditRow]) -> list[tuple[AuditRow, int]]:
    """Effects of one run that follow each other as the first of them and their number: its key stays."""
    found: list[tuple[AuditRow, int]] = []
    for one in rows:
        first = found[-1][0] if found else None
        if first is not None and one.action.startswith("effect_") and _kind(first) == _kind(one):
            found[-1] = (first, found[-1][1] + 1)
        else:
            found.append((one, 1))
    return found


def _kind(one: AuditRow) -> tuple[str, str, str, str]:
    return one.action, one.actor, one.decision, one.run_id


def cells(one: AuditRow, number: int = 1) -> tuple[Cell, ...]:
    about = one.run_id or (f"approval {one.approval_id[:8]}" if one.approval_id else one.env)
    return (
        (wall_clock(one.at_unix_ns), Tone.DIM),
        (f"{one.action} x{number}" if number > 1 else one.action, Tone.PLAIN),
        (one.actor.removeprefix("user:"), Tone.PLAIN),
        verdict(one),
        (about, Tone.DIM),
    )


def detail(one: AuditRow, page: AuditPage, width: int) -> list[Line]:
    """Everything of the entry, then what else the log says of the same run or approval."""
    lines = fields(
        (
            ("action", one.action),
            ("actor", one.actor),
            ("key", one.kid),
            ("env", one.env),
            ("decision", one.decision),
            ("rule", one.rule),
            ("run", one.run_id),
            ("approval", one.approval_id),
            ("spec", one.spec_hash),
            ("leaf hash", one.leaf_hash),
        ),
        width,
    )
    lines += field("proof", f"v writes one: byteor audit prove --entry={one.seq}", width, Tone.DIM)
    lines += [(), title("body")]
    lines += body(one.body, width) if one.body else paragraph("none, or erased", width, Tone.DIM)
    related = [
        other
        for other in page.known
        if other.seq != one.seq
        and (
            (one.run_id and other.run_id == one.run_id)
            or (one.approval_id and other.approval_id == one.approval_id)
        )
    ]
    if related:
        lines += [(), title(f"same run or approval: {len(related)}")]
        for other in [first for first, _ in grouped(related)][-20:]:
            gap = age(abs(other.at_unix_ns - one.at_unix_ns))
            when = f"{gap} {'after' if other.at_unix_ns >= one.at_unix_ns else 'before'}"
            lines.append(((f" #{other.seq:<6} {when:<14}", Tone.DIM), (other.action, Tone.PLAIN)))
    return lines


def body(text: str, width: int) -> list[Line]:
    """The body's members one a line; what is no object as it is."""
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return [((f" {part}", Tone.PLAIN),) for part in pieces(text, width - 2)]
    lines: list[Line] = []
    label = min(20, max((len(str(name)) for name in document), default=0))
    for name, value in document.items():
        shown = one_line(value if isinstance(value, str) else msgspec.json.encode(value).decode())
        if str(name).endswith("hash") or "sha256" in str(name):
            shown = short_hash(shown) + "  " + shown if len(shown) > 12 else shown
        lines += field(one_line(str(name)), shown, width, label=label)
    return lines


FACETS_FROM, FACETS = 110, 44
FACET_ROWS, DENSITY = 6, 30


def with_facets(lines: list[Line], page: AuditPage, width: int, glyphs: Glyphs) -> list[Line]:
    """Beside the entry, where there is room: what the page is made of, as words for the filter."""
    if width < FACETS_FROM:
        return lines
    return beside(lines, [*facets(page.rows, glyphs), *density(page.rows, glyphs)], width - FACETS - 2)


def facets(rows: tuple[AuditRow, ...], glyphs: Glyphs) -> list[Line]:
    lines: list[Line] = []
    for name, values in (
        ("actions", [one.action for one in rows]),
        ("actors", [one.actor.removeprefix("user:") for one in rows]),
        ("verdicts", [one.decision for one in rows if one.decision]),
        ("environments", [one.env for one in rows if one.env]),
    ):
        counted = Counter(values).most_common(FACET_ROWS)
        if not counted:
            continue
        lines.append(title(f"{name} of {len(rows)} entries"))
        for value, number in counted:
            cells = bar(number, counted[0][1], 10, glyphs)
            lines.append(
                ((f" {value[:22]:<22} ", Tone.PLAIN), (cells, Tone.TREND), (f" {number:>5}", Tone.DIM))
            )
        lines.append(())
    return lines


def density(rows: tuple[AuditRow, ...], glyphs: Glyphs) -> list[Line]:
    """When each actor wrote, from the page's first entry to its last."""
    if len(rows) < 2:
        return []
    start, end = rows[0].at_unix_ns, max(one.at_unix_ns for one in rows)
    span = max(1, end - start)
    cells: dict[str, list[float | None]] = {}
    for one in rows:
        steps = cells.setdefault(one.actor.removeprefix("user:"), [0.0] * DENSITY)
        at = max(0, min(DENSITY - 1, (one.at_unix_ns - start) * DENSITY // span))
        steps[at] = (steps[at] or 0.0) + 1
    busiest = sorted(cells, key=lambda actor: -sum(step or 0 for step in cells[actor]))[:FACET_ROWS]
    lines: list[Line] = [title(f"who wrote when, {wall_clock(start)} to {wall_clock(end)}")]
    for actor in busiest:
        drawn = trend(cells[actor], DENSITY, glyphs, closed=DENSITY, seconds=DENSITY)
        lines.append(((f" {actor[:12]:<12} ", Tone.PLAIN), (drawn, Tone.TREND)))
    return lines
