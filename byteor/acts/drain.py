"""Drain a run and wait for its end."""

from __future__ import annotations

import time
from pathlib import Path

from byteor.errors import Exit
from byteor.runtime.control import demand
from byteor.runtime.errors import RunError
from byteor.runtime.folders import RunInfo, RunResult, find_live_run, read_run

_POLL_S = 0.02


def drain(which: str | None, timeout_s: float) -> RunInfo:
    """Ask the live run ``which`` to drain and return it when it has ended.

    Raises ``E_RUN_NOT_FOUND``, ``E_RUN_AMBIGUOUS``, ``E_RUN_SILENT``, ``E_RUN_VERSION``, and
    ``E_STILL_DRAINING`` (exit 10).
    """
    info = find_live_run(which)
    demand(Path(info.folder), "drain")
    return await_end(info, timeout_s)


def await_end(info: RunInfo, timeout_s: float) -> RunInfo:
    """Return ``info`` as it is once the run has ended or died. Raises ``E_STILL_DRAINING`` (exit 10)."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            found = read_run(Path(info.folder))
        except RunError as error:
            if error.code != "E_RUN_NOT_FOUND":
                raise
            return RunInfo(info.folder, info.identity, False, None)  # somebody has removed it already
        if not found.alive:
            return found
        if time.monotonic() >= deadline:
            name = info.identity.run_id
            raise RunError(
                "E_STILL_DRAINING",
                f"{name} has not ended within {timeout_s:g} s",
                hint=f"byteor top {name} shows who lags; byteor stop --now {name} does not wait",
                exit=Exit.TIMEOUT,
            )
        time.sleep(_POLL_S)


def exit_of(result: RunResult | None) -> Exit:
    """0 drained, 10 some messages did not finish in time, 11 failed or died meanwhile."""
    if result is None or result.state in ("failed", "dead"):
        return Exit.RUNTIME
    return Exit.TIMEOUT if result.stuck or result.unfinished else Exit.OK
