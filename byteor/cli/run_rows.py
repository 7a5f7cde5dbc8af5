"""One run as ``ps`` and ``top`` tell it."""

from __future__ import annotations

from typing import Any

from byteor.cli.output import rfc3339
from byteor.runtime.folders import RunInfo
from byteor.runtime.observe import run_totals


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
        **run_totals(info),
    }
