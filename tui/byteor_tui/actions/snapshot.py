"""The command line of the snapshot act: which run, and a file name that no other snapshot has."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path


def snapshot_folder() -> Path:
    """``snapshots`` beside the audit log, 0700. Raises ``E_UNSAFE_FOLDER`` or ``OSError``."""
    from byteor.atomic import private_folder
    from byteor.state import state_dir

    return private_folder(private_folder(state_dir()) / "snapshots")


def snapshot_argv(run_id: str, unix_ns: int, folder: Path) -> tuple[str, ...]:
    """``snapshot RUN --out=FILE``; the name says run and moment (UTC, to the millisecond)."""
    moment = datetime.fromtimestamp(unix_ns / 1e9, UTC)
    stamp = f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03d}Z"
    return ("snapshot", run_id, f"--out={folder / f'{run_id}.{stamp}.snapshot.json'}")
