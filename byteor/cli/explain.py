"""``byteor explain``: what a code means and how to get out of it."""

from __future__ import annotations

from typing import Annotated

import typer

from byteor.cli.options import Json


def command(
    code: Annotated[
        str | None,
        typer.Argument(metavar="CODE", help="A code (E_SHARDS) or category (Cycle).", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Tell the rule behind a code, with lines that break it and lines that keep it; without CODE, list
    all."""
    from byteor.cli.output import emit_json, emit_text
    from byteor.errors import ByteorError, Exit
    from byteor.spec.codes import CATEGORIES, CODES
    from byteor.spec.explain import explain, explain_text
    from byteor.spec.nearest import did_you_mean

    if code is None:
        if json:
            rows = [{"code": row.code, "category": row.category, "rule": row.rule} for row in CODES.values()]
            emit_json("explain", {"codes": rows})
        else:
            emit_text("\n".join(f"{row.code:<20} {row.rule}" for row in CODES.values()))
        return
    found = explain(code) or explain(code.upper())
    if found is None:
        hint = did_you_mean(code.upper(), CODES.keys()) or did_you_mean(
            code, CATEGORIES, "`byteor explain` lists all"
        )
        raise ByteorError("E_NOT_FOUND", f"there is no code {code}", hint=hint, exit=Exit.NOT_FOUND)
    if json:
        emit_json("explain", found)
    else:
        emit_text(explain_text(found))
