"""``byteor watch``: validate again what is saved, and say what changed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byteor.cli.options import Json

if TYPE_CHECKING:
    from byteor.spec.watch import Event

_SHOWN_CHANGES = 8


def command(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATHS]", help="Files or folders; . when absent.")
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Tell the state now and end; exit 3 if any failed.")
    ] = False,
    execute: Annotated[
        str | None,
        typer.Option("--exec", metavar="CMD", help="Run CMD after a change that leaves everything right."),
    ] = None,
    poll: Annotated[bool, typer.Option("--poll", help="Rescan instead of waiting for events.")] = False,
    json: Json = False,
) -> int:
    """Print a line a file with its difference to the last valid version; ring the bell on a new failure.

    With --json: NDJSON, one document a file. CMD finds the changed paths in $BYTEOR_CHANGED, one a line.
    """
    from byteor.cli.output import emit_json, emit_text
    from byteor.errors import ByteorError, Exit
    from byteor.spec.watch import watch

    for path in paths or ():
        if not Path(path).exists():
            hint = "name a file or folder that is there"
            raise ByteorError("E_NOT_FOUND", f"there is no {path}", hint=hint, exit=Exit.NOT_FOUND)
    failed: set[str] = set()
    for number, events in enumerate(watch(paths or ["."], poll=poll)):
        for event in events:
            (failed.add if event.state == "failed" else failed.discard)(event.path)
            if event.renamed_from is not None:
                failed.discard(event.renamed_from)
            if json:
                emit_json("watch", _fields(event))
            else:
                emit_text("\n".join(_lines(event)))
        if any(event.new_failure for event in events) and not json and sys.stdout.isatty():
            sys.stdout.write("\a")
            sys.stdout.flush()
        if once:
            break
        if number and execute and not failed:
            _execute(execute, events)
    return Exit.INVALID if failed else Exit.OK


def _fields(event: Event) -> dict[str, Any]:
    from byteor.cli.diff import diff_fields
    from byteor.cli.output import json_text
    from byteor.cli.spec_io import finding_fields

    return {
        "path": json_text(event.path),
        "state": event.state,
        "spec_hash": event.spec_hash,
        "new_failure": event.new_failure,
        "renamed_from": None if event.renamed_from is None else json_text(event.renamed_from),
        "stale": [json_text(path) for path in event.stale],
        "findings": [finding_fields(finding) for finding in event.findings],
        "diff": None if event.difference is None else diff_fields(event.difference),
    }


def _lines(event: Event) -> list[str]:
    from byteor.cli.output import shown_text
    from byteor.cli.spec_io import finding_lines

    marks = {"ok": "ok  ", "failed": "FAIL", "removed": "gone"}
    line = f"{marks[event.state]}  {shown_text(event.path)}"
    if event.renamed_from is not None:
        line += f"  (was {shown_text(event.renamed_from)})"
    if event.spec_hash is not None:
        line += f"  {event.spec_hash[:19]}"
    difference = event.difference
    changes = difference.changes if difference is not None else ()
    if difference is not None:
        line += "  same spec" if difference.same else f"  {len(changes)} changes"
    lines = [line]
    lines += [
        f"      {c.op} {_shown(c.path)}  {_shown(c.a)} -> {_shown(c.b)}" for c in changes[:_SHOWN_CHANGES]
    ]
    if difference is not None:
        lines += [f"      gains capability {name}" for name in difference.gained]
        lines += [f"      loses capability {name}" for name in difference.lost]
    lines += [f"      {shown_text(path)} is not what this lowers to any more" for path in event.stale]
    return lines + [f"      {text}" for text in finding_lines(event.findings)]


def _shown(value: object) -> str:
    from byteor.cli.output import shown_text

    text = "-" if value is None else str(value)
    return shown_text(text if len(text) <= 60 else text[:57] + "...")


def _execute(command_line: str, events: Sequence[Event]) -> None:
    """Run the user's command; its failure is told and the watch goes on."""
    import os
    import shlex
    import subprocess

    from byteor.cli.output import note, shown_text

    shown = shown_text(command_line)
    changed = "\n".join(event.path for event in events)  # as they are: the command opens them
    try:
        done = subprocess.run(
            shlex.split(command_line), env={**os.environ, "BYTEOR_CHANGED": changed}, check=False
        )
    except (OSError, ValueError) as error:
        note(f"--exec: {shown}: {shown_text(str(error))}")
        return
    if done.returncode:
        note(f"--exec: {shown}: exit {done.returncode}")
