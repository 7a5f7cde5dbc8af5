"""The detail of a replay as lines: where the cursor is, what was counted, both payloads, the verdict."""

from __future__ import annotations

import msgspec

from byteor_tui.glyphs import trend
from byteor_tui.model.frame import Frame, StageRow
from byteor_tui.model.moments import differences
from byteor_tui.model.player import Player
from byteor_tui.model.recorded import Output, Record
from byteor_tui.model.replays import DIFFERENCES, Replay, payload
from byteor_tui.model.text import count, precise_clock, short_hash, wall_clock
from byteor_tui.model.topology import chain
from byteor_tui.model.view import View
from byteor_tui.screens import overview_lines as overview
from byteor_tui.screens import timeline_lines
from byteor_tui.screens.text_lines import cut, field, fields, inside, paragraph, pieces, title
from byteor_tui.tones import Line, Span, Tone, pad

LIST_FROM = 110
LEAST_TREND, MOST_TREND = 12, 60
IN_DOUBT = (
    "-> it began in the middle of the run, where stages that remember (windows, rates) began empty: that"
    " alone makes outputs differ. Not enough to execute it: r and all tells, if the beginning was captured"
)
AROUND = 6  # records before and after the cursor in the list


def detail(one: Replay, view: View, width: int) -> list[Line]:
    """With the recording: the place in it, counts to there, the record. Always: what came of it all."""
    player = view.player
    if player is None or player.replay.path != one.path:
        said = view.player_error or "reading the recording ..."
        tone = Tone.WARN if view.player_error else Tone.DIM
        return [
            *facts(one, width),
            (),
            *paragraph(said, width, tone),
            *first_difference(one, width),
            *ending(one, width),
        ]
    lines = [*place(player, view, width), *stages(one, player, view, width), *record(player, width)]
    if width >= LIST_FROM:
        lines += around(player, width)
    lines += ending(one, width)
    return [*lines, (), *facts(one, width)]


def place(player: Player, view: View, width: int) -> list[Line]:
    """Where the cursor stands: on the line of time, by number, and in words."""
    here = msgspec.structs.replace(
        view,
        span=player.span,
        replaying=True,
        at_unix_ns=player.at_unix_ns,
        moments=(*(one for one in view.moments if one.sign != "!"), *differences(player)),
    )
    start, end = player.span
    ends = f" {wall_clock(start)} ", f" {wall_clock(end)} "
    room = max(10, width - len(ends[0]) - len(ends[1]) - 1)
    signs, bar = timeline_lines.timeline(here, room, 2) or [(), ()]
    recorded = player.recorded
    whole = "" if recorded.complete else ", payloads in part: it is long"
    differing = f"{len(recorded.differing)} differ" if recorded.differing else "none differs"
    return [
        ((" " * len(ends[0]), Tone.PLAIN), *signs),
        ((ends[0], Tone.DIM), *bar, (ends[1], Tone.DIM)),
        (
            (f" record {recorded.origins[player.index]:,}", Tone.TITLE),
            (f"  ({recorded.origins[0]:,} .. {recorded.origins[-1]:,})", Tone.DIM),
            (f"  {precise_clock(player.at_unix_ns)}", Tone.PLAIN),
            (f"  {differing}{whole}", Tone.ALARM if recorded.differing else Tone.GOOD),
        ),
        (),
    ]


def stages(one: Replay, player: Player, view: View, width: int) -> list[Line]:
    """What had entered and left by then, recorded and replayed; a recording knows no more of the stages."""
    frame = player.frame
    if frame is None:
        return [*paragraph("made without --trace: r makes one that knows its stages", width, Tone.WARN), ()]
    name_width = max(8, min(24, max(len(row.name) for row in frame.rows)))
    room = width - name_width - 54  # what the other columns and "record 1,234,567" leave
    cells = min(MOST_TREND, room) if room >= LEAST_TREND else 0
    head = f"   {pad('STAGE', name_width)}  {'RECORDED':>10} {'REPLAYED':>10} {'DIFF':>6}  "
    head += pad("/S, 60 s", cells, right=True) + "  " if cells else ""
    lines: list[Line] = [((head + "FIRST DIFFERENCE", Tone.HEAD),)]
    sinks = sum(row.role == "sink" for row in frame.rows)
    for row in frame.rows:
        blamed = bool(player.recorded.differing) and row.name == one.stage
        drawn = trend(row.trend, cells, view.glyphs, row.trend_closed) + "  " if cells else ""
        lines.append(_stage(row, player, frame, name_width, drawn, blamed=blamed, sinks=sinks))
    counted = player.recorded.counted_at(player.index)
    if counted != player.record.origin:
        lines.append(((f"   stages between the ends: counted at record {counted:,}", Tone.DIM),))
    return [*lines, ()]


