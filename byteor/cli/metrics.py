"""``byteor metrics``: a run's counters once, as Prometheus text or JSON. Works on hung and dead runs too."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from byteor.cli.options import Json

LOOK_S = 0.25


def command(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Id or name; the newest when absent.")
    ] = None,
    json: Json = False,
) -> None:
    """Print per stage and lane: in, out, dropped by cause, errors, rate, busy ratio, depth, latencies.

    ``byteor run --metrics-addr PORT`` serves the same text to a Prometheus server.
    """
    from byteor.cli.output import emit_json, emit_text
    from byteor.runtime.folders import find_run
    from byteor.runtime.reading import Readings

    info = find_run(run)
    readings = Readings(Path(info.folder))
    try:
        if json:
            now = readings.read()
            workers = [row for row in now.rows if row.role != "lane"]
            lanes = [row for row in now.rows if row.role == "lane"]
            document = {"run_id": info.identity.run_id, "state": now.state, "workers": workers}
            emit_json("metrics", {**document, "lanes": lanes, "depths": now.lanes})
            return
        if info.alive:
            time.sleep(LOOK_S)  # rates need two looks
        emit_text(readings.exposition())
    finally:
        readings.close()
