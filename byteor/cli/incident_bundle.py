"""``byteor incident-bundle``: gather the evidence of a run, live, hung or dead, into one signed bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from byteor.cli.options import Json, usage_error


def command(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Id or name of a run.", show_default=False)
    ] = None,
    last: Annotated[bool, typer.Option("--last", help="The newest run.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", metavar="PATH", show_default=False,
            help="A .zip file, a new folder, or a folder for the zip; the state folder when absent.",
        ),
    ] = None,
    seen: Annotated[
        Path | None,
        typer.Option(
            "--seen", metavar="FILE", show_default=False, help="What somebody saw: the console's recording."
        ),
    ] = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Bundle spec, validation, policy, environment, state, captured messages and timeline. Stops nobody.

    Secrets stay out: variables, arguments and settings that are not known to be harmless become digests.
    """
    from byteor.acts.bundles import bundle_run
    from byteor.cli.output import emit_json, emit_text

    if run is None and not last:
        raise usage_error("no run was named", "byteor incident-bundle RUN, or --last")
    done = bundle_run(run, out, seen=seen)
    if json:
        emit_json(
            "incident-bundle",
            {
                "incident_id": done.incident_id,
                "path": str(done.path),
                "files": list(done.files),
                "sha256": done.sha256,
                "audit_seq": done.audit_seq,
            },
        )
    else:
        emit_text(f"{done.incident_id}  {done.path}")
