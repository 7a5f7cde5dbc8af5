"""What is true now, as values: what a screen is to draw, and what the needs of acts are judged against."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from byteor_tui.actions.situation import Situation
from byteor_tui.model.approvals import as_of
from byteor_tui.model.evidence import Evidence, Handover
from byteor_tui.model.moments import differences, moments
from byteor_tui.model.view import View

if TYPE_CHECKING:
    from byteor_tui.app import ConsoleApp


def view_of(app: ConsoleApp) -> View:
    """What is to be drawn now."""
    now = time.monotonic_ns()
    reader = app.reader
    frame = reader.latest if reader is not None else None
    error = reader.error.message if reader is not None and reader.error else ""
    paused_ns = None
    if app.held is not None:
        frame, since = app.held
        paused_ns = now - since
    if app.at_unix_ns and reader is not None:
        frame = reader.tape.at(app.at_unix_ns) or frame
    evidence = app.collector.latest
    span = reader.tape.span if reader is not None else None
    marks, player = app.marks, app.player
    if player is not None:
        player.tick(now)
    if player is not None and app.replaying:
        frame, span, paused_ns = player.frame or frame, player.span, None
        marks = (*marks, *differences(player))
    return View(
        frame=frame,
        age_ns=max(0, now - frame.taken_ns) if frame is not None else 0,
        paused_ns=paused_ns,
        error=error,
        log=app.log_pane.entries,
        glyphs=app.glyphs,
        hz=app.pacer.hz,
        pace_note=app.pacer.because.value,
        cpu_share=app.pacer.cost.share,
        evidence=_evidence_at_cursor(app, evidence),
        specs=app.collector.specs,
        checks=app.checks,
        at_unix_ns=app.cursor_ns,
        pinned=app.pinned,
        span=span,
        moments=moments(frame, evidence.audit.known, marks),
        handover=_unread(app, evidence.handover),
        read_only=app.session.read_only,
        env=app.session.env,
        kid=app.identity[0],
        now_unix_ns=time.time_ns(),
        tour=app.tour_line,
        player=app.player,
        player_error=app.player_error,
        replaying=app.replaying,
        bundle=app.bundle,
        kind=app.run_shown.kind if app.run_shown is not None else "",
    )


def _unread(app: ConsoleApp, handover: Handover | None) -> Handover | None:
    """The handover that was there when this console started, until somebody has read it."""
    if handover is None or handover.audit_seq <= app.handover_seen:
        return None
    return handover if handover.at_unix_ns < app.began_unix_ns else None


def _evidence_at_cursor(app: ConsoleApp, evidence: Evidence) -> Evidence:
    """Requests as they stood at the cursor; nothing can be signed in the past."""
    if not app.cursor_ns:
        return evidence
    then = as_of(evidence.approvals, evidence.audit.known, app.cursor_ns)
    said = evidence.comments
    by_then = tuple(one for one in said.rows if one.at_unix_ns <= app.cursor_ns)
    comments = msgspec.structs.replace(said, rows=by_then)
    return msgspec.structs.replace(evidence, approvals=then, comments=comments)


def situation_of(app: ConsoleApp) -> Situation:
    """What needs are judged against: the console's own part, then the screen's."""
    frame = app.reader.latest if app.reader is not None else None
    base = Situation(
        run=app.reader is not None,
        command=app.log_pane.last_command is not None,
        alerts=len(frame.needs) if frame is not None else 0,
        at_cursor=bool(app.cursor_ns),
        replayed=app.player is not None,
        read_only=app.session.read_only,
        kid=app.identity[0],
        key_file=app.identity[1],
        half=app.session.half,
        env=app.session.env or (frame.env if frame is not None else ""),
        demo=app.session.fault is not None,
        web=app.is_web,
    )
    screen = app.front
    return screen.situation(base) if screen is not None and screen.ready else base
