"""``byteor compile``: a plan lowered to the spec that is approved and run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from byteor.cli.options import DryRun, Json, Strict


def command(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan (a spec is only made canonical).")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="SPEC", help="The file; stdout when absent.")
    ] = None,
    strict: Strict = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Validate and lower PLAN, say what was inserted and why, and write the canonical spec."""
    from byteor.atomic import write_file
    from byteor.cli.options import usage_error
    from byteor.cli.output import emit_json, emit_text, note
    from byteor.cli.spec_io import finding_fields, finding_lines
    from byteor.spec import check_document, read_document

    if json and output is None and not dry_run:
        raise usage_error("--json and the spec both want stdout", "add -o SPEC, or --dry-run")
    report = check_document(read_document(plan, strict=strict))
    spec = report.required()
    if output is not None and not dry_run:
        write_file(output, spec.canonical, mode=0o644)
    if json:
        found = {
            "name": spec.name,
            "spec_hash": spec.spec_hash,
            "output": None if output is None else str(output),
            "dry_run": dry_run,
            "plan_diagnostics": [finding_fields(finding) for finding in report.plan_diagnostics],
            "lowering_diagnostics": [
                {"kind": one.kind, "subject": one.subject, "message": one.message}
                for one in report.lowering_diagnostics
            ],
        }
        emit_json("compile", found)
        return
    for line in finding_lines(report.plan_diagnostics):
        note(line)
    for one in report.lowering_diagnostics:
        note(f"{one.kind} {one.subject}: {one.message}")
    if output is None:
        emit_text(spec.canonical.decode("ascii"))
    else:
        note(f"{output}: {spec.spec_hash}" + (" (dry run: not written)" if dry_run else ""))
