"""``byteor edge``: the sources and sinks that a run can be joined to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byteor.cli.options import Json

if TYPE_CHECKING:
    from byteor.edge.catalogue import Kind

app = typer.Typer(no_args_is_help=True, help="Sources and sinks: kinds, options, what each promises.")


@app.callback()
def edge() -> None:
    """Sources and sinks: kinds, options, what each promises."""


@app.command("list")
def list_(
    kind: Annotated[
        str | None,
        typer.Argument(metavar="[KIND]", help="One kind in full, such as tcp.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """List the kinds of --source and --sink with what each delivers; with KIND its options too."""
    import difflib

    from byteor.cli.output import emit_json, emit_text
    from byteor.edge.catalogue import SINKS, SOURCES
    from byteor.edge.errors import EdgeError
    from byteor.errors import Exit

    found = [
        (role, name, one)
        for role, kinds in (("source", SOURCES), ("sink", SINKS))
        for name, one in kinds.items()
        if kind in (None, name)
    ]
    if not found:
        assert kind is not None
        near = difflib.get_close_matches(kind, {*SOURCES, *SINKS}, n=1)
        hint = f"did you mean {near[0]}?" if near else "byteor edge list names all of them"
        raise EdgeError("E_EDGE_KIND", f"no such kind: {kind!r}", hint=hint, exit=Exit.NOT_FOUND)
    if json:
        emit_json(
            "edges",
            {
                f"{wanted}s": [_row(name, one) for role, name, one in found if role == wanted]
                for wanted in ("source", "sink")
            },
        )
    elif kind is None:
        emit_text("\n".join(_listed(found)))
    else:
        emit_text("\n\n".join(_page(role, one) for role, _, one in found))


def _listed(found: list[tuple[str, str, Kind]]) -> list[str]:
    lines: list[str] = []
    for wanted in ("source", "sink"):
        lines += [*([""] if lines else []), f"--{wanted}"]
        for role, _, one in found:
            if role == wanted:
                lines += [f"  {one.usage:<30} {one.doc}", f"  {'':<30} {one.delivery}"]
    return lines


def _page(role: str, one: Kind) -> str:
    lines = [f"--{role} {one.usage}", "", f"  {one.doc}", f"  delivers: {one.delivery}"]
    lines += ["", *(f"  {option.name:<16} {option.doc}{_default(option.default)}" for option in one.options)]
    return "\n".join(lines).rstrip()


def _default(value: object) -> str:
    if value is None:
        return ""
    return f" ({int(value) if isinstance(value, bool) else value})"


def _row(name: str, one: Kind) -> Mapping[str, Any]:
    return {
        "kind": name,
        "usage": one.usage,
        "doc": one.doc,
        "delivery": one.delivery,
        "options": [
            {"name": option.name, "default": option.default, "doc": option.doc} for option in one.options
        ],
    }