def _stage(
    row: StageRow, player: Player, frame: Frame, name_width: int, drawn: str, *, blamed: bool, sinks: int
) -> Line:
    recorded = player.recorded
    then = "-"
    replayed, diff = f"{max(row.messages_in, row.messages_out):,}", "-"
    if row.role == "source":
        then, diff = f"{player.index + 1:,}", "0"
        replayed = then if sum(item.role == "source" for item in frame.rows) == 1 else replayed
    if row.role == "sink" and sinks == 1:
        then, replayed = f"{recorded.outputs_to(player.index):,}", f"{recorded.replayed_to(player.index):,}"
        diff = f"{recorded.differing_to(player.index):,}"
    spans: list[Span] = [
        (" ! " if blamed else "   ", Tone.ALARM),
        (inside(row.name, name_width), Tone.ALARM if blamed else Tone.PLAIN),
        (f"  {then:>10} {replayed:>10} ", Tone.PLAIN),
        (f"{diff:>6}  ", Tone.ALARM if diff not in {"-", "0"} else Tone.DIM),
        (drawn, Tone.TREND),
    ]
    spans.append((f"record {recorded.differing[0]:,}" if blamed else "-", Tone.ALARM if blamed else Tone.DIM))
    return tuple(spans)


def record(player: Player, width: int) -> list[Line]:
    """The record under the cursor: what went in, and each output as recorded and as it came again."""
    found = player.record
    nth = ""
    if found.differs:
        nth = f"difference {player.recorded.differing_to(player.index)} of {len(player.recorded.differing)}, "
    lines: list[Line] = [title(f"{nth}record {found.origin:,}")]
    lines += _bytes("input", found.payload, width)
    if not found.outputs:
        lines += _bytes("output", None, width, none="none, as recorded")
    for number, one in enumerate(found.outputs):
        lines += _output(one, number if len(found.outputs) > 1 else None, width)
    return lines


def _output(one: Output, number: int | None, width: int) -> list[Line]:
    which = "" if number is None else f" {number}"
    if one.verdict == "equal":
        return _bytes(f"output{which}", one.recorded, width, tail="  equal", none="not kept in memory")
    lines = _bytes(f"recorded{which}"[:10], one.recorded, width, none="nothing")
    lines += _bytes(f"replayed{which}"[:10], one.replayed, width, none="nothing")
    if one.verdict == "order":
        lines += field("", "the right bytes in another place", width, Tone.WARN)
    if one.recorded is not None and one.replayed is not None and not one.digest:
        for path, a, b in differing(_text(one.recorded), _text(one.replayed)):
            lines += field("field", f"{path}  {a} -> {b}", width, Tone.ALARM)
    if one.digest:
        lines += field("", "recorded as SHA-256 alone (capture_egress = digest)", width, Tone.DIM)
    return [*lines, *field("", "the input is the recorded one, byte for byte", width, Tone.DIM)]


def _bytes(
    name: str, data: bytes | None, width: int, *, tail: str = "", none: str = "not kept in memory"
) -> list[Line]:
    if data is None:
        return field(name, none, width, Tone.DIM)
    parts = pieces(_text(data), width - 14)[:4]
    lines: list[Line] = []
    for index, part in enumerate(parts):
        lines.append(((f" {name if not index else '':<10} ", Tone.DIM), (part, Tone.PLAIN)))
    if tail:
        lines[-1] = (*lines[-1], (tail, Tone.GOOD))
    return lines


def _text(data: bytes) -> str:
    return payload(data.hex())


