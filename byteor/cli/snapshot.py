"""``byteor snapshot``: what a run's shared memory says now; works on hung and dead runs too."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from byteor.cli.options import Json


def command(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Id or name; the newest when absent.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Write to this file, print its path.")
    ] = None,
    json: Json = False,
) -> None:
    """Print the snapshot document of a run, or write it with -o. Blocks no stage."""
    from byteor.acts.snapshot import snapshot
    from byteor.cli.output import emit_json, emit_text

    taken = snapshot(run, out)
    if out is None:
        emit_text(taken.document.decode())
    elif json:
        emit_json(
            "snapshot-file", {"run_id": taken.run_id, "path": str(taken.path), "audit_seq": taken.audit_seq}
        )
    else:
        emit_text(str(taken.path))
