"""``byteor determinism``: does a pipeline give the same again, whatever the clock and the seeds?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from byteor.cli.options import Json

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Whether a pipeline gives the same again."
)


@app.callback()
def group() -> None:
    """Whether a pipeline gives the same again."""


@app.command("check")
def check(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="A plan or spec.", show_default=False)],
    capture: Annotated[
        str | None,
        typer.Option(
            metavar="RUN", help="Whose inputs; this pipeline's newest run when absent.", show_default=False
        ),
    ] = None,
    stages: Annotated[
        list[str] | None,
        typer.Option("--stages", metavar="MODULE", help="A module that defines stages.", show_default=False),
    ] = None,
    messages: Annotated[int, typer.Option(metavar="N", min=1, help="How many inputs.")] = 1_000,
    json: Json = False,
) -> None:
    """Replay a capture under other hash seeds, clocks, zones, locales, folders, batches; name the stage that
    differs. Exit 0 the same every time, 1 not."""
    from byteor.acts.determinism import determinism_check
    from byteor.cli.output import emit_json, emit_text, shown_text
    from byteor.errors import Exit

    done = determinism_check(spec, capture, tuple(stages or ()), messages)
    checked = done.checked
    if json:
        emit_json(
            "determinism-check",
            {
                "deterministic": checked.deterministic,
                "stage": checked.stage,
                "run_id": done.run_id,
                "spec_hash": done.spec_hash,
                "conditions": list(checked.conditions),
                "findings": [
                    {
                        "condition": one.condition,
                        "stage": one.stage,
                        "suspects": one.suspects,
                        "detail": one.detail,
                    }
                    for one in checked.findings
                ],
                "kinds": done.kinds,
                "messages_out": checked.messages_out,
            },
        )
    else:
        lines = [
            "the same under every condition"
            if checked.deterministic
            else f"differs: look at {checked.stage or 'the outputs'}",
            *(
                f"  {one.condition:22} {one.stage or '-':16} {one.suspects} {one.detail}"
                for one in checked.findings
            ),
            f"  {len(checked.conditions)} conditions, {checked.messages_out:,} outputs of {done.run_id}",
        ]
        emit_text("\n".join(shown_text(line) for line in lines))
    raise typer.Exit(Exit.OK if checked.deterministic else Exit.CHECK_FAILED)
