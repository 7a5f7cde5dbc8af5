"""``byteor-console``: its arguments and nothing else. Textual is imported by what the arguments ask for."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import NoReturn

from byteor.errors import ByteorError, Exit
from byteor.front import guarded
from byteor_tui.actions.places import PLACE_IDS

DESCRIPTION = "Operate runs of ByteOr from a terminal. It only reads; what acts is the command line it shows."
EPILOG = """\
keys: ? help of the place, : every act by name, 1-8 screens, w why a key is dead, q leave
files: console.toml in $XDG_CONFIG_HOME/byteor (keys, theme), or --config FILE
environment: BYTEOR_THEME (byteor-dark, byteor-light, byteor-ansi), BYTEOR_KID, BYTEOR_KEY_FILE, NO_COLOR,
  TEXTUAL_FPS, TEXTUAL_COLOR_SYSTEM, TEXTUAL_DISABLE_KITTY_KEY, BYTEOR_DEBUG=1 (tracebacks)
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
    root.add_argument("--env", metavar="E", help="the environment that acts are for; the run's when absent")
    root.add_argument("--screen", metavar="S", choices=PLACE_IDS, help=", ".join(PLACE_IDS))
    root.add_argument("--read-only", action="store_true", help="no key that acts; RO in the top bar")
    root.add_argument("--spec", type=Path, metavar="FILE", help="the spec on disk that Diff compares with")
    root.add_argument("--stages", action="append", metavar="MODULE", help="stages of your own, for requests")
    root.add_argument("--kid", metavar="KID", help="your key's id in the key set (BYTEOR_KID)")
    root.add_argument("--key-file", metavar="PEM", help="your key; the verb opens it (BYTEOR_KEY_FILE)")
    root.add_argument("--record", type=Path, metavar="FILE", help="write what you see to this file")
    root.add_argument("--no-record", action="store_true", help="put nothing of what you saw into bundles")
    root.add_argument("--config", type=Path, metavar="FILE", help="keys and theme, instead of console.toml")
    root.add_argument("--plain", action="store_true", help="lines instead of a screen: screen readers, CI")
    verbs = root.add_subparsers(dest="verb", metavar="VERB", parser_class=_Parser)

    go = verbs.add_parser("go", help="open a place that Y copied")
    go.add_argument("link", metavar="LINK", help="byteor://RUN/SCREEN?item=..&at=..")

    keys = verbs.add_parser("keys", help="write the page of keys, from the registry")
    keys.add_argument("-o", "--out", type=Path, metavar="FILE", help="a file; stdout when absent")

    demo = verbs.add_parser("demo", help="start a pipeline on this host's counters and watch it")
    demo.add_argument("--tour", action="store_true", help="a guided tour: alert to executed replay")
    demo.add_argument("--headless", action="store_true", help="no screen; by itself without a terminal")
    demo.add_argument("--seconds", type=_seconds, metavar="N", help="headless: end after N seconds (5)")
    demo.add_argument("--json", action="store_true", help="headless: the run's document on stdout")

    serve = verbs.add_parser("serve", help="the console in a browser of this host, read-only")
    serve.add_argument(
        "--port", type=_port, default=8323, metavar="N", help="of the loopback; 0: a free one (8323)"
    )
    serve.add_argument("--acts", action="store_true", help="keys that act too, not read-only")
    serve.add_argument(
        "--public-url", type=_url, metavar="URL", help="what browsers open when a proxy stands before it"
    )
    serve.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="the token is in this private file; a new one when absent",
    )

    shot = verbs.add_parser("shot", help="write a picture of a screen without a terminal")
    shot.add_argument(
        "screen",
        choices=(*PLACE_IDS, "help", "all"),
        metavar="SCREEN",
        help=f"{', '.join(PLACE_IDS)}, help, all",
    )
    shot.add_argument("--size", default="120x40", metavar="WxH", help="columns x rows (120x40)")
    shot.add_argument(
        "-o", "--out", type=Path, metavar="FILE", required=True, help="x.svg or x.txt; a folder for all"
    )
    shot.add_argument(
        "--run", dest="shot_run", metavar="R", help="of this run; of a demo run when there is none"
    )
    shot.add_argument("--item", default="", metavar="ID", help="the cursor on this row")
    shot.add_argument("--at", default="", metavar="T", help="the time cursor there: 12:03:11 or -30s")
    shot.add_argument("--after", type=_seconds, default=3.0, metavar="S", help="look for S seconds first (3)")
    return root


def main(argv: list[str] | None = None) -> int:
    """One command line; returns the exit code (``byteor.errors.Exit``)."""
    return guarded(sys.argv[1:] if argv is None else argv, _run)


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
    if given.verb == "keys":
        return _keys(given)
    if given.verb == "demo":
        return _demo(given)
    if given.verb == "shot":
        return _shot(given)
    if given.verb == "serve":
        return _serve(given)
    return _console(given, root, bare=not args)


