"""``byteor-console``: its arguments and nothing else. Textual is imported by what the arguments ask for."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import NoReturn

from byteor.errors import ByteorError, Exit

DESCRIPTION = "Watch runs of ByteOr from a terminal. It only reads: a run does not notice it."
EPILOG = """\
keys: ? help of the place, s snapshot, space freeze, j k move, . sort, q leave
environment: BYTEOR_THEME (byteor-dark, byteor-light, byteor-ansi), NO_COLOR, TEXTUAL_FPS,
  TEXTUAL_COLOR_SYSTEM, TEXTUAL_DISABLE_KITTY_KEY, BYTEOR_DEBUG=1 (tracebacks)
"""


class _Parser(argparse.ArgumentParser):
    """Errors as the project tells them."""

    def error(self, message: str) -> NoReturn:
        raise ByteorError("E_USAGE", message, hint=f"try '{self.prog} -h'", exit=Exit.USAGE)


def parser() -> argparse.ArgumentParser:
    """All options and verbs; help and completion come from here."""
    raw = argparse.RawDescriptionHelpFormatter
    root = _Parser(prog="byteor-console", description=DESCRIPTION, epilog=EPILOG, formatter_class=raw)
    root.add_argument("-V", "--version", action="store_true", help="say the version and end")
    root.add_argument("--run", metavar="R", help="open this run (id or name), live or ended")
    root.add_argument("--plain", action="store_true", help="lines instead of a screen: screen readers, CI")
    verbs = root.add_subparsers(dest="verb", metavar="VERB", parser_class=_Parser)

    demo = verbs.add_parser("demo", help="start a pipeline on this host's counters and watch it")
    demo.add_argument("--headless", action="store_true", help="no screen; by itself without a terminal")
    demo.add_argument("--seconds", type=_seconds, metavar="N", help="headless: end after N seconds (5)")
    demo.add_argument("--json", action="store_true", help="headless: the run's document on stdout")

    shot = verbs.add_parser("shot", help="write a picture of a screen without a terminal")
    shot.add_argument(
        "screen",
        choices=("overview", "runs", "help", "all"),
        metavar="SCREEN",
        help="overview, runs, help, all",
    )
    shot.add_argument("--size", default="120x40", metavar="WxH", help="columns x rows (120x40)")
    shot.add_argument(
        "-o", "--out", type=Path, metavar="FILE", required=True, help="x.svg or x.txt; a folder for all"
    )
    shot.add_argument(
        "--run", dest="shot_run", metavar="R", help="of this run; of a demo run when there is none"
    )
    shot.add_argument("--after", type=_seconds, default=3.0, metavar="S", help="look for S seconds first (3)")
    return root


def main(argv: list[str] | None = None) -> int:
    """One command line; returns the exit code (``byteor.errors.Exit``)."""
    args = sys.argv[1:] if argv is None else argv
    try:
        return _run(args)
    except ByteorError as error:
        failure = error
    except KeyboardInterrupt:
        failure = ByteorError("E_INTERRUPTED", "interrupted", exit=Exit.INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # keeps the interpreter's flush at exit quiet
        return Exit.OK
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
        hint = "check that the path exists, is yours, and has space"
        failure = ByteorError("E_OS", what, hint=hint, exit=Exit.UNAVAILABLE)
    except Exception as error:  # an operator never sees a traceback
        if os.environ.get("BYTEOR_DEBUG") == "1":
            raise
        hint = "this is a defect; run again with BYTEOR_DEBUG=1 and report what it prints"
        failure = ByteorError("E_INTERNAL", f"{type(error).__name__}: {error}", hint=hint)
    from byteor_tui.report import report

    report(failure, as_json="--json" in args)
    return failure.exit


def _run(args: list[str]) -> int:
    root = parser()
    try:
        given = root.parse_args(args)
    except SystemExit as ended:  # -h
        return int(ended.code or 0)
    if given.version:
        from byteor._version import __version__

        sys.stdout.write(f"byteor-console {__version__}\n")
        return Exit.OK
    if given.verb == "demo":
        return _demo(given)
    if given.verb == "shot":
        return _shot(given)
    return _console(given, root)


def _console(given: argparse.Namespace, root: argparse.ArgumentParser) -> int:
    from byteor_tui.terminal import is_terminal

    if not given.plain and not is_terminal():
        root.print_help(sys.stderr)
        return Exit.USAGE
    from byteor_tui.launch import named_run, open_console

    return open_console(named_run(given.run), plain=given.plain)


def _demo(given: argparse.Namespace) -> int:
    from byteor_tui import demo
    from byteor_tui.terminal import is_terminal

    if given.headless or given.json or not is_terminal():
        return demo.headless(given.seconds or demo.HEADLESS_S, as_json=given.json)
    from byteor_tui.launch import open_console

    with demo.demo_run() as run:
        return open_console(run, note=demo.NOTE, plain=given.plain)


def _shot(given: argparse.Namespace) -> int:
    from byteor_tui import shot

    size = shot.parse_size(given.size)
    if given.screen != "all":
        shot.check_output(given.out)
    from contextlib import ExitStack

    from byteor_tui.demo import demo_run
    from byteor_tui.launch import named_run

    with ExitStack() as stack:
        run = named_run(given.shot_run or given.run) or stack.enter_context(demo_run())
        if given.screen == "all":
            written = shot.shoot_all(run, given.out, after_s=given.after)
        else:
            shot.shoot(given.screen, run, size, [given.out], after_s=given.after)
            written = [given.out]
    sys.stdout.write("".join(f"{path}\n" for path in written))
    return Exit.OK


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return value
