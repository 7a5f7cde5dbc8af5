"""``byteor schema``: the form of plans and specs, for editors."""

from __future__ import annotations

from typing import Annotated

import typer

from byteor.cli.options import Json


def command(
    document: Annotated[
        str, typer.Argument(metavar="plan|spec|kv", help="JSON Schema, or the keys of KV.")
    ] = "plan",
    json: Json = False,
) -> None:
    """Print the JSON Schema of a plan or spec (of its JSON and TOML forms), or the table of KV keys."""
    import msgspec

    from byteor.cli.options import usage_error
    from byteor.cli.output import emit_json, emit_text
    from byteor.spec.grammar import key_table
    from byteor.spec.schema import TITLES, json_schema

    if document == "kv":
        rows = key_table()
        if json:
            emit_json("schema", {"keys": rows})
        else:
            emit_text("\n".join(f"{row['key']:<40} {row['values']:<44} {row['doc']}" for row in rows))
    elif document not in TITLES:
        raise usage_error(f"there is no schema of {document!r}", "one of plan, spec, kv")
    elif json:
        emit_json("schema", {"document": document, "json_schema": json_schema(document)})
    else:
        emit_text(msgspec.json.format(msgspec.json.encode(json_schema(document)), indent=2).decode())
