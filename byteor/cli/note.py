"""``byteor note``: a person's note in the audit log: a moment that mattered, or the handover of a shift."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from byteor.cli.options import Json, usage_error


def command(
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", show_default=False, help="The note.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its text is in this file.", show_default=False)
    ] = None,
    kind: Annotated[str, typer.Option(metavar="KIND", help="mark or handover.")] = "mark",
    run: Annotated[
        str | None, typer.Option(metavar="RUN", help="The run that it is about.", show_default=False)
    ] = None,
    at: Annotated[
        int | None,
        typer.Option(metavar="UNIX_NS", min=0, help="The moment that it is about; now.", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check it, write nothing.")] = False,
    json: Json = False,
) -> None:
    """Write a note into the audit log. The newest handover greets whoever opens the console next."""
    from byteor.acts.notes import ACTIONS, MAX_BYTES, check, note
    from byteor.cli.output import emit_json, emit_text
    from byteor.runtime.folders import find_run

    if kind not in ACTIONS:
        raise usage_error(f"unknown kind {kind!r}", "--kind mark, or --kind handover")
    if (text is None) == (file is None):
        raise usage_error("a note is TEXT or --file FILE", "one of the two")
    if file is not None:
        with file.open("rb") as opened:  # a byte more than may be is enough to refuse it
            text = opened.read(MAX_BYTES + 1).decode("utf-8", "replace")
    assert text is not None
    info = find_run(run) if run is not None else None
    if dry_run:
        check(text)
    seq = None if dry_run else note(kind, text, run=info, at_unix_ns=at)
    if json:
        emit_json("note", {"kind": kind, "text": text, "audit_seq": seq, "dry_run": dry_run})
    else:
        emit_text("it would be written" if dry_run else f"noted as #{seq}")
