"""What happened, as moments of one timeline: marks, alerts, snapshots, requests, starts and ends."""

from __future__ import annotations

import msgspec

from byteor_tui.model.evidence import AuditRow
from byteor_tui.model.frame import Frame, Mark
from byteor_tui.model.player import Player
from byteor_tui.model.text import one_line
from byteor_tui.model.view import Moment

SIGNS = (
    ("snapshot", "s"),
    ("incident", "i"),
    ("replay", "r"),
    ("approval", "A"),
    ("freeze", "F"),
    ("frozen", "F"),
    ("run_started", "^"),
    ("run_", "x"),
    ("policy", "p"),
    ("handover", "H"),
)
MARKED = "moment_marked"


def moments(
    frame: Frame | None, audit: tuple[AuditRow, ...], marks: tuple[Moment, ...]
) -> tuple[Moment, ...]:
    """In order of time. Audit rows count when they are of this run or of no run."""
    found = list(marks)
    run = frame.run_id if frame is not None else ""
    for row in audit:
        if row.action == MARKED and row.run_id in {"", run}:
            found.append(marked(row))
            continue
        sign = next((sign for start, sign in SIGNS if row.action.startswith(start)), "")
        if sign and row.run_id in {"", run}:
            found.append(Moment(row.at_unix_ns, sign, f"{row.action} #{row.seq}"))
    if frame is not None:
        found += [
            Moment(need.since_unix_ns, "!", f"{need.subject}: {need.text}")
            for need in frame.needs
            if need.mark is Mark.ALERT
        ]
    return tuple(sorted(found, key=lambda one: one.at_unix_ns))


def marked(row: AuditRow) -> Moment:
    """The moment that an entry of ``byteor note`` is about."""
    try:
        body = msgspec.json.decode(row.body, type=dict[str, str])
        return Moment(int(body["at_unix_ns"]), "m", one_line(body["text"]))  # JSON hid what steers a terminal
    except (msgspec.DecodeError, KeyError, ValueError, RecursionError):
        return Moment(row.at_unix_ns, "m", f"{row.action} #{row.seq}")


SHOWN = 100


def differences(player: Player) -> tuple[Moment, ...]:
    """Where a replay differs from its recording: events of the recording's timeline."""
    recorded = player.recorded
    return tuple(
        Moment(recorded.times[recorded.index_of(origin)], "!", f"record {origin} differs")
        for origin in recorded.differing[:SHOWN]
    )
