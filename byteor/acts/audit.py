"""One row in the audit log for one thing that happened to a run."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from byteor.acts.log import open_log
from byteor.atomic import write_file
from byteor.runtime.folders import RunIdentity, RunInfo, RunResult, write_result
from byteor_store import Event, StoreError, current_actor

UNTOLD = "untold.json"  # of an ended run's folder: the row that its log did not take
TOLD = ("in", "out", "filtered", "dropped", "errors", "unfinished", "stuck", "first_failure")


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


def record_end(run: Path, identity: RunIdentity, result: RunResult) -> int:
    """The row of a run that ended and said how. Raises ``StoreError`` with the end in its words.

    What cannot be written is kept in the run's folder, for ``record_missed`` of a later command.
    """
    action, body = f"run_{result.state}", _told(result)
    try:
        return record(action, identity, body, seal=True)
    except StoreError as error:
        with contextlib.suppress(OSError):
            write_file(run / UNTOLD, msgspec.json.encode({"action": action, "body": body}))
        ended = f"the run itself {result.state}: in {result.messages_in:,}, out {result.messages_out:,}"
        hint = f"{error.hint or 'mend that'}; the next run, or byteor gc, notes this end in the log"
        raise StoreError(error.code, f"{error.message}; {ended}", hint=hint, exit=error.exit) from error


def record_missed(info: RunInfo) -> int | None:
    """Note a run whose end is not in the log, once; None when there is nothing to add.

    Of one that was killed ``result.json`` then says ``dead``, so that the next command need not look again.
    Two commands at the same moment may both note it: that is a row too many, never one too few.
    """
    if info.alive or not info.ours:
        return None
    folder, identity = Path(info.folder), info.identity
    if info.result is not None:
        return _record_untold(folder / UNTOLD, identity)
    found = {"found_by": "a later command", "why": "its supervisor died without ending the run"}
    seq = record("run_killed", identity, found)
    # A folder that cannot be written is told again by the next command, which is better than no command.
    with contextlib.suppress(OSError):
        write_result(folder, RunResult(identity.run_id, identity.name, identity.spec_hash, "dead", 0, 0))
    return seq


def _record_untold(path: Path, identity: RunIdentity) -> int | None:
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=_Untold)
    except (OSError, ValueError):
        return None
    seq = record(kept.action, identity, {**kept.body, "found_by": "a later command"}, seal=True)
    with contextlib.suppress(OSError):
        path.unlink()
    return seq


class _Untold(msgspec.Struct, frozen=True):
    action: str
    body: dict[str, Any]


def _told(result: RunResult) -> dict[str, Any]:
    fields = msgspec.to_builtins(result)
    return {**{name: fields[name] for name in TOLD}, "duration_ns": str(result.duration_ns)}
