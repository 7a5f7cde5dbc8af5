"""``byteor note``: a person's note in the audit log: a moment that mattered, the handover of a shift, a
comment on a request."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from byteor.cli.options import Json, usage_error

COMMENT = "comment"


def command(
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", show_default=False, help="The note.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its text is in this file.", show_default=False)
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="mark, handover, or comment: what --request makes of it.",
            show_default="mark",
        ),
    ] = None,
    run: Annotated[
        str | None, typer.Option(metavar="RUN", help="The run that it is about.", show_default=False)
    ] = None,
    request: Annotated[
        str | None,
        typer.Option(metavar="REQUEST", help="The request that it comments on.", show_default=False),
    ] = None,
    at: Annotated[
        int | None,
        typer.Option(metavar="UNIX_NS", min=0, help="The moment that it is about; now.", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check it, write nothing.")] = False,
    json: Json = False,
) -> None:
    """Write a note into the audit log. The newest handover greets whoever opens the console next."""
    from byteor.acts.notes import MAX_BYTES
    from byteor.cli.output import emit_json, emit_text

    kind = _kind(kind, request, run)
    if (text is None) == (file is None):
        raise usage_error("a note is TEXT or --file FILE", "one of the two")
    if file is not None:
        with file.open("rb") as opened:  # a byte more than may be is enough to refuse it
            text = opened.read(MAX_BYTES + 1).decode("utf-8", "replace")
    assert text is not None
    seq = _write(kind, text, run, request, at, dry_run=dry_run)
    if json:
        about = {"request": request, "audit_seq": seq, "dry_run": dry_run}
        emit_json("note", {"kind": kind, "text": text, **about})
    else:
        emit_text("it would be written" if dry_run else f"noted as #{seq}")


def _kind(given: str | None, request: str | None, run: str | None) -> str:
    """Raises ``E_USAGE`` for a kind that is none, or that does not fit what the note is about."""
    from byteor.acts.notes import ACTIONS

    kind = given or ("mark" if request is None else COMMENT)
    if kind not in (*ACTIONS, COMMENT):
        raise usage_error(f"unknown kind {kind!r}", "--kind mark, --kind handover or --kind comment")
    if (kind == COMMENT) != (request is not None):
        raise usage_error(
            f"a {kind} is about {'a request' if kind == COMMENT else 'no request'}",
            "byteor note TEXT --request ID; byteor approval list tells ids",
        )
    if request is not None and run is not None:
        raise usage_error("a comment is about a request, not about a run", "leave out --run")
    return kind


def _write(
    kind: str, text: str, run: str | None, request: str | None, at: int | None, *, dry_run: bool
) -> int | None:
    """The entry's seq; None of a dry run, which finds what would be refused."""
    from byteor.acts.notes import check, note
    from byteor.runtime.folders import find_run

    if request is not None:
        from byteor.acts.approvals import read_kept
        from byteor.acts.comments import comment

        if not dry_run:
            return comment(request, text, at_unix_ns=at)
        read_kept(request)
    info = find_run(run) if run is not None else None
    if not dry_run:
        return note(kind, text, run=info, at_unix_ns=at)
    check(text)
    return None
