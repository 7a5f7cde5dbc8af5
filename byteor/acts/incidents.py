"""Incident records: open, note, link, move, list. Each step is an entry of the audit log, nothing else."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from byteor.acts.log import open_log
from byteor.atomic import private_folder
from byteor.errors import Exit
from byteor.incident.errors import IncidentError
from byteor.incident.record import (
    ID,
    LINKED,
    LINKS,
    MOVED,
    NOTED,
    OPENED,
    Entry,
    Incident,
    check_move,
    fold,
)
from byteor.runtime.folders import RunIdentity
from byteor.state import state_dir
from byteor_store import AuditLog, Event, Row, StoreError, audit_path, current_actor

BUNDLE_SUFFIX = ".bundle.zip"


def new_incident_id() -> str:
    """``inc-<UTC time>-<4 hex>``: sorts by time."""
    return f"inc-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"


def incidents_folder() -> Path:
    """Where bundles lie that nobody gave another place: ``$BYTEOR_STATE_DIR/incidents``."""
    return private_folder(private_folder(state_dir()) / "incidents")


def incident_bundle(which: str) -> Path | None:
    """The bundle of the incident ``which`` in this host's folder, if it is one."""
    if ID.fullmatch(which) is None:
        return None
    path = state_dir() / "incidents" / f"{which}{BUNDLE_SUFFIX}"
    return path if path.exists() else None


def incidents() -> dict[str, Incident]:
    """Every incident of this host by id; none when there is no log yet."""
    try:
        with AuditLog.observe(audit_path()) as log:
            return fold(entry_of(row) for row in log.rows(of_incidents=True))
    except StoreError as error:
        if error.code != "E_AUDIT_NOT_FOUND":
            raise
        return {}


def find_incident(which: str | None) -> Incident:
    """The incident ``which`` (an id, or the id of its run: its newest); None: the newest.

    Raises ``E_INCIDENT_NOT_FOUND`` (exit 7).
    """
    found = list(incidents().values())
    chosen = [one for one in found if which in (None, one.incident_id, one.run_id)]
    if not chosen:
        what = f"no incident {which!r}" if which else "no incident"
        raise IncidentError(
            "E_INCIDENT_NOT_FOUND", f"there is {what}", hint="byteor incident list", exit=Exit.NOT_FOUND
        )
    return chosen[-1]


def entry_of(row: Row) -> Entry:
    """A row of the log as the record's fold takes it."""
    leaf = row.leaf
    try:
        body = None if row.body is None else msgspec.json.decode(row.body, type=dict[str, Any])
    except ValueError:
        body = None
    return Entry(
        leaf.seq, int(leaf.ts_unix_ns), leaf.actor, leaf.action, leaf.run_id, leaf.env, leaf.spec_hash, body
    )


def open_incident(identity: RunIdentity, incident_id: str, title: str, cause: str) -> int:
    """Begin the record of ``incident_id`` about a run; the entry's seq."""
    event = Event(
        action=OPENED,
        actor=current_actor(),
        env=identity.env,
        spec_hash=identity.spec_hash,
        run_id=identity.run_id,
        body={"incident": incident_id, "title": title[:500], "cause": cause},
    )
    with open_log() as log:
        return log.append(event)


def note(
    which: str | None, text: str, *, state: str | None = None, links: Sequence[tuple[str, str]] = ()
) -> Incident:
    """Add a note, or with ``state`` bring the incident there for the reason ``text``, and tie ``links``
    (kind, value) to it: all of it or nothing. Raises ``E_INCIDENT_NOT_FOUND``, ``E_INCIDENT_STATE``.
    """
    found = find_incident(which)
    if state is None:
        step = _noted(text)
    else:
        check_move(found, state, text)
        step = _moved(state, text)
    _append(found, step, *(_linked(kind, value) for kind, value in links))
    return find_incident(found.incident_id)


def link(incident_id: str, kind: str, value: str) -> None:
    """Tie something to an incident: a run, snapshot, bundle, replay, approval or certificate."""
    _append(incidents()[incident_id], _linked(kind, value))


def note_replay(which: str, audit: Path, verdict: str) -> None:
    """A replay of an incident's bundle, or of its run, is tied to it; an open one is investigated now."""
    found = next((one for one in incidents().values() if which in (one.incident_id, one.run_id)), None)
    if found is None:
        return
    steps = [_linked("replay", f"{verdict}: {audit}")]
    if found.state == "open":
        steps.append(_moved("investigating", "it was replayed"))
    _append(found, *steps)


def rows_about(found: Incident) -> Iterator[Entry]:
    """Every entry of the log about the incident or its run, oldest first."""
    with AuditLog.observe(audit_path()) as log:
        seen = {}
        for row in log.rows(of_incidents=True):
            entry = entry_of(row)
            if (entry.body or {}).get("incident") == found.incident_id:
                seen[entry.seq] = entry
        if found.run_id is not None:
            seen |= {entry.seq: entry for entry in map(entry_of, log.rows(run_id=found.run_id))}
    yield from (seen[seq] for seq in sorted(seen))


Step = tuple[str, dict[str, Any]]  # an entry's action and what it says


def _noted(text: str) -> Step:
    return NOTED, {"text": text}


def _moved(state: str, reason: str) -> Step:
    return MOVED, {"state": state, "reason": reason}


def _linked(kind: str, value: str) -> Step:
    assert kind in LINKS
    return LINKED, {"kind": kind, "value": value}


def _append(found: Incident, *steps: Step) -> None:
    """All steps or none."""
    events = [
        Event(
            action=action,
            actor=current_actor(),
            env=found.env,
            spec_hash=found.spec_hash,
            run_id=found.run_id,
            body={"incident": found.incident_id, **said},
        )
        for action, said in steps
    ]
    with open_log() as log:
        log.append_many(events)


def safe_title(text: str) -> str:
    """One line of printable text."""
    return re.sub(r"\s+", " ", "".join(char if char.isprintable() else " " for char in text)).strip()
