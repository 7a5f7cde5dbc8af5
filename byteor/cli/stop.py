"""``byteor stop``: drain a run, then end it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from byteor.cli.options import DryRun, Json


def command(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Id or name; the newest when absent.")
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="Do not let messages in flight finish.")] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Close the source, let messages in flight finish, stop the workers."""
    from byteor.cli.output import emit_json, emit_text
    from byteor.runtime.control import demand
    from byteor.runtime.folders import find_live_run

    info = find_live_run(run)
    what = "stop" if now else "drain"
    state = info.state if dry_run else demand(Path(info.folder), what).state
    document = {"run_id": info.identity.run_id, "asked": what, "state": state, "dry_run": dry_run}
    if json:
        emit_json("stop", document)
    else:
        emit_text(f"{info.identity.run_id}: {'would ask' if dry_run else 'asked'} to {what}; {state}")
