"""Which runs there are and which one to open. Reads run folders; asks no run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from byteor_tui.model.run import Run

if TYPE_CHECKING:
    from byteor_tui.model.source import Source


def find_runs() -> list[Run]:
    """All runs of this user, live ones first, newest first. Raises ``RunError`` for a foreign folder."""
    from byteor.runtime.folders import RunInfo, list_runs

    def as_run(info: RunInfo) -> Run:
        who = info.identity
        return Run(
            who.run_id, who.name, info.state, who.env, who.pid, info.alive, who.started_unix_ns, info.folder
        )

    return sorted(map(as_run, list_runs()), key=lambda run: not run.alive)


def find_snapshots() -> list[Run]:
    """The snapshots that were taken from a console on this host, newest first."""
    from byteor.state import state_dir
    from byteor_tui.model.snapshots import snapshots

    return snapshots(state_dir() / "snapshots")


def find_run(which: str) -> Run:
    """The run with this id or name, or the snapshot in a file. Raises ``E_RUN_NOT_FOUND`` (exit 7)."""
    from byteor.runtime.folders import find_run as find
    from byteor_tui.model.snapshots import SUFFIX, snapshot_run

    if which.endswith(SUFFIX):
        return snapshot_run(Path(which))

    run_id = find(which).identity.run_id
    return next(run for run in find_runs() if run.run_id == run_id)


def the_one(runs: list[Run]) -> Run | None:
    """The run to open without asking: the only live one."""
    live = [run for run in runs if run.alive]
    return live[0] if len(live) == 1 else None


def open_source(run: Run) -> Source:
    """Shared memory of ``run``, read-only, or its snapshot. Raises ``ByteorError`` when it cannot be read."""
    if run.kind == "snapshot":
        from byteor_tui.model.snapshots import SnapshotSource

        return SnapshotSource(Path(run.folder))
    from byteor.runtime.observe import RunObserver

    return RunObserver(Path(run.folder))
