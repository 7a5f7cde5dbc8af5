"""What stands before the verb: ``byteor [--config FILE] VERB ...``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from byteor.cli.verbs import VERBS


def root(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", metavar="FILE", help="Settings, stronger than byteor.toml.", show_default=False
        ),
    ] = None,
) -> None:
    """Governed execution and replay for real-time pipelines.

    A pipeline is a spec: `byteor validate` it, look at it with `describe`, `run` it on shared memory,
    watch it with `byteor-console`, and ask `byteor audit log` what happened. Every verb takes --json.
    """
    if any(verb.settings and verb.name == context.invoked_subcommand for verb in VERBS):
        from byteor.acts.settings import apply_settings

        apply_settings(config)
