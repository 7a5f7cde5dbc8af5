"""``byteor top``: the live runs and their workers, again and again."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from byteor.cli.options import Json

HOME = "\x1b[H\x1b[J"  # to the first cell, and clear what is below
FIRST_LOOK_S = 0.25


def command(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Id or name; all live ones when absent.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Print one table and end.")] = False,
    interval: Annotated[
        float, typer.Option("--interval", "-n", metavar="SECONDS", min=0.1, max=3600, help="Between tables.")
    ] = 1.0,
    json: Json = False,
) -> None:
    """Show per worker: messages in and out a second, busy part, lag, latency, errors. Ctrl-C ends it.

    A plain table; colour and redrawing only on a terminal (NO_COLOR is respected). byteor-console shows more.
    With --json each look is one document.
    """
    from msgspec import to_builtins

    from byteor.acts.top import look, paces
    from byteor.cli.output import emit_json, emit_text
    from byteor.cli.run_rows import run_row
    from byteor.cli.top_table import table
    from byteor.runtime.end_health import read_ends
    from byteor.runtime.folders import find_live_run, list_runs

    wanted = find_live_run(run).identity.run_id if run is not None else None
    live = sys.stdout.isatty() and os.environ.get("TERM") not in (None, "", "dumb") and not json
    colour = live and not os.environ.get("NO_COLOR")
    before: dict[str, Any] = {}
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            found = [info for info in list_runs() if info.alive and wanted in (None, info.identity.run_id)]
            now = look([info.folder for info in found])
            if now and not before:  # rates need two looks
                time.sleep(FIRST_LOOK_S)
                before, now = now, look([info.folder for info in found])
            rows = []
            for info in found:
                sample = now.get(info.identity.run_id)  # None: somebody removed its regions
                workers = () if sample is None else paces(sample, before.get(sample.run_id))
                out = sum(worker.out_per_s for worker in workers if worker.role == "sink")
                ends = to_builtins(read_ends(Path(info.folder)))
                rows.append(({**run_row(info), "rate_per_s": out, "ends": ends}, workers))
            if json:
                emit_json("top", {"runs": [{**row, "workers": workers} for row, workers in rows]})
            else:
                emit_text((HOME if live and not once else "") + table(rows, colour=colour))
            if once or (wanted is not None and not rows):
                return
            before = now
            time.sleep(interval)
