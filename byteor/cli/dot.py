"""``byteor dot``: a plan or spec as a Graphviz graph."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Annotated

import typer

from byteor.cli.options import Json, SpecArgument, SpecOption, Strict, one_spec


def command(
    spec_argument: SpecArgument = None,
    spec: SpecOption = None,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="Render to FILE with Graphviz' dot.")
    ] = None,
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Print Graphviz text: inserted infrastructure dashed, stages that act in a second colour."""
    from byteor.cli.output import emit_json, emit_text, note
    from byteor.spec import load
    from byteor.spec.dot import dot

    valid = load(one_spec(spec_argument, spec), strict)
    text = dot(valid)
    if svg is not None:
        _render(text, svg)
    if json:
        output = None if svg is None else str(svg)
        emit_json("dot", {"name": valid.name, "spec_hash": valid.spec_hash, "dot": text, "svg": output})
    elif svg is not None:
        note(f"{svg}: written")
    else:
        emit_text(text)


def _render(text: str, target: Path) -> None:
    from byteor.atomic import write_file
    from byteor.errors import ByteorError, Exit

    try:
        done = subprocess.run(
            ["dot", "-Tsvg"], input=text.encode(), capture_output=True, timeout=60, check=False
        )
    except FileNotFoundError:
        hint = "install Graphviz, or leave --svg out and render the text elsewhere"
        raise ByteorError(
            "E_NO_GRAPHVIZ", "there is no `dot` program", hint=hint, exit=Exit.UNAVAILABLE
        ) from None
    except subprocess.TimeoutExpired:
        hint = "leave --svg out and render the text with another layout"
        raise ByteorError("E_TIMEOUT", "`dot` took over 60 s", hint=hint, exit=Exit.TIMEOUT) from None
    if done.returncode:
        reason = done.stderr.decode("utf-8", "replace").strip()[:300]
        raise ByteorError("E_GRAPHVIZ", f"`dot` failed: {reason}", hint="try `byteor dot` without --svg")
    write_file(target, done.stdout, mode=0o644)
