"""Acts that prepare: snapshot, bundle, dry run, request, handover; each a command line in the log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from byteor.errors import ByteorError
from byteor_tui.actions import commands

if TYPE_CHECKING:
    from byteor_tui.app import ConsoleApp


def snapshot(app: ConsoleApp) -> None:
    if app.run_shown is None:
        return
    try:
        folder = commands.evidence_folder("snapshots")
    except (ByteorError, OSError) as error:
        app.say(f"no place for snapshots: {error}", ok=False)
        return
    app.run_act(commands.snapshot(app.run_shown.run_id, time.time_ns(), folder))


def incident(app: ConsoleApp) -> None:
    if app.run_shown is None:
        return
    app.run_act(commands.bundle(app.run_shown.run_id))
    if app.here.screen != "incidents":
        app.go("incidents")


def replay(app: ConsoleApp) -> None:
    """A dry run of the incident under the cursor, else of the run: there is no other kind from this key."""
    found = app.situation()
    source = found.incident.id if found.incident is not None else found.replay
    if not source and app.run_shown is not None:
        source = app.run_shown.run_id
    if not source:
        app.say("nothing to replay: open a run, or an incident with a bundle", ok=False)
        return
    try:
        folder = commands.evidence_folder("replays")
    except (ByteorError, OSError) as error:
        app.say(f"no place for replays: {error}", ok=False)
        return
    app.run_act(commands.dry_run(source, found.env, time.time_ns(), folder))
    if app.here.screen != "replay":
        app.go("replay")


def ask_run(app: ConsoleApp) -> None:
    facts = app.collector.specs
    spec = facts.b or facts.a
    if spec is None or not spec.spec_hash:
        app.say("there is no right spec on the right side", ok=False)
        return
    _ask(app, spec.path, "run", "")


def ask(app: ConsoleApp) -> None:
    now = app.situation()
    spec = app.collector.specs.a
    if spec is None:
        app.say("no spec to ask for: open the run", ok=False)
        return
    _ask(app, spec.path, "replay_execute", now.certificate)


def _ask(app: ConsoleApp, spec: str, action: str, certificate: str) -> None:
    if app.front is None:
        return
    env = app.situation().env

    def done(reason: str | None) -> None:
        if reason and reason.strip():
            app.run_act(commands.request(spec, env, action, reason.strip(), certificate, app.session.stages))
            app.go("approvals")
        elif reason is not None:
            app.say("a request needs a reason", ok=False)
        app.paint()

    app.front.prompt.ask(f"ask to {action} in {env}, reason", done)


def handover(app: ConsoleApp) -> None:
    """Show what the next shift must know, and keep it beside the other evidence."""
    from byteor.atomic import write_file
    from byteor_tui.model.handover import handover_lines
    from byteor_tui.screens.sheet import SheetScreen
    from byteor_tui.screens.text_lines import paragraph
    from byteor_tui.tones import Line

    text = handover_lines(app.view(), app.marks)
    try:
        path = commands.evidence_folder("handovers") / f"{commands.stamp(time.time_ns())}.txt"
        write_file(path, ("\n".join(text) + "\n").encode())
        app.say(f"handover note -> {path}")
    except (ByteorError, OSError) as error:
        app.say(f"the note was not kept: {error}", ok=False)

    def lines(width: int) -> list[Line]:
        return [line for one in text for line in (paragraph(one, width) or [()])]

    app.push_screen(SheetScreen("Handover", lines, app.glyphs))


HANDLERS = {
    "snapshot": snapshot,
    "incident": incident,
    "replay": replay,
    "ask": ask,
    "ask_run": ask_run,
    "handover": handover,
}
