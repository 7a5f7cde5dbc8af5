"""Open the console on a terminal and come back with an exit code, the terminal as it was."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable

from byteor.errors import ByteorError, Exit
from byteor.front import report_error
from byteor_tui.model.link import Place
from byteor_tui.model.run import Run
from byteor_tui.model.runs import find_run, find_runs, open_source, the_one
from byteor_tui.model.session import Session
from byteor_tui.model.source import Source
from byteor_tui.terminal import WayOut, is_dumb, is_terminal, is_web


def open_console(
    run: Run | None,
    *,
    note: str = "",
    plain: bool = False,
    session: Session | None = None,
    place: Place | None = None,
    tour: bool = False,
    opener: Callable[[Run], Source] = open_source,
) -> int:
    """Show ``run``, or the list of runs. A terminal that cannot place a cursor gets the line stream.

    ``opener`` makes the source of a run: shared memory, or what a measurement hands in.
    """
    if plain or not (is_web(os.environ) or (is_terminal() and not is_dumb(os.environ))):
        return stream(run)
    run = run or _only_live_run()
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")  # read when Textual is imported
    gc.disable()  # what is made until the first picture stays: to look for garbage in it costs a tenth of it
    from byteor_tui.app import ConsoleApp

    way_out = WayOut()
    app = ConsoleApp(
        run, opener, note=note, way_out=way_out, session=session, place=place, on_drawn=_collect_garbage
    )
    if tour:
        from byteor_tui.tour import Tour

        app.tour = Tour()
    app.run()
    way_out.done()
    if app.failure is not None:
        report_error(app.failure, as_json=False)
        return app.failure.exit
    return app.return_code or Exit.OK


def _collect_garbage() -> None:
    """From now on, and not in what there is by now: modules, rules, widgets."""
    gc.freeze()
    gc.enable()


def _only_live_run() -> Run | None:
    """The run that the list would open by itself, so that no list is made first. None when in doubt."""
    try:
        return the_one(find_runs())
    except (ByteorError, OSError):
        return None  # the list says why


def stream(run: Run | None, *, seconds: float | None = None) -> int:
    """The line stream of ``run`` or of the only live one. Raises ``E_RUN_NOT_FOUND``, ``E_RUN_AMBIGUOUS``."""
    from byteor_tui.plain import follow

    chosen = run or only_live_run()
    frame = follow(open_source(chosen), line_writer(), seconds=seconds)
    failed = frame is not None and frame.state in {"failed", "dead"}
    return Exit.CHECK_FAILED if failed else Exit.OK


def named_run(which: str | None) -> Run | None:
    """The run with this id or name; None when none was named. Raises ``E_RUN_NOT_FOUND`` (exit 7)."""
    return find_run(which) if which is not None else None


def only_live_run() -> Run:
    """The run that is meant when nobody says which. Raises when there is none or more than one."""
    runs = find_runs()
    live = [run for run in runs if run.alive]
    if (chosen := the_one(runs)) is not None:
        return chosen
    if not live:
        hint = "byteor-console demo starts one; byteor ps --all lists ended ones, --run opens them"
        raise ByteorError("E_RUN_NOT_FOUND", "no live run", hint=hint, exit=Exit.NOT_FOUND)
    names = ", ".join(run.run_id for run in live)
    raise ByteorError(
        "E_RUN_AMBIGUOUS", f"{len(live)} runs are live", hint=f"--run with one of {names}", exit=Exit.USAGE
    )


def line_writer() -> Callable[[str], None]:
    """Lines to stdout, each at once: the reader may be a speech synthesiser."""

    def write(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    return write
