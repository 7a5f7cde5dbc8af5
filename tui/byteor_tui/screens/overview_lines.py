"""The Overview's lines apart from the stage table: values in, toned lines out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rich.cells import cell_len

from byteor_tui.glyphs import Glyphs, bar, chart, charted
from byteor_tui.model.frame import Frame, Mark, Need, RingFill, StageRow
from byteor_tui.model.text import age, count, milliseconds, percent, short_hash, wall_clock
from byteor_tui.model.view import LogEntry, View, mode_word
from byteor_tui.screens.delta import of_run
from byteor_tui.screens.text_lines import field, inside, wrap
from byteor_tui.tones import Line, Span, Tone, pad, span_width, spread
from byteor_tui.widgets.top_bar import Part, top_line

_MODE_TONES = {
    "LIVE": Tone.GOOD,
    "FINISHED": Tone.PLAIN,
    "STOPPED": Tone.PLAIN,
    "FAILED": Tone.ALARM,
    "DEAD": Tone.ALARM,
}

SECOND_NS = 1_000_000_000
TWO_CHARTS, TALLEST_CHART = 22, 16
CHART_MARGIN = 4


def top(view: View, width: int) -> Line:
    """The top bar of a run."""
    frame, word = view.frame, mode_word(view)
    tone = Tone.KEY if view.replaying or view.kind else _MODE_TONES.get(word, Tone.WARN)
    mode: Line = ((word, tone), (f" {_mode_age(view)}", Tone.DIM))
    pace = f"{view.hz:.0f} Hz {100 * view.cpu_share:.0f}%" + (f" {view.pace_note}" if view.pace_note else "")
    right: list[Part] = [(7, ((pace, Tone.DIM),))]
    if view.evidence.audit.size:
        right.insert(0, (10, ((f"audit #{view.evidence.audit.size - 1}", Tone.DIM),)))
    if view.evidence.audit.error:
        right.insert(0, (1, (("audit ?", Tone.WARN),)))
    if frame is None:
        waiting = [(3, (("byteor", Tone.TITLE),)), (0, mode), *_waiting(view)]
        return top_line(waiting, right, width)
    against = ("", "")
    if view.pinned is not None:
        rate, p99 = of_run(frame, view.pinned)
        against = (f" ({rate})", f" ({p99})")
    alerts = sum(need.mark is Mark.ALERT for need in frame.needs)
    unknown = len(frame.needs) - alerts
    left: list[Part] = [
        (9, (("byteor", Tone.TITLE),)),
        (1, (((frame.env or view.env).upper(), Tone.HEAD),)),
        (0, mode),
        (4, ((frame.name, Tone.TITLE),)),
        (8, ((short_hash(frame.spec_hash), Tone.DIM),)),
        (2, ((_rate(frame) + against[0], Tone.PLAIN),)),
        (5, ((f"p99 {_ms(frame.p99_ns)}{against[1]}", Tone.PLAIN),)),
    ]
    if frame.errors:
        left.append((3, ((f"err {count(frame.errors)}", Tone.ALARM),)))
    if alerts:
        left.append((1, ((f"!{alerts}", Tone.ALARM),)))
    if unknown:
        left.append((1, ((f"?{unknown}", Tone.WARN),)))
    left += _waiting(view)
    return top_line([part for part in left if part[1][0][0]], right, width)


def _waiting(view: View) -> list[Part]:
    """What waits for people, and what this console may not do."""
    parts: list[Part] = []
    if view.open_requests:
        parts.append((1, ((f"A{view.open_requests}", Tone.WARN),)))
    still = sum(one.state == "open" for one in view.evidence.incidents.rows)
    if still:
        parts.append((2, ((f"INC {still}", Tone.WARN),)))
    frozen = [one.name for one in view.evidence.environments if one.frozen]
    if frozen:
        parts.append((1, ((f"FROZEN {','.join(frozen)}", Tone.ALARM),)))
    if view.pinned is not None:
        parts.append((5, ((f"A/B {wall_clock(view.pinned.taken_unix_ns)}", Tone.KEY),)))
    if view.read_only:
        parts.append((4, (("RO", Tone.HEAD),)))
    return parts


def _mode_age(view: View) -> str:
    frame = view.frame
    if view.replaying and view.player is not None:
        return f"{view.player.speed:g}x {'PLAYING' if view.player.playing else 'PAUSED'}"
    if frame is not None and view.kind == "snapshot":
        return f"{age(view.now_unix_ns - frame.taken_unix_ns)} old"
    if frame is not None and frame.ended:
        return f"{age(frame.quiet_ns + view.age_ns)} ago"
    return age(view.paused_ns if view.paused_ns is not None else view.age_ns)


def _rate(frame: Frame) -> str:
    if frame.ended:
        return f"{count(frame.messages_out or frame.messages_in)} msg"
    return "" if frame.rate_per_s is None else f"{count(frame.rate_per_s)}/s"


def _ms(ns: int) -> str:
    text = milliseconds(ns)
    return text if text == "-" or text.endswith("s") else f"{text} ms"


def rings(frame: Frame, width: int, height: int, glyphs: Glyphs) -> list[Line]:
    """A ring a line: how full, and who everybody waits for."""
    if not frame.rings:
        return [(("  none: a run that ended well removes its ring", Tone.DIM),)]
    fullest = sorted(
        frame.rings, key=lambda ring: -(ring.in_flight / ring.capacity if ring.capacity else 0.0)
    )
    size = min(20, max(8, *(cell_len(ring.name) for ring in frame.rings)))
    return [_ring(ring, width, glyphs, size) for ring in fullest[:height]]


def _ring(ring: RingFill, width: int, glyphs: Glyphs, size: int) -> Line:
    share = ring.in_flight / ring.capacity if ring.capacity else 0.0
    tone = Tone.WARN if share >= 0.9 else Tone.TREND
    share_text = percent(ring.in_flight, ring.capacity)
    figures = f" {share_text:>5}  {count(ring.in_flight)} of {count(ring.capacity)} slots"
    if ring.dropped:
        figures += f", {count(ring.dropped)} dropped"
    slowest = f"  min gate {ring.slowest}" if ring.slowest else ""
    name = f"  {inside(ring.name, size)} "
    cells = min(40, width - cell_len(name) - len(figures) - len(slowest) - 2)
    if cells < 8:
        slowest, cells = "", max(4, min(40, width - cell_len(name) - len(figures) - 1))
    line: list[Span] = [(name, Tone.PLAIN), (bar(ring.in_flight, ring.capacity, cells, glyphs), tone)]
    line += [(figures, Tone.PLAIN), (slowest, Tone.DIM)]
    if not ring.known:
        line.append(("  ? depth not readable", Tone.WARN))
    if not ring.consistent:
        line.append(("  ? cursors disagree", Tone.WARN))
    return tuple(line)


def needs_of(view: View) -> tuple[Need, ...]:
    """Alerts of the run, requests with their clocks, open incidents: what needs a person, in order."""
    frame = view.frame
    now_s = view.now_unix_ns // SECOND_NS
    asked = [
        Need(
            Mark.APPROVAL,
            row.created * SECOND_NS,
            f"{row.env} {row.short}",
            f"{row.action}: {row.requester} asks: {row.reason}; {age((row.ends() - now_s) * SECOND_NS)} left",
        )
        for row in view.evidence.approvals.rows
        if row.open
    ]
    open_incidents = [
        Need(Mark.INCIDENT, one.at_unix_ns, one.id, one.title)
        for one in view.evidence.incidents.rows
        if one.state == "open"
    ]
    told = view.handover
    left = (
        []
        if told is None
        else [Need(Mark.HANDOVER, told.at_unix_ns, told.actor, f"handover #{told.audit_seq}: H reads it")]
    )
    return (*(frame.needs if frame is not None else ()), *asked, *open_incidents, *left)


def needs(found: tuple[Need, ...], width: int, height: int) -> list[Line]:
    """The lines of *needs you*, alerts first, wrapped into the rows there are; the rest is counted."""
    if not found:
        return [(("  nothing", Tone.DIM),)]
    shown = found[:height] if len(found) <= height else found[: max(0, height - 1)]
    lines: list[Line] = []
    for index, need in enumerate(shown):
        rows_after = len(shown) - index - 1
        lines += _need(need, width, max(1, height - len(lines) - rows_after))
    if len(shown) < len(found):
        lines.append(((f"   and {len(found) - len(shown)} more", Tone.WARN),))
    return lines


def _need(need: Need, width: int, height: int) -> list[Line]:
    tone = Tone.ALARM if need.mark is Mark.ALERT else Tone.WARN
    start: Line = (
        (f" {need.mark.value} ", tone),
        (f"{wall_clock(need.since_unix_ns)} ", Tone.DIM),
        (inside(need.subject, min(16, max(13 if width >= 50 else 8, width // 6))) + " ", tone),
    )
    indent = span_width(start)
    parts = wrap(need.text, max(10, width - indent - 1)) or [""]
    more = [((" " * indent + part, Tone.PLAIN),) for part in parts[1:height]]
    return [(*start, (parts[0], Tone.PLAIN)), *more]


def log(entries: tuple[LogEntry, ...], width: int, height: int) -> list[Line]:
    """The newest rows, newest last. What is said is wrapped: a path that is cut is of no use to anybody."""
    rows: list[Line] = []
    for entry in reversed(entries):
        if len(rows) >= height:
            break
        rows = [*(_act(entry, width) if entry.command else _saying(entry, width)), *rows]
    return rows[-height:] if height > 0 else []


def _when(entry: LogEntry) -> Span:
    return (f" {wall_clock(entry.at_unix_ns)} ", Tone.DIM)


def _act(entry: LogEntry, width: int) -> list[Line]:
    """One row: the outcome is always there, the command line is cut (``y`` copies all of it)."""
    word = "..." if entry.ok is None else "ok" if entry.ok else "FAILED"
    audit = "" if entry.audit_seq is None else f"  audit #{entry.audit_seq}"
    outcome: Line = ((word, Tone.GOOD if entry.ok else Tone.WARN), (f"{audit} ", Tone.DIM))
    room = max(0, width - span_width((_when(entry),)) - span_width(outcome) - 2)
    text = f"$ {entry.text}"
    if cell_len(text) > room:
        text = pad(text, max(0, room - 3)) + "..."[:room]
    return [spread((_when(entry), (text, Tone.PLAIN)), outcome, width)]


def _saying(entry: LogEntry, width: int) -> list[Line]:
    when = _when(entry)
    indent = span_width((when,))
    tone = Tone.WARN if entry.ok is False else Tone.PLAIN
    parts = wrap(entry.text, max(10, width - indent - 1)) or [""]
    return [(when, (parts[0], tone)), *[((" " * indent, Tone.PLAIN), (part, tone)) for part in parts[1:]]]


def topology(pieces: list[tuple[str, str]], marks: Mapping[str, Mark]) -> Line:
    """One line of the graph; who needs somebody is marked in the name itself."""
    spans: list[Span] = [(" ", Tone.PLAIN)]
    for text, name in pieces:
        mark = marks.get(name, Mark.NONE)
        if not name:
            spans.append((text, Tone.DIM))
        elif mark is Mark.NONE:
            spans.append((text, Tone.PLAIN))
        else:
            spans.append((text, Tone.ALARM if mark is Mark.ALERT else Tone.WARN))
    return tuple(spans)


def facts(frame: Frame, width: int) -> list[Line]:
    """What is true of the run as a whole."""
    pairs = (
        ("run", frame.run_id),
        ("state", frame.state),
        ("spec", frame.spec_hash[:23]),
        ("started", wall_clock(frame.started_unix_ns)),
        (
            "lasted" if frame.ended else "up",
            age(frame.taken_unix_ns - frame.quiet_ns - frame.started_unix_ns),
        ),
        ("pid", str(frame.pid)),
        ("in", f"{frame.messages_in:,}"),
        ("out", f"{frame.messages_out:,}"),
        ("errors", f"{frame.errors:,}"),
    )
    return [((f"  {name:<9}", Tone.DIM), (value, Tone.PLAIN)) for name, value in pairs]


def detail_figures(row: StageRow, width: int) -> list[Line]:
    """What a stage is, where it runs and what it has done, in lines that fit."""
    pairs = [pair for line in _figures(row) for pair in line]
    lines: list[Line] = []
    line: list[tuple[str, str]] = []
    used = 2
    for name, value in pairs:
        size = cell_len(name) + cell_len(value) + 4
        if line and used + size > width:
            lines.append(_pairs(tuple(line)))
            line, used = [], 2
        if 2 + size - 3 > width:  # alone too long for a line; the blanks behind it do not count
            lines += [((" " + part[0][0], part[0][1]), *part[1:]) for part in field(name, value, width - 1)]
        else:
            line.append((name, value))
            used += size
    return [*lines, _pairs(tuple(line))] if line else lines


def _figures(row: StageRow) -> tuple[tuple[tuple[str, str], ...], ...]:
    place = f"{row.where}, pid {row.pid}" if row.pid else row.where
    return (
        (("key", row.key or "-"), ("role", row.role), ("runs in", place)),
        (
            ("in", f"{row.messages_in:,}"),
            ("out", f"{row.messages_out:,}"),
            ("filtered", f"{row.filtered:,}"),
            ("errors", f"{row.errors:,}"),
            ("p50", _ms(row.p50_ns)),
            ("p99", _ms(row.p99_ns)),
        ),
    )


def detail(row: StageRow | None, width: int, height: int, glyphs: Glyphs) -> list[Line]:
    """The stage under the cursor: its figures, then its rate over the last minute as a chart."""
    if row is None:
        return []
    lines: list[Line] = [_pairs(line) for line in _figures(row)]
    if row.note:
        lines.append(_pairs((("note", row.note),)))
    if not row.trend:
        return [*lines, (("  no rates yet: they are collected while somebody watches", Tone.DIM),)]
    rest = max(0, height - len(lines))
    if rest < TWO_CHARTS or not any(row.trend_p99):
        return lines + chart_lines(row.trend, width, min(rest, TALLEST_CHART), glyphs, count)
    half = (rest - 2) // 2
    title: Line = (("  p99 in ms", Tone.DIM),)
    lines += chart_lines(row.trend, width, half, glyphs, count)
    return [*lines, (), title, *chart_lines(row.trend_p99, width, rest - half - 2, glyphs, chart_ms)]


def chart_lines(
    values: tuple[float | None, ...], width: int, height: int, glyphs: Glyphs, label: Callable[[float], str]
) -> list[Line]:
    drawn = chart(values, width - CHART_MARGIN, height, glyphs, label)
    return [
        ((axis, Tone.DIM), *((cells, Tone.TREND if crest else Tone.AREA) for cells, crest in runs))
        for axis, runs in drawn
    ]


def chart_seconds(width: int) -> int:
    """How much of the last minute ``chart_lines`` has room for."""
    return charted(width - CHART_MARGIN)


def chart_ms(ns: float) -> str:
    return milliseconds(int(ns))


def _pairs(pairs: tuple[tuple[str, str], ...]) -> Line:
    spans: list[Span] = [("  ", Tone.PLAIN)]
    for name, value in pairs:
        spans += [(f"{name} ", Tone.DIM), (f"{value}   ", Tone.PLAIN)]
    return tuple(spans)
