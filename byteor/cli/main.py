"""Build the Typer app for the verb at hand and run it."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

from byteor.errors import ByteorError, Exit
from byteor.front import guarded

if TYPE_CHECKING:
    import typer


def main(argv: list[str] | None = None) -> int:
    """Run one command line and return the exit code (``byteor.errors.Exit``)."""
    if argv is not None:
        return guarded(argv, _run)
    code = guarded(sys.argv[1:], _run)
    _leave_threads_behind(code)
    return code


def _leave_threads_behind(code: int) -> None:
    """A thread that a stage module started must not keep a process whose work is done."""
    import threading

    if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(code)


def _run(args: list[str]) -> int:
    if args in (["--version"], ["-V"]):  # before any heavy import
        from byteor._version import __version__

        sys.stdout.write(f"byteor {__version__}\n")
        return Exit.OK
    from typer.exceptions import TyperException
    from typer.main import get_command

    try:
        result = get_command(build_app(args)).main(args, prog_name="byteor", standalone_mode=False)
    except TyperException as error:
        code = getattr(error, "exit_code", Exit.USAGE)
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        if type(error).__name__ == "NoArgsIsHelpError":  # its message is the whole help, no sentence
            sys.stderr.write(message + "\n")
            return Exit.USAGE
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "byteor"
        hint = _hint_for(error, f"try '{path} -h'")
        raise ByteorError("E_USAGE", message, hint=hint, exit=Exit(code)) from error
    return result if isinstance(result, int) else Exit.OK


def _hint_for(error: Exception, hint: str) -> str:
    """A signature whose key is named by half is the one mistake that help alone does not mend."""
    missing = type(error).__name__ == "MissingParameter"
    if not missing or not {"--kid", "--key-file"} & set(getattr(getattr(error, "param", None), "opts", ())):
        return hint
    from byteor.cli.key_variables import how_to_sign

    return f"{how_to_sign()}; {hint}"


def build_app(args: list[str]) -> typer.Typer:
    """The app with the verb that ``args`` names, or with all verbs for help and completion."""
    import importlib

    import typer

    from byteor.cli.root import root
    from byteor.cli.verbs import VERBS

    app = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(root)
    named = next((verb for verb in VERBS if args and verb.name == args[0]), None)
    for verb in (named,) if named else VERBS:
        module: Any = importlib.import_module(verb.module)
        if verb.group:
            app.add_typer(module.app, name=verb.name, rich_help_panel=verb.panel)
        else:
            app.command(verb.name, rich_help_panel=verb.panel)(module.command)
    return app
