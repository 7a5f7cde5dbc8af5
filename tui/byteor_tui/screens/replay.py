"""Screen 6, Replay: what was replayed, what came of it, and where the first difference is, field by field."""

from __future__ import annotations

import msgspec

from byteor_tui.actions.situation import Situation
from byteor_tui.model.evidence import Approval
from byteor_tui.model.replays import DIFFERENCES, Replay
from byteor_tui.model.text import age, short_hash, wall_clock
from byteor_tui.model.view import View
from byteor_tui.screens.pair import Content, PairScreen
from byteor_tui.screens.text_lines import Cell, Col, field, fields, header, paragraph, pieces, row, title
from byteor_tui.tones import Line, Tone

COLS = (Col("VERDICT", 12), Col("REPLAY", 24), Col("AGE", 6, right=True), Col("MODE", 12))


class ReplayScreen(PairScreen):
    screen_id = "replay"

    def __init__(self) -> None:
        super().__init__()
        self.selected: Replay | None = None
        self._approvals: tuple[Approval, ...] = ()

    def content(self, view: View, chosen: str | None) -> Content:
        rows = {
            one.id: one
            for one in view.evidence.replays
            if self.passes(f"{one.id} {one.source} {one.verdict}", {})
        }
        self._approvals = view.evidence.approvals.rows
        one = self.selected = rows.get(chosen or "")
        now = view.now_unix_ns
        return Content(
            keys=tuple(rows),
            header=lambda width: header(COLS, width),
            row=lambda key, width, cursor: row(COLS, cells(rows[key], now), width, cursor, mark(rows[key])),
            note=f"{sum(row.diverged for row in rows.values())} diverged of {len(rows)}",
            detail_title=f"{one.id}  {one.mode}" if one else "Replay",
            detail_note=f"effects withheld {one.withheld}" if one and one.withheld else "",
            detail=lambda width: detail(one, width) if one else [],
            stamp=one,
            empty=(
                "no replays yet",
                "r on an incident or on the Overview: a dry run of what was captured",
            ),
        )

    def situation(self, now: Situation) -> Situation:
        one = self.selected
        if one is None:
            return now
        passed = one.certificate if one.mode == "dry_run" and one.verdict == "equal" else ""
        approved = next((asked.request_id for asked in self._approvals if covers(asked, one)), "")
        return msgspec.structs.replace(now, replay=one.what, certificate=passed, approved_request=approved)

    def act_next(self) -> None:
        self.detail_panel.scroll_by_lines(self.detail_panel.size.height - 2)

    def act_previous(self) -> None:
        self.detail_panel.scroll_by_lines(2 - self.detail_panel.size.height)


def covers(asked: Approval, one: Replay) -> bool:
    """Whether an approval is one to execute replays of this spec."""
    return asked.action == "replay_execute" and asked.state == "approved" and asked.spec_hash == one.spec_hash


def mark(one: Replay) -> Cell:
    return ("!", Tone.ALARM) if one.verdict != "equal" else (" ", Tone.DIM)


def cells(one: Replay, now_unix_ns: int) -> tuple[Cell, ...]:
    return (
        (one.verdict, Tone.GOOD if one.verdict == "equal" else Tone.ALARM),
        (one.what, Tone.PLAIN),
        (age(now_unix_ns - one.at_unix_ns), Tone.DIM),
        (f"{one.mode}, {one.records:,} records", Tone.PLAIN),
    )


def detail(one: Replay, width: int) -> list[Line]:
    """Counts per verdict, the first divergence with both payloads, policy's decisions."""
    lines = fields(
        (
            ("of", one.source),
            ("mode", one.mode),
            ("at", wall_clock(one.at_unix_ns)),
            ("spec", short_hash(one.spec_hash)),
            ("records", f"{one.records:,}"),
            ("certificate", one.certificate or "none"),
        ),
        width,
    )
    lines += [(), title("outputs, recorded against replayed")]
    for name, number in one.counts:
        tone = Tone.GOOD if name == "equal" else Tone.ALARM if number and name in DIFFERENCES else Tone.DIM
        lines.append(((f" {name:<10} ", Tone.DIM), (f"{number:>12,}", tone)))
    if one.failed:
        lines += [(), *field("failed", one.failed, width, Tone.ALARM)]
    if one.first:
        lines += [(), title(f"first divergence: {one.first}")]
        if one.expected or one.actual:
            lines += payloads(one.expected, one.actual, width)
    if one.decisions:
        lines += [(), title("policy decisions during the replay")]
        for name, number in one.decisions:
            lines.append(((f" {number:>10,} ", Tone.PLAIN), (name, Tone.PLAIN)))
    verdict = f"verdict: {one.verdict}"
    return [*lines, (), *paragraph(verdict, width, Tone.GOOD if one.verdict == "equal" else Tone.ALARM)]


def payloads(expected: str, actual: str, width: int) -> list[Line]:
    """Both payloads and, where both are JSON objects, the fields that differ."""
    lines: list[Line] = []
    for name, text in (("recorded", expected), ("replayed", actual)):
        for index, part in enumerate(pieces(text, width - 14)):
            lines.append(((f" {name if not index else '':<10} ", Tone.DIM), (part, Tone.PLAIN)))
    for path, a, b in differing(expected, actual):
        lines += field("field", f"{path}  {a} -> {b}", width, Tone.WARN)
    return lines


def differing(expected: str, actual: str) -> list[tuple[str, str, str]]:
    """(path, recorded, replayed) of every field that differs between two JSON texts; none for other text."""
    try:
        a, b = msgspec.json.decode(expected), msgspec.json.decode(actual)
    except (msgspec.DecodeError, UnicodeError):
        return []
    return list(_walk("", a, b))


def _walk(path: str, a: object, b: object) -> list[tuple[str, str, str]]:
    if isinstance(a, dict) and isinstance(b, dict):
        names = dict.fromkeys([*a, *b])
        return [
            row
            for name in names
            for row in _walk(f"{path}.{name}" if path else str(name), a.get(name, _NONE), b.get(name, _NONE))
        ]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [
            row
            for index, pair in enumerate(zip(a, b, strict=True))
            for row in _walk(f"{path}[{index}]", *pair)
        ]
    return [] if a == b and type(a) is type(b) else [(path or "the whole", _text(a), _text(b))]


_NONE = object()


def _text(value: object) -> str:
    return "absent" if value is _NONE else msgspec.json.encode(value).decode()
