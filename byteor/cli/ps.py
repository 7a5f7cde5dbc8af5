"""``byteor ps``: the runs on this host, live and ended."""

from __future__ import annotations

from typing import Annotated

import typer

from byteor.cli.options import Json


def command(
    all_runs: Annotated[bool, typer.Option("--all", "-a", help="Ended and dead runs too.")] = False,
    json: Json = False,
) -> None:
    """List live runs; with --all also those that ended or were killed. Below a run, who in it is silent."""
    from byteor.cli.output import emit_json, emit_text
    from byteor.cli.run_rows import run_row, silence
    from byteor.runtime.folders import list_runs

    rows = [run_row(info) for info in list_runs() if all_runs or info.alive]
    if json:
        emit_json("ps", {"runs": rows})
        return
    lines = [f"{'RUN':<42} {'STATE':<9} {'PID':>8} {'IN':>14} {'OUT':>14} {'ERRORS':>7} {'MSG/S':>12}"]
    for row in rows:
        lines.append(
            f"{row['run_id']:<42} {row['state']:<9} {row['pid']:>8} {row['in']:>14,} {row['out']:>14,}"
            f" {row['errors']:>7} {row['rate_per_s']:>12,.0f}"
        )
        lines += silence(row)
    emit_text("\n".join(lines) if rows else "no live runs (--all lists ended ones)")
