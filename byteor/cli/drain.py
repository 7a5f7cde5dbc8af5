"""``byteor drain``: take no more from the source, let messages in flight finish, and wait for the end."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from byteor.cli.options import DryRun, Json, usage_error


def command(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Id or name; the only live one when absent.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="How long to wait for the end.")
    ] = 30.0,
    dry_run: DryRun = False,
    json: Json = False,
) -> int:
    """Drain a run and wait until it has ended. Exit 10 when that takes too long, 11 when the run failed.

    How long messages in flight may take is the run's own --drain-timeout.
    """
    from byteor.acts.drain import drain, exit_of
    from byteor.cli.output import emit_json, emit_text
    from byteor.errors import Exit
    from byteor.runtime.folders import find_live_run

    if not math.isfinite(timeout):
        raise usage_error("the timeout is not a number", "--timeout takes seconds")
    if dry_run:
        run_id = find_live_run(run).identity.run_id
        if json:
            emit_json("drain", {"run_id": run_id, "state": "running", "dry_run": True})
        else:
            emit_text(f"would drain {run_id}")
        return Exit.OK
    info = drain(run, timeout)
    result = info.result
    if json:
        document = {"run_id": info.identity.run_id, "state": info.state, "dry_run": False}
        figures = ("in", "out", "filtered", "dropped", "unfinished") if result is not None else ()
        counts = (
            (result.messages_in, result.messages_out, result.filtered, result.dropped, result.unfinished)
            if result is not None
            else ()
        )
        emit_json("drain", {**document, **dict(zip(figures, counts, strict=True))})
    elif result is None:
        emit_text(f"{info.identity.run_id}: {info.state}")
    else:
        told = f"in {result.messages_in:,}  out {result.messages_out:,}  unfinished {result.unfinished:,}"
        emit_text(f"{info.identity.run_id}: {info.state}, {told}")
    return exit_of(result)
