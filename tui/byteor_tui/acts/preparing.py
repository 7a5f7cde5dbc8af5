"""Acts that prepare: snapshot, bundle, dry run, request, handover; each a command line in the log."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from byteor.errors import ByteorError
from byteor_tui.actions import commands
from byteor_tui.model.text import clean, one_line, refusal, wall_clock

if TYPE_CHECKING:
    from byteor_tui.app import ConsoleApp
    from byteor_tui.model.policy import Reduced


def snapshot(app: ConsoleApp) -> None:
    if app.run_shown is None:
        return
    try:
        folder = commands.evidence_folder("snapshots")
    except (ByteorError, OSError) as error:
        app.say(f"no place for snapshots: {refusal(error)}", ok=False)
        return
    app.run_act(commands.snapshot(app.run_shown.run_id, time.time_ns(), folder))


def incident(app: ConsoleApp) -> None:
    if app.run_shown is None:
        return
    app.run_act(commands.bundle(app.run_shown.run_id, _seen(app)))
    if app.here.screen != "incidents":
        app.go("incidents")


def _seen(app: ConsoleApp) -> Path | None:
    """What this console showed in the last minutes as a private file, or None."""
    from byteor.atomic import write_file

    kept = app.recorder.kept
    if not kept:
        return None
    try:
        path = commands.evidence_folder("seen") / f"{commands.stamp(time.time_ns())}.jsonl"
        write_file(path, kept)
    except (ByteorError, OSError) as error:
        app.say(f"the bundle comes without what you saw: {refusal(error)}", ok=False)
        return None
    return path


def replay(app: ConsoleApp) -> None:
    """A dry run of the incident under the cursor, else of the run: there is no other kind from this key.

    How much of it is asked in one line that is filled in; enter takes it.
    """
    found = app.situation()
    source = found.incident.id if found.incident is not None else found.replay
    if not source and app.run_shown is not None:
        source = app.run_shown.run_id
    if not source:
        app.say("nothing to replay: open a run, or an incident with a bundle", ok=False)
        return
    if app.front is not None:
        app.front.prompt.ask(
            f"dry run of {source}: all, last N, N..M",
            lambda typed: _replay_span(app, source, found.env, typed),
            initial="all",
        )


def _replay_span(app: ConsoleApp, source: str, env: str, typed: str | None) -> None:
    if typed is None:
        return
    try:
        span = commands.span(typed)
        folder = commands.evidence_folder("replays")
    except ValueError as error:
        app.say(str(error), ok=False)
    except (ByteorError, OSError) as error:
        app.say(f"no place for replays: {refusal(error)}", ok=False)
    else:
        app.run_act(commands.dry_run(source, env, time.time_ns(), folder, span))
        if app.here.screen != "replay":
            app.go("replay")
    app.paint()


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


def smaller(app: ConsoleApp) -> Reduced | None:
    """The request that would not be refused, where the one that this place makes would be."""
    from byteor_tui.model.policy import reduced

    view, facts = app.view(), app.collector.specs
    asked = facts.b or facts.a if app.here.screen == "diff" else facts.a
    if asked is None or view.environment is None or app.session.read_only:
        return None
    others = tuple(one for one in (facts.a, facts.b) if one is not None)
    return reduced(
        asked, others, view.environment, view.evidence.environments, replay=app.here.screen == "replay"
    )


def ask_smaller(app: ConsoleApp, found: Reduced) -> None:
    """Ask for it: reason, then enter. A dry run of another environment is no evidence there."""
    now = app.situation()
    action = "replay_execute" if app.here.screen == "replay" else "run"
    spec = app.collector.specs.a
    same = found.env == now.env and spec is not None and found.spec == spec.path
    _ask(app, found.spec, action, now.certificate if same else "", found.env)


def _ask(app: ConsoleApp, spec: str, action: str, certificate: str, env: str = "") -> None:
    if app.front is None:
        return
    env = env or app.situation().env

    def done(reason: str | None) -> None:
        if reason and reason.strip():
            app.run_act(commands.request(spec, env, action, reason.strip(), certificate, app.session.stages))
            app.go("approvals")
        elif reason is not None:
            app.say("a request needs a reason", ok=False)
        app.paint()

    app.front.prompt.ask(f"ask to {action} in {env}, reason", done)


def comment(app: ConsoleApp) -> None:
    """A line about the request under the cursor, into the log; whatever is under the cursor by then."""
    asked = app.situation().approval
    if asked is None or app.front is None:
        return

    def done(typed: str | None) -> None:
        words = one_line(typed or "")
        if words:
            app.run_act(commands.comment(words, asked.request_id))
        elif typed is not None:
            app.say("a comment needs words", ok=False)
        app.paint()

    app.front.prompt.ask(f"comment on {asked.short}", done)


def handover(app: ConsoleApp) -> None:
    """What the next shift must know, under what the one before wrote; enter writes it into the audit log."""
    from byteor_tui.model.handover import handover_lines
    from byteor_tui.screens.sheet import HandoverScreen, ReadHandoverScreen
    from byteor_tui.screens.text_lines import paragraph, title
    from byteor_tui.tones import Line

    text = "\n".join(handover_lines(app.view(), app.view().moments)) + "\n"
    before = app.collector.latest.handover
    if before is not None:
        app.handover_seen = before.audit_seq

    def lines(width: int) -> list[Line]:
        found = [line for one in text.splitlines() for line in (paragraph(one, width) or [()])]
        if before is not None:
            when = f"{before.actor} at {wall_clock(before.at_unix_ns)}, audit #{before.audit_seq}"
            found += [(), title(f"the one before: {when}")]
            found += [line for one in before.text.splitlines() for line in paragraph(clean(one), width)]
        return found

    def answered(answer: str | None) -> None:
        if answer == "write":
            _write_handover(app, text)
        elif answer == "edit" and (edited := _edited(app, text)) is not None:
            _write_handover(app, edited)
        app.paint()

    screen = ReadHandoverScreen if app.session.read_only else HandoverScreen
    app.push_screen(screen("Handover", lines, app.glyphs), answered)


def _write_handover(app: ConsoleApp, text: str) -> None:
    from byteor.atomic import write_file

    try:
        path = commands.evidence_folder("handovers") / f"{commands.stamp(time.time_ns())}.txt"
        write_file(path, text.encode())
    except (ByteorError, OSError) as error:
        app.say(f"the note was not kept: {refusal(error)}", ok=False)
        return
    app.run_act(commands.handover(path))


def _edited(app: ConsoleApp, text: str) -> str | None:
    """``text`` as $EDITOR leaves it; None when that did not work."""
    command = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    with tempfile.NamedTemporaryFile("w+", prefix="byteor-handover-", suffix=".txt") as file:
        file.write(text)
        file.flush()
        try:
            with app.suspend():
                done = subprocess.run([*command, file.name], check=False)
        except (OSError, RuntimeError) as error:
            app.say(f"cannot open {command[0]}: {refusal(error)}", ok=False)
            return None
        app.refresh(repaint=True)
        if done.returncode:
            app.say(f"{command[0]} ended with {done.returncode}: nothing was written", ok=False)
            return None
        return Path(file.name).read_text(errors="replace")


def prove(app: ConsoleApp) -> None:
    """The entry's proof in a file that ``byteor audit verify-proof`` checks without the log."""
    try:
        folder = commands.evidence_folder("proofs")
    except (ByteorError, OSError) as error:
        app.say(f"no place for proofs: {refusal(error)}", ok=False)
        return
    app.run_act(commands.prove(app.situation().entry, folder))


HANDLERS = {
    "prove": prove,
    "snapshot": snapshot,
    "incident": incident,
    "replay": replay,
    "ask": ask,
    "ask_run": ask_run,
    "handover": handover,
    "comment": comment,
}
