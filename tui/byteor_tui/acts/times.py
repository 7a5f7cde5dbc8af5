"""The time cursor over all screens: steps, events, a time of day; the pinned moment; marks."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from byteor_tui.actions import commands
from byteor_tui.model.text import clean, wall_clock
from byteor_tui.model.view import Moment

if TYPE_CHECKING:
    from byteor_tui.app import ConsoleApp

STEP_NS = 5_000_000_000
SECOND_NS = 1_000_000_000
_AGO = re.compile(r"-?(\d+(?:\.\d+)?)\s*([smh]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


def put(app: ConsoleApp, unix_ns: int) -> None:
    """The cursor at ``unix_ns``, as far as the tape goes; at its end is the present."""
    if app.replaying and app.player is not None:
        app.player.seek(unix_ns)
        return
    span = app.view().span
    if span is None or app.run_shown is None:
        return
    if app.run_shown.kind:
        app.say("a snapshot is one moment; 0 lists runs")
        return
    app.at_unix_ns = 0 if unix_ns >= span[1] else _on_tape(app, max(span[0], unix_ns))


def _on_tape(app: ConsoleApp, unix_ns: int) -> int:
    """Of hours ago there is a frame a minute: the cursor says the time of what is shown."""
    return app.reader.tape.near(unix_ns) if app.reader is not None else unix_ns


def _from(app: ConsoleApp) -> int:
    span = app.view().span
    return app.cursor_ns or (span[1] if span is not None else time.time_ns())


def earlier(app: ConsoleApp) -> None:
    put(app, _from(app) - STEP_NS)


def later(app: ConsoleApp) -> None:
    now = _from(app)
    behind = 0 if app.replaying or app.reader is None else app.reader.tape.after(now)
    put(app, max(now + STEP_NS, behind))


def event_before(app: ConsoleApp) -> None:
    now = _from(app)
    slack = 0 if app.replaying else SECOND_NS
    found = [one for one in app.view().moments if one.at_unix_ns < now - slack]
    _to_event(app, found[-1] if found else None)


def event_after(app: ConsoleApp) -> None:
    now = _from(app)
    _to_event(app, next((one for one in app.view().moments if one.at_unix_ns > now), None))


def _to_event(app: ConsoleApp, moment: Moment | None) -> None:
    if moment is None:
        app.say("no further event on the timeline")
        return
    put(app, moment.at_unix_ns + (0 if app.replaying else SECOND_NS))  # the tape has a frame a second
    app.say(f"{moment.sign} {wall_clock(moment.at_unix_ns)} {moment.text}")


def live(app: ConsoleApp) -> None:
    app.at_unix_ns, app.replaying = 0, False
    if app.player is not None:
        app.player.playing = False
    if app.frozen:
        app.set_frozen(False)


def ask_time(app: ConsoleApp) -> None:
    if app.front is None:
        return

    def done(text: str | None) -> None:
        if text:
            end = app.player.span[1] if app.replaying and app.player is not None else time.time_ns()
            found = parse_time(text, end)
            if found is None:
                app.say(f"{text!r} is no time: 12:03:11, 12:03, -90s or -5m", ok=False)
            else:
                put(app, found)
        app.paint()

    app.front.prompt.ask("time (12:03:11 or -5m)", done)


def parse_time(text: str, now_unix_ns: int) -> int | None:
    """A local time of day (the last one that has been), or so long before now; None for neither."""
    text = text.strip()
    if (ago := _AGO.fullmatch(text)) is not None and ":" not in text:
        return now_unix_ns - int(float(ago[1]) * _UNITS[ago[2]] * SECOND_NS)
    for form in ("%H:%M:%S", "%H:%M"):
        try:
            clock = datetime.strptime(text, form).time()
        except ValueError:
            continue
        now = datetime.fromtimestamp(now_unix_ns / SECOND_NS)
        found = datetime.combine(now.date(), clock)
        if found > now:
            found -= timedelta(days=1)
        return int(found.timestamp() * SECOND_NS)
    return None


def pin(app: ConsoleApp) -> None:
    frame = app.view().frame
    if app.pinned is not None:
        app.pinned = None
        app.say("A is let go")
    elif frame is not None:
        app.pinned = frame
        app.say(f"A is {wall_clock(frame.taken_unix_ns)}: figures show their difference from it, b lets go")


def mark(app: ConsoleApp) -> None:
    if app.front is None:
        return
    at = app.cursor_ns or time.time_ns()

    def done(text: str | None) -> None:
        if text is not None:
            note = clean(text) or "mark"
            if app.session.read_only:
                app.marks = (*app.marks[-99:], Moment(at, "m", note))
                app.say(f"mark at {wall_clock(at)}, of this console alone: it is read-only: {note}")
            else:
                run = app.run_shown
                live = run.run_id if run is not None and not run.kind else ""
                app.run_act(commands.mark(note, live, at))
        app.paint()

    app.front.prompt.ask("mark, a note", done)


HANDLERS = {
    "earlier": earlier,
    "later": later,
    "event_before": event_before,
    "event_after": event_after,
    "live": live,
    "time": ask_time,
    "pin": pin,
    "mark": mark,
}
