"""One run as ``ps`` and ``top`` tell it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from byteor.cli.output import rfc3339
from byteor.runtime.folders import RunInfo
from byteor.runtime.observe import run_figures


def run_row(info: RunInfo) -> dict[str, Any]:
    """The fields that scripts rely on; ``rate_per_s`` is the mean since the start."""
    return {
        "run_id": info.identity.run_id,
        "name": info.identity.name,
        "state": info.state,
        "pid": info.identity.pid,
        "spec_hash": info.identity.spec_hash,
        "env": info.identity.env,
        "started_at": rfc3339(info.identity.started_unix_ns),
        "version": info.identity.version,
        "metrics": info.identity.metrics,
        **run_figures(info),
    }


MOST_NAMES = 6


def silence(row: Mapping[str, Any]) -> list[str]:
    """Who gives no sign of life in the run of this row; and what holds its supervisor."""
    names = [f"{one['worker']} {one['silent_s']:.0f} s" for one in row["silent"]]
    if len(names) > MOST_NAMES:
        names[MOST_NAMES:] = [f"and {len(names) - MOST_NAMES} more"]
    told = [f"  no sign of life: {', '.join(names)}"] if names else []
    return told + supervisor_stopped(row)


def supervisor_stopped(row: Mapping[str, Any]) -> list[str]:
    pid = row["pid"]
    return [f"  its supervisor was stopped by a signal: kill -CONT {pid}"] if row["stopped"] else []
