"""The command line of the snapshot act: which run, and a file name that no other snapshot has."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path


def state_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """``$BYTEOR_STATE_DIR``, else ``byteor`` in the user's state folder."""
    if explicit := environ.get("BYTEOR_STATE_DIR"):
        return Path(explicit)
    base = environ.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser()
    return Path(base, "byteor")


def snapshot_argv(run_id: str, unix_ns: int, folder: Path) -> tuple[str, ...]:
    """``snapshot RUN --out=FILE``; the name says run and moment (UTC, to the millisecond)."""
    moment = datetime.fromtimestamp(unix_ns / 1e9, UTC)
    stamp = f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03d}Z"
    return ("snapshot", run_id, f"--out={folder / f'{run_id}.{stamp}.snapshot.json'}")
