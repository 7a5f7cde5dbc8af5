"""``byteor stages``: the stages that a spec may name here, and one of them in full."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from byteor.cli.options import Json

if TYPE_CHECKING:
    from byteor.runtime.stages.api import Example
    from byteor.runtime.stages.catalogue import Listed

KeyArgument = Annotated[
    str | None,
    typer.Argument(metavar="KEY", help="A stage key; with parameters they are checked.", show_default=False),
]
Modules = Annotated[
    list[str] | None,
    typer.Option("--stages", metavar="MODULE", help="A module with stages of yours; may be repeated."),
]


def command(key: KeyArgument = None, stages: Modules = None, json: Json = False) -> None:
    """List the stages that a spec may name here, or tell one in full: what it does, parameters, an example.

    With parameters in KEY they are checked, as `byteor run --dry-run` would.
    """
    from byteor.cli.output import emit_json, emit_text, note
    from byteor.runtime.stages.catalogue import listing, resolve

    found, broken = listing(stages or ())
    if key is None:
        if json:
            failed = [{"code": error.code, "message": error.message} for error in broken]
            emit_json("stages", {"stages": [_row(one) for one in found], "broken": failed})
            return
        emit_text("\n".join(_line(one) for one in found))
        for error in broken:
            note(f"not loaded: {error.message}")
        return
    base, colon, _ = key.partition(":")
    one = next((one for one in found if one.definition.key == base), None)
    if colon or one is None:
        resolve(key, stages or ())
    assert one is not None  # else resolve has said so
    if json:
        emit_json("stage", {**_row(one), "checked": key if colon else None})
    else:
        emit_text(_page(one) + (f"\n\n{key}: the parameters are right" if colon else ""))


def _row(one: Listed) -> dict[str, Any]:
    stage = one.definition
    example = stage.example
    return {
        "key": stage.key,
        "usage": stage.usage,
        "kind": stage.kind,
        "shape": stage.shape,
        "native": stage.native is not None,
        "writes": stage.writes,
        "parameters": stage.parameters or None,
        "required": stage.required,
        "doc": stage.doc,
        "module": stage.module,
        "distribution": one.distribution or None,
        "version": one.version or None,
        "example": None
        if example is None
        else {"key": example.key, "given": list(example.given), "gives": list(example.gives)},
    }


def _line(one: Listed) -> str:
    from byteor.cli.output import shown_text

    stage = one.definition
    return f"{stage.key:<18} {stage.kind:<9} {shown_text(stage.doc.partition(chr(10))[0])}".rstrip()


def _page(one: Listed) -> str:
    from byteor.cli.output import shown_text

    stage = one.definition
    runs = {
        "native": "in the kernel, without Python",
        "batch": "in Python, a batch at a time",
        "message": "in Python, a message at a time",
    }
    lines = [
        stage.usage,
        "",
        *(shown_text(line) for line in stage.doc.splitlines()),
        "",
        f"kind     {stage.kind}: {_KINDS[stage.kind]}",
        f"runs     {runs[stage.shape]}",
        f"changes  {'messages' if stage.writes else 'no message; it may run beside other readers'}",
        f"from     {one.distribution or stage.module} {one.version}".rstrip(),
    ]
    if stage.example is not None:
        lines += ["", "example", *_example(stage.example)]
    return "\n".join(lines)


def _example(example: Example) -> list[str]:
    pairs = zip(example.given, example.gives, strict=True)
    return [
        f"  {example.key}",
        *(f"    {given}  ->  {'(filtered)' if out is None else out}" for given, out in pairs),
    ]


_KINDS = {
    "pure": "its results hang on the messages alone",
    "seeded": "it draws numbers, from the run's seed",
    "clocked": "it reads the time, which is each message's arrival",
    "external": "it acts outside of the pipeline",
}
