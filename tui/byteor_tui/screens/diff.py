"""Screen 4, Diff: what runs against what is on disk, or any version; findings of a saved file at once."""

from __future__ import annotations

from collections.abc import Iterable

from byteor_tui.model.evidence import AuditRow
from byteor_tui.model.frame import Mark
from byteor_tui.model.specs import DiffLine, SpecFacts, SpecText
from byteor_tui.model.text import numbered, short_hash, wall_clock
from byteor_tui.model.topology import chain
from byteor_tui.model.view import View
from byteor_tui.screens.overview_lines import topology
from byteor_tui.screens.pair import Content, PairScreen
from byteor_tui.screens.text_lines import Cell, Col, field, header, paragraph, pieces, row, title
from byteor_tui.tones import Line, Tone, pad

COLS = (Col("CHANGE", 9), Col("WHERE", 16))
MARKS = {"added": "+", "removed": "-", "changed": "~", "renamed": ">", "rewired": "@"}
SPLIT_FROM, GRAPH_ROWS = 110, 6
READING = ("reading the specs ...",)
NOTHING = SpecFacts()
NOT_HERE = ("the asked spec is not on this host", "start with --spec FILE, or run from its folder")


class DiffScreen(PairScreen):
    """Left: differences by structure, problems first. Right: hunks of the canonical texts."""

    screen_id = "diff"

    def __init__(self) -> None:
        super().__init__()
        self.wanted_side = ""

    def _compared(self, view: View) -> tuple[SpecFacts, tuple[str, ...]]:
        """What is to be shown, and what is said where there is nothing: of a request its two specs alone."""
        if not self.request:
            self.wanted_side = ""
            return (view.specs, empty(view.specs)) if not view.specs.request else (NOTHING, READING)
        asked = next((one for one in view.evidence.approvals.rows if one.request_id == self.request), None)
        self.wanted_side = asked.spec_hash if asked is not None else ""
        if asked is None:
            return NOTHING, (f"the request {self.request} is not on this host",)
        if view.specs.request != asked.spec_hash:
            return NOTHING, READING
        return view.specs, NOT_HERE if view.specs.b is None else empty(view.specs)

    def content(self, view: View, chosen: str | None) -> Content:
        facts, nothing = self._compared(view)
        audit = view.evidence.audit
        rows = {key: cells for key, cells in _rows(facts) if self.passes(key, {})}
        note = (
            "the same spec"
            if same(facts)
            else numbered(len(facts.changes), "change")
            if facts.b
            else "no file"
        )
        if self.request:
            note = f"request {self.request[:8]}" + (f", {note}" if facts is not NOTHING else "")
        if facts.problems:
            note = f"{numbered(len(facts.problems), 'problem')}, {note}"
        return Content(
            keys=tuple(rows),
            header=lambda width: header(COLS, width),
            row=lambda key, width, cursor: row(COLS, rows[key][1:], width, cursor, rows[key][0]),
            note=note,
            detail_title=f"{_label(facts.a)} -> {_label(facts.b)}",
            detail_note=numbered(facts.hunks, "hunk") if facts.hunks else "",
            detail=lambda width: detail(facts, chosen or "", width, audit.known),
            stamp=(id(facts), chosen, started_by(facts.a, audit.known), started_by(facts.b, audit.known)),
            empty=nothing,
        )

    def act_next(self) -> None:
        if not self.uncover_detail():
            self._to_hunk(1)

    def act_previous(self) -> None:
        self._to_hunk(-1)

    def _to_hunk(self, by: int) -> None:
        panel = self.detail_panel
        starts = [
            index for index, line in enumerate(panel.all_lines) if line and line[0][0].startswith(" @@")
        ]
        after = [index for index in starts if index > panel.top] if by > 0 else []
        before = [index for index in starts if index < panel.top] if by < 0 else []
        if after:
            panel.to_line(after[0])
        elif before:
            panel.to_line(before[-1])


def same(facts: SpecFacts) -> bool:
    return facts.a is not None and facts.b is not None and facts.a.spec_hash == facts.b.spec_hash != ""


def empty(facts: SpecFacts) -> tuple[str, ...]:
    if same(facts):
        return ("the same spec: nothing differs",)
    if facts.a is None:
        return ("no run is open, so there is nothing to compare with",)
    if facts.b is None:
        return ("no file of this pipeline found here", "f names one, v takes a version of another run")
    return ("nothing differs by structure",)


def _label(side: SpecText | None) -> str:
    if side is None:
        return "-"
    return f"{side.label} {short_hash(side.spec_hash)}".strip()


def _rows(facts: SpecFacts) -> Iterable[tuple[str, tuple[Cell, ...]]]:
    for number, problem in enumerate(facts.problems):
        where = f"line {problem.place}: {problem.message}" if problem.place else problem.message
        yield (
            f"problem {number} {problem.code}",
            (("!", Tone.ALARM), (problem.code, Tone.ALARM), (where, Tone.PLAIN)),
        )
    for name in facts.gained:
        yield f"gains {name}", (("!", Tone.ALARM), ("gains", Tone.ALARM), (f"capability {name}", Tone.PLAIN))
    for name in facts.lost:
        yield f"loses {name}", ((" ", Tone.DIM), ("loses", Tone.GOOD), (f"capability {name}", Tone.PLAIN))
    for change in facts.changes:
        sign = (MARKS.get(change.op, " "), Tone.WARN)
        said = f"{change.path}  {change.text}"
        yield f"{change.op} {change.path}", (sign, (change.op, Tone.PLAIN), (said, Tone.PLAIN))