def around(player: Player, width: int) -> list[Line]:
    """The records about the cursor with what came in and what went out."""
    recorded = player.recorded
    low = max(0, min(player.index - AROUND, len(recorded) - 2 * AROUND - 1))
    lines: list[Line] = [(), title("records")]
    half = max(20, (width - 18) // 2)
    for index in range(low, min(len(recorded), low + 2 * AROUND + 1)):
        found = recorded.at(index)
        sign = ">" if index == player.index else " "
        mark = "!" if found.differs else " "
        came = _short(found, half - 3)
        lines.append(
            (
                (
                    f" {sign}{mark}{found.origin:>10,}  ",
                    Tone.KEY if sign == ">" else Tone.ALARM if found.differs else Tone.DIM,
                ),
                (cut(_text(found.payload) if found.payload is not None else "-", half), Tone.PLAIN),
                (" -> ", Tone.DIM),
                (came, Tone.ALARM if found.differs else Tone.PLAIN),
            )
        )
    return lines


def _short(found: Record, width: int) -> str:
    if not found.outputs:
        return "-"
    one = found.outputs[0]
    data = one.replayed if one.replayed is not None else one.recorded
    return pad(_text(data) if data is not None else one.verdict, width)


def facts(one: Replay, width: int) -> list[Line]:
    return fields(
        (
            ("of", one.source),
            ("mode", f"{one.mode}, {wall_clock(one.at_unix_ns)}"),
            ("spec", short_hash(one.spec_hash)),
            ("records", f"{one.records:,}"),
            ("proof", one.certificate or "no certificate"),
        ),
        width,
    )


def first_difference(one: Replay, width: int) -> list[Line]:
    """What the audit file alone tells of it."""
    if not one.first:
        return []
    lines: list[Line] = [(), title(f"first difference: {one.first}")]
    for name, text in (("recorded", one.expected), ("replayed", one.actual)):
        for index, part in enumerate(pieces(text, width - 14)):
            lines.append(((f" {name if not index else '':<10} ", Tone.DIM), (part, Tone.PLAIN)))
    for path, a, b in differing(one.expected, one.actual):
        lines += field("field", f"{path}  {a} -> {b}", width, Tone.ALARM)
    return lines


def ending(one: Replay, width: int) -> list[Line]:
    """Counts per verdict, policy's decisions, and what follows from them."""
    counts = "   ".join(f"{number:,} {name}" for name, number in one.counts if number or name == "equal")
    bad = any(number and name in DIFFERENCES for name, number in one.counts)
    lines: list[Line] = [(), title("outputs"), ((f"   {counts}", Tone.ALARM if bad else Tone.GOOD),)]
    if one.decisions:
        said = "   ".join(f"{number:,} {name}" for name, number in one.decisions)
        lines += [title("policy decisions during the replay"), *paragraph(said, width, indent=3)]
    if one.failed:
        lines += field("failed", one.failed, width, Tone.ALARM)
    if one.in_doubt:
        return [*lines, *paragraph(f"verdict: {one.verdict} {IN_DOUBT}", width, Tone.WARN)]
    if one.diverged:
        said = f"verdict: {one.verdict} -> no certificate to execute it: mend the stage, then r again"
        return [*lines, *paragraph(said, width, Tone.ALARM)]
    if one.mode == "execute":
        return [*lines, *paragraph("verdict: equal, executed", width, Tone.GOOD)]
    return [*lines, *paragraph("verdict: equal -> x asks to execute it", width, Tone.GOOD)]


def topology(view: View, frame: Frame, width: int) -> list[Line]:
    """The graph with the rates of the recording at the cursor."""
    rates = {row.name: count(row.rate_per_s) for row in frame.rows if row.rate_per_s is not None}
    marks = {row.name: row.mark for row in frame.rows}
    drawn = chain(view.specs.topology, width - 2, 6, rates)
    return [overview.topology(one, marks) for one in drawn]


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
    return [] if a == b and type(a) is type(b) else [(path or "the whole", _said(a), _said(b))]


_NONE = object()


def _said(value: object) -> str:
    return "absent" if value is _NONE else msgspec.json.encode(value).decode()
