"""One row in the audit log for one thing that happened to a run."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from byteor.acts.log import open_log
from byteor.runtime.folders import RunIdentity, RunInfo, RunResult, write_result
from byteor_store import Event, current_actor


def record(
    action: str, identity: RunIdentity, body: Mapping[str, Any] | None = None, *, seal: bool = False
) -> int:
    """Append ``action`` about the run ``identity``; durable on return. Returns its seq.

    Raises ``StoreError``: whoever wanted to act must then not act.
    """
    event = Event(
        action=action,
        actor=current_actor(),
        env=identity.env,
        spec_hash=identity.spec_hash,
        run_id=identity.run_id,
        body={"name": identity.name, "pid": identity.pid, **(body or {})},
    )
    with open_log() as log:
        return log.append(event, seal=seal)


def record_killed(info: RunInfo) -> int | None:
    """Note a run that ended without a word, once; None when it did say how it ended.

    Its ``result.json`` then says ``dead``, so that the next command need not look again. Two commands at
    the same moment may both note it: that is a row too many, never one too few.
    """
    if info.alive or info.result is not None or not info.ours:
        return None
    found = {"found_by": "a later command", "why": "its supervisor died without ending the run"}
    seq = record("run_killed", info.identity, found)
    identity = info.identity
    # A folder that cannot be written is told again by the next command, which is better than no command.
    with contextlib.suppress(OSError):
        write_result(
            Path(info.folder), RunResult(identity.run_id, identity.name, identity.spec_hash, "dead", 0, 0)
        )
    return seq