def _console(given: argparse.Namespace, root: argparse.ArgumentParser, *, bare: bool) -> int:
    from byteor_tui.config import check_environment, session_of
    from byteor_tui.launch import named_run, open_console
    from byteor_tui.model.link import Place, place_of
    from byteor_tui.terminal import is_terminal, is_web

    place = Place(given.screen) if given.screen else None
    if given.verb == "go":
        place = place_of(given.link, PLACE_IDS)
        given.run = place.run or given.run
    if not given.plain and not is_terminal() and not is_web(os.environ):
        if bare:
            root.print_help(sys.stderr)
            return Exit.USAGE
        hint = "--plain writes lines, shot makes a picture; both work without one"
        raise ByteorError("E_USAGE", "stdin and stdout are no terminal", hint=hint, exit=Exit.USAGE)
    session = session_of(given, os.environ)
    check_environment(session.env)
    return open_console(named_run(given.run), plain=given.plain, session=session, place=place)


def _keys(given: argparse.Namespace) -> int:
    from byteor_tui.actions.page import keys_page

    text = keys_page()
    if given.out is None:
        sys.stdout.write(text)
    else:
        from byteor.atomic import write_file

        write_file(given.out, text.encode(), mode=0o644)
    return Exit.OK


def _demo(given: argparse.Namespace) -> int:
    from byteor_tui import demo
    from byteor_tui.terminal import is_terminal

    if given.headless or given.json or not is_terminal():
        return demo.headless(given.seconds or demo.HEADLESS_S, as_json=given.json)
    from byteor_tui.config import session_of
    from byteor_tui.launch import open_console

    with demo.demo() as found:
        session = demo.session_in(found, session_of(given, os.environ))
        note = demo.TOUR_NOTE if given.tour else demo.NOTE
        return open_console(found.run, note=note, plain=given.plain, session=session, tour=given.tour)


def _shot(given: argparse.Namespace) -> int:
    from byteor_tui import shot

    size = shot.parse_size(given.size)
    if given.screen != "all":
        shot.check_output(given.out)
    shot.check_moment(given.at)
    from contextlib import ExitStack

    from byteor_tui.config import session_of
    from byteor_tui.demo import demo, session_in
    from byteor_tui.demo_scene import SCENE_S, set_scene
    from byteor_tui.launch import named_run

    session = session_of(given, os.environ)
    with ExitStack() as stack:
        run, out = named_run(given.shot_run or given.run), given.out.absolute()
        if run is None:
            found = stack.enter_context(demo())
            run, session = found.run, session_in(found, session)
            if given.screen == "all":
                set_scene(found, session.env, SCENE_S)
        if given.screen == "all":
            written = shot.shoot_all(run, out, after_s=given.after, session=session)
        else:
            asked = shot.Asked(given.screen, given.item, given.at)
            shot.shoot(asked, run, size, [out], after_s=given.after, session=session)
            written = [given.out]
    sys.stdout.write("".join(f"{path}\n" for path in written))
    return Exit.OK


def _serve(given: argparse.Namespace) -> int:
    from importlib.util import find_spec

    if find_spec("textual_serve") is None:
        message = "serve needs the package textual-serve, which is not installed"
        raise ByteorError("E_UNAVAILABLE", message, hint="pip install 'byteor[serve]'", exit=Exit.UNAVAILABLE)
    from byteor_tui.config import check_environment, session_of
    from byteor_tui.launch import line_writer, named_run
    from byteor_tui.serve.site import serve

    check_environment(session_of(given, os.environ).env)  # what is wrong is said here, not to a browser
    named_run(given.run)
    return serve(
        _console_arguments(given),
        line_writer(),
        port=given.port,
        public_url=given.public_url,
        token_file=given.token_file,
        acts=given.acts,
    )


def _console_arguments(given: argparse.Namespace) -> list[str]:
    """The options that a visitor's console is started with."""
    options = {
        name: getattr(given, name) for name in ("run", "env", "screen", "spec", "kid", "key_file", "config")
    }
    shown = [(name, value) for name, value in options.items() if value is not None]
    shown += [("stages", module) for module in given.stages or ()]
    return [f"--{name.replace('_', '-')}={value}" for name, value in shown]


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 1 << 16):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port")
    return int(text)


def _url(text: str) -> str:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
        good = parts.scheme in {"http", "https"} and parts.hostname and parts.path in {"", "/"}
        good = good and not (parts.query or parts.fragment or parts.username)
    except ValueError:
        good = False
    if not good:
        raise argparse.ArgumentTypeError(f"{text!r} is not https://HOST or http://HOST:PORT")
    return text.rstrip("/")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return value
