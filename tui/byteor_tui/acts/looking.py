"""Acts that only look: pause, help, why, copy, pager, checks, pages of the log, versions of a spec."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from byteor.errors import ByteorError
from byteor_tui.acts import preparing
from byteor_tui.messages import AuditPageRead, ChecksRead
from byteor_tui.model.evidence import Checks
from byteor_tui.model.text import refusal

if TYPE_CHECKING:
    from byteor_tui.app import ConsoleApp
    from byteor_tui.tones import Line


def freeze(app: ConsoleApp) -> None:
    app.set_frozen(not app.frozen)


def redraw(app: ConsoleApp) -> None:
    app.refresh(repaint=True, layout=True)


def help_here(app: ConsoleApp) -> None:
    from byteor_tui.screens.help_lines import help_lines
    from byteor_tui.screens.sheet import SheetScreen

    acts = app.acts_here()
    app.push_screen(SheetScreen("Help", lambda width: help_lines(acts, width), app.glyphs))


def why(app: ConsoleApp) -> None:
    from byteor_tui.model.policy import reason_for
    from byteor_tui.screens.help_lines import why_lines
    from byteor_tui.screens.sheet import RefusedScreen, SheetScreen

    acts, now, environment = app.acts_here(), app.situation(), app.view().environment
    if environment is None:
        said = "no environment is known here: --env NAME, and a byteor.toml that defines it"
    else:
        replay = app.here.screen == "replay"
        found = reason_for(environment, replay=replay)
        said = f"{environment.name} ({environment.posture}): {found.text}"
    less = preparing.smaller(app)

    def answered(answer: str | None) -> None:
        if answer == "ask" and less is not None:
            preparing.ask_smaller(app, less)

    screen = SheetScreen if less is None else RefusedScreen
    way = less.said if less is not None else ""
    app.push_screen(
        screen("Why not?", lambda width: why_lines(acts, now, said, way, width), app.glyphs), answered
    )


def what_if(app: ConsoleApp) -> None:
    from byteor_tui.model.policy import what_if as cases
    from byteor_tui.screens.help_lines import entry
    from byteor_tui.screens.sheet import SheetScreen
    from byteor_tui.tones import Tone

    known = app.collector.latest.environments

    def lines(width: int) -> list[Line]:
        found: list[Line] = []
        for environment in known:
            found.append(
                ((f" {environment.name} ({environment.posture}, quorum {environment.quorum})", Tone.HEAD),)
            )
            for label, reason in cases(environment):
                found += entry(label[:14], f"{label}: {reason.text}", width, Tone.KEY)
        return found or [((" no environment is known here", Tone.DIM),)]

    app.push_screen(SheetScreen("What if?", lines, app.glyphs))


def copy(app: ConsoleApp) -> None:
    if (command := app.log_pane.last_command) is not None:
        app.copy_to_clipboard(command)
        app.say("copied the last command line")


def faster(app: ConsoleApp) -> None:
    app.pacer.step(1)


def slower(app: ConsoleApp) -> None:
    app.pacer.step(-1)


def alert(app: ConsoleApp) -> None:
    """The newest alert: the cursor on its stage, the time cursor where it began when that is on the tape."""
    frame = app.view().frame
    if frame is None or not frame.needs:
        return
    need = max(frame.needs, key=lambda one: one.since_unix_ns)
    app.go(app.here.screen if app.here.screen in {"overview", "stages"} else "overview", need.subject)
    app.say(f"{need.mark.value} {need.subject}: {need.text}")


def pager(app: ConsoleApp) -> None:
    """The detail in $PAGER; the terminal comes back when it ends."""
    from byteor_tui.screens.pair import PairScreen

    screen = app.front
    if not isinstance(screen, PairScreen):
        return
    text = "\n".join("".join(part for part, _ in line).rstrip() for line in screen.told)
    command = shlex.split(os.environ.get("PAGER") or "less")
    with tempfile.NamedTemporaryFile("w", prefix="byteor-", suffix=".txt") as file:
        file.write(text + "\n")
        file.flush()
        try:
            with app.suspend():
                subprocess.run([*command, file.name], check=False)
        except (OSError, RuntimeError) as error:
            app.say(f"cannot open {command[0]}: {refusal(error)}", ok=False)
    app.refresh(repaint=True)


def check(app: ConsoleApp) -> None:
    """Run the doctor in a process of its own; what it found comes as a message."""
    app.checks = msgspec.structs.replace(app.checks, running=True)
    threading.Thread(target=_check, args=(app,), name="byteor-doctor", daemon=True).start()


def _check(app: ConsoleApp) -> None:
    from byteor_tui.actions.verbs import run_verb
    from byteor_tui.model.checked import checks_of

    argv = ("doctor", "--dry-run") if app.session.read_only else ("doctor",)
    try:
        found = checks_of(run_verb(argv).document)
    except ByteorError as error:
        found = Checks((), time.time_ns(), error=error.message)
    app.post_message(ChecksRead(found))


def next_page(app: ConsoleApp) -> None:
    _page(app, 1)


def previous_page(app: ConsoleApp) -> None:
    _page(app, -1)


def _page(app: ConsoleApp, by: int) -> None:
    from byteor_tui.model.audit_tail import PAGE
    from byteor_tui.screens.audit import AuditScreen

    screen = app.front
    if isinstance(screen, AuditScreen) and screen.first_seq() >= 0:
        last = screen.first_seq() - 1 if by < 0 else screen.last_seq() + PAGE
        if last >= 0:
            threading.Thread(target=_read_page, args=(app, last), daemon=True).start()


def _read_page(app: ConsoleApp, last: int) -> None:
    from byteor_tui.model.audit_tail import page_before

    app.post_message(AuditPageRead(page_before(last)))


def version(app: ConsoleApp) -> None:
    """The next version that a run of this host still has, as side b; after the last one, the file on disk."""
    board, facts = app.collector.board, app.collector.specs
    known = [Path(one.path) for one in facts.versions]
    if not known:
        app.say("no other version on this host", ok=False)
        return
    _leave_request(app)
    at = known.index(board.right) + 1 if board.right in known else 0
    board.right = known[at] if at < len(known) else app.session.spec


def _leave_request(app: ConsoleApp) -> None:
    """Diff shows what is compared by hand from here on, no longer the specs of a request."""
    if app.front is not None:
        app.front.request = ""


def choose_file(app: ConsoleApp) -> None:
    if app.front is None:
        return

    def done(text: str | None) -> None:
        if text:
            _leave_request(app)
            app.collector.board.right = Path(text).expanduser()
        app.paint()

    now = app.collector.board.right
    app.front.prompt.ask("file", done, initial=str(now) if now is not None else "")


def identity(app: ConsoleApp) -> None:
    known = app.session.identities
    if len(known) < 2:
        no_key = app.session.half or "no key: --kid and --key-file"
        app.say(f"you sign as {app.identity[0]}" if known else no_key)
        return
    app.identity = known[(known.index(app.identity) + 1) % len(known)]
    app.say(f"you sign as {app.identity[0]} now")


def fault(app: ConsoleApp) -> None:
    """The demo's fault is a file: the stage looks for it."""
    path = app.session.fault
    if path is None:
        return
    if path.exists():
        path.unlink()
        app.say("the demo's fault is off")
    else:
        path.write_bytes(b"")
        app.say("the demo's fault is on: the stage check will fail")


HANDLERS = {
    "fault": fault,
    "identity": identity,
    "freeze": freeze,
    "redraw": redraw,
    "help": help_here,
    "why": why,
    "what_if": what_if,
    "copy": copy,
    "faster": faster,
    "slower": slower,
    "alert": alert,
    "pager": pager,
    "check": check,
    "next": next_page,
    "previous": previous_page,
    "version": version,
    "file": choose_file,
}
