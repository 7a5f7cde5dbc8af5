"""``byteor explain``: what a code means and how to get out of it."""

from __future__ import annotations

from typing import Annotated, Any

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

    if code is None:
        found = _all()
        if json:
            emit_json("explain", {"codes": found})
        else:
            emit_text("\n".join(f"{row['code']:<24} {row['category']:<22} {row['rule']}" for row in found))
        return
    meanings = _meanings(code) or _meanings(code.upper())
    if not meanings:
        raise ByteorError("E_NOT_FOUND", f"there is no code {code}", hint=_near(code), exit=Exit.NOT_FOUND)
    if json:
        emit_json("explain", {**meanings[0], **({"also": meanings[1:]} if meanings[1:] else {})})
    else:
        from byteor.spec.explain import explain_text

        emit_text("\n".join(explain_text(one) for one in meanings))


def _meanings(word: str) -> list[dict[str, Any]]:
    """What ``word`` means: of documents first, then in each layer that has a code of this name."""
    from byteor.cli.codes import explain_row, rows
    from byteor.spec.explain import explain

    found = explain(word)
    others = [explain_row(row) for row in rows() if row.code == word]
    return others if found is None else [found, *others]


def _all() -> list[dict[str, str]]:
    from byteor.cli.codes import rows
    from byteor.spec.codes import CODES

    documents = [{"code": row.code, "category": row.category, "rule": row.rule} for row in CODES.values()]
    return documents + [{"code": row.code, "category": row.layer, "rule": row.rule} for row in rows()]


def _near(code: str) -> str:
    from byteor.spec.codes import CATEGORIES
    from byteor.spec.nearest import did_you_mean

    codes = [row["code"] for row in _all()]
    listed = "`byteor explain` lists all"
    return did_you_mean(code.upper(), codes) or did_you_mean(code, CATEGORIES) or listed
