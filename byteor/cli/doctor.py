"""``byteor doctor``: is this host fit for a profile, and what to type where it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from byteor.cli.options import Json

if TYPE_CHECKING:
    from byteor.acts.doctor_checks import Check

MARKS = {"pass": "ok  ", "warn": "warn", "fail": "FAIL"}


def command(
    profile: Annotated[
        str, typer.Option(metavar="NAME", help="default, low-latency or isolated-core.")
    ] = "default",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check, and keep no result.")] = False,
    json: Json = False,
) -> int:
    """Check this host and say how to mend what is wrong. Exit 1 when a check fails; warnings pass.

    Results are kept, the newest 50: the console shows how a check went before, and hosts beside each other.
    """
    import msgspec

    from byteor.acts.doctor import doctor
    from byteor.acts.doctor_kept import keep
    from byteor.cli.output import emit_json, emit_text, note
    from byteor.errors import ByteorError, Exit

    found = doctor(profile)
    if not dry_run:
        try:
            keep(found)
        except (ByteorError, OSError) as error:
            note(f"this result is not kept: {error}")
    if json:
        emit_json("doctor", msgspec.structs.asdict(found))
    else:
        emit_text("\n".join([*map(_line, found.checks), _verdict(found.checks, profile)]))
    return Exit.OK if found.ok else Exit.CHECK_FAILED


def _line(check: Check) -> str:
    line = f"{MARKS[check.status]}  {check.id:<16} {check.detail}"
    return f"{line}\n{'':<23}do: {check.fix}" if check.fix else line


def _verdict(checks: tuple[Check, ...], profile: str) -> str:
    counts = {status: sum(check.status == status for check in checks) for status in MARKS}
    return f"{profile}: {counts['pass']} passed, {counts['warn']} warnings, {counts['fail']} failed"