def started_by(side: SpecText | None, audit: tuple[AuditRow, ...]) -> str:
    """Who last started this spec, when and under which approval, as the audit log tells, or empty."""
    if side is None or not side.spec_hash:
        return ""
    started = (one for one in reversed(audit) if one.action == "run_started")
    found = next((one for one in started if one.spec_hash == side.spec_hash), None)
    if found is None:
        return ""
    under = f", approval {found.approval_id[:8]}" if found.approval_id else ""
    who = found.actor.removeprefix("user:")
    return f"{who} at {wall_clock(found.at_unix_ns)} in {found.env}{under}, audit #{found.seq}"


def touched(facts: SpecFacts) -> tuple[set[str], list[str]]:
    """The nodes of the graph that a difference names, and those that take from them, near ones first."""
    nodes = {name for edge in facts.topology.edges for name in (edge.source, edge.target)}
    hit = {part for change in facts.changes for part in change.path.split(".") if part in nodes}
    behind: list[str] = []
    wave = sorted(hit)
    while wave:
        wave = [
            name
            for one in wave
            for name in facts.topology.after(one)
            if name not in hit and name not in behind
        ]
        behind += dict.fromkeys(wave)
    return hit, behind


def affected(facts: SpecFacts, width: int) -> list[Line]:
    """The graph that runs, what changes marked in it, and whom it reaches."""
    hit, behind = touched(facts)
    if not hit:
        return []
    marks = dict.fromkeys(hit, Mark.ALERT)
    drawn = chain(facts.topology, width - 2, GRAPH_ROWS)
    lines: list[Line] = [(), title("what it touches"), *(topology(pieces, marks) for pieces in drawn)]
    lines += paragraph("changes: " + ", ".join(sorted(hit)), width, Tone.ALARM)
    return lines + paragraph("behind it: " + (", ".join(behind) or "nothing"), width, Tone.DIM)


def detail(facts: SpecFacts, chosen: str, width: int, audit: tuple[AuditRow, ...] = ()) -> list[Line]:
    """The chosen difference in full, then every hunk: beside each other where there is room."""
    lines: list[Line] = []
    for side, name in ((facts.a, "from"), (facts.b, "to")):
        if side is not None:
            lines += field(name, f"{side.name or side.label}  {side.spec_hash or 'not a right spec'}", width)
            lines += field("", side.path, width, Tone.DIM)
            if who := started_by(side, audit):
                lines += field("", f"started by {who}", width, Tone.DIM)
    for number, problem in enumerate(facts.problems):
        if not lines or number == 0:
            lines += [(), title("problems of the file as it is now")]
        place = f"line {problem.place} " if problem.place else ""
        lines += paragraph(f"{problem.code} {place}{problem.message}", width, Tone.ALARM)
    found = next((one for one in facts.changes if f"{one.op} {one.path}" == chosen), None)
    if found is not None:
        lines += [(), title(f"{found.op} {found.path}"), *paragraph(found.text, width)]
    if facts.gained:
        lines += [(), *paragraph("gains: " + ", ".join(facts.gained), width, Tone.ALARM)]
    if width >= SPLIT_FROM:
        lines += affected(facts, width)
    lines.append(())
    if width >= SPLIT_FROM:
        return lines + split_lines(facts.diff, width)
    return lines + [line for one in facts.diff for line in hunk_line(one, width)]


TONES = {"@": Tone.HEAD, "-": Tone.ALARM, "+": Tone.GOOD, " ": Tone.PLAIN}


def hunk_line(one: DiffLine, width: int) -> list[Line]:
    """One line of a hunk in as many lines as it needs: what decides is not cut off."""
    if one.op == "@":
        return [((f" @@ {one.hunk + 1}  {one.text}", Tone.HEAD),)]
    parts = pieces(one.text, width - 4)
    tone = TONES[one.op]
    return [((f" {one.op if not index else ' '} {part}", tone),) for index, part in enumerate(parts)]


def split_lines(diff: tuple[DiffLine, ...], width: int) -> list[Line]:
    """Old at the left, new at the right; removed and added lines beside each other."""
    half = (width - 5) // 2
    lines: list[Line] = []
    old: list[str] = []
    new: list[str] = []

    def flush() -> None:
        for index in range(max(len(old), len(new))):
            left = pieces(old[index], half - 2) if index < len(old) else [""]
            right = pieces(new[index], half - 2) if index < len(new) else [""]
            for part in range(max(len(left), len(right))):
                a = left[part] if part < len(left) else ""
                b = right[part] if part < len(right) else ""
                lines.append(
                    (
                        (pad(f" - {a}" if a else "", half), Tone.ALARM),
                        (" | ", Tone.DIM),
                        (f"+ {b}" if b else "", Tone.GOOD),
                    )
                )
        old.clear()
        new.clear()

    for one in diff:
        if one.op == "-":
            old.append(one.text)
            continue
        if one.op == "+":
            new.append(one.text)
            continue
        flush()
        if one.op == "@":
            lines.append(((f" @@ {one.hunk + 1}  {one.text}", Tone.HEAD),))
            continue
        for part in pieces(one.text, half - 4):
            lines.append(
                ((pad(f"   {part}", half), Tone.PLAIN), (" | ", Tone.DIM), (f"  {part}", Tone.PLAIN))
            )
    flush()
    return lines
