"""Build the Typer app for the verb at hand, run it, and turn every failure into a code and a sentence."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

from byteor.errors import ByteorError, Exit, from_os_error

if TYPE_CHECKING:
    import typer


def main(argv: list[str] | None = None) -> int:
    """Run one command line and return the exit code (``byteor.errors.Exit``)."""
    if argv is not None:
        return _guarded(argv)
    code = _guarded(sys.argv[1:])
    _leave_threads_behind(code)
    return code


def _leave_threads_behind(code: int) -> None:
    """A thread that a stage module started must not keep a process whose work is done."""
    import threading

    if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(code)


def _guarded(args: list[str]) -> int:
    _own_standard_streams()
    try:
        code = _run(args)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever read our output has had enough
        _give_up_stdout()
        return Exit.OK
    except BaseException as error:  # an operator never sees a traceback
        if os.environ.get("BYTEOR_DEBUG") == "1":
            raise
        told = _told(error)
        try:
            _report(told, "--json" in args)
        except OSError:
            _give_up_stdout()
            with contextlib.suppress(OSError):
                _report(told, False)
        return told.exit


def _told(error: BaseException) -> ByteorError:
    """Any exception as an error with a code, for an operator."""
    if isinstance(error, ByteorError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return ByteorError("E_INTERRUPTED", "interrupted", exit=Exit.INTERRUPTED)
    if isinstance(error, OSError):
        return from_os_error(error)
    hint = "this is a defect; run again with BYTEOR_DEBUG=1 and report what it prints"
    return ByteorError("E_INTERNAL", f"{type(error).__name__}: {error}", hint=hint)


def _own_standard_streams() -> None:
    """A closed descriptor 0, 1 or 2 would be taken by the next file that we open, a region perhaps."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115  (for as long as we live)


def _give_up_stdout() -> None:
    """Nothing more can be written there; the interpreter's flush at exit must not say so either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


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
        raise ByteorError("E_USAGE", message, hint=f"try '{path} -h'", exit=Exit(code)) from error
    return result if isinstance(result, int) else Exit.OK


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


def _report(error: ByteorError, as_json: bool) -> None:
    from byteor.cli.output import report_error

    report_error(error, as_json=as_json)
