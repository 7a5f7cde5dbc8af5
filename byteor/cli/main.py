"""Build the Typer app for the verb at hand, run it, and turn every failure into a code and a sentence."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from byteor.errors import ByteorError, Exit

if TYPE_CHECKING:
    import typer


def main(argv: list[str] | None = None) -> int:
    """Run one command line and return the exit code (``byteor.errors.Exit``)."""
    args = sys.argv[1:] if argv is None else argv
    if args in (["--version"], ["-V"]):  # before any heavy import
        from byteor._version import __version__

        sys.stdout.write(f"byteor {__version__}\n")
        return Exit.OK
    as_json = "--json" in args
    try:
        return _run(args)
    except ByteorError as error:
        _report(error, as_json)
        return error.exit
    except KeyboardInterrupt:
        _report(ByteorError("E_INTERRUPTED", "interrupted"), as_json)
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader of our stdout went away: nothing to tell it. Keep the interpreter's flush at exit quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return Exit.OK
    except OSError as error:
        _report(_from_os_error(error), as_json)
        return Exit.UNAVAILABLE
    except Exception as error:  # an operator never sees a traceback
        if os.environ.get("BYTEOR_DEBUG") == "1":
            raise
        hint = "this is a defect; run again with BYTEOR_DEBUG=1 and report what it prints"
        _report(ByteorError("E_INTERNAL", f"{type(error).__name__}: {error}", hint=hint), as_json)
        return Exit.RUNTIME


def _run(args: list[str]) -> int:
    from typer.exceptions import TyperException
    from typer.main import get_command

    try:
        result = get_command(build_app(args)).main(args, prog_name="byteor", standalone_mode=False)
    except TyperException as error:
        code = getattr(error, "exit_code", Exit.USAGE)
        message = error.format_message() if hasattr(error, "format_message") else str(error)
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


def _from_os_error(error: OSError) -> ByteorError:
    reason = error.strerror or type(error).__name__
    what = f"{error.filename}: {reason}" if error.filename else reason
    return ByteorError("E_OS", what, hint="check that the path exists, is yours, and has space")
