"""``byteor gc``: remove the folders and regions of runs that have ended."""

from __future__ import annotations

from byteor.cli.options import DryRun, Json


def command(dry_run: DryRun = False, json: Json = False) -> None:
    """Remove ended and killed runs' folders and shared memory. Live runs are never touched."""
    from byteor.acts.gc import collect
    from byteor.cli.output import emit_json, emit_text

    removed = collect(dry_run=dry_run)
    if json:
        emit_json("gc", {"removed": removed, "dry_run": dry_run})
    else:
        word = "would remove" if dry_run else "removed"
        emit_text("\n".join(f"{word} {run_id}" for run_id in removed) or "nothing to remove")
