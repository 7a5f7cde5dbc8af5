"""An incident's record: what the entries about it add up to. A fold over values; the audit log holds them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from byteor.errors import Exit
from byteor.incident.errors import IncidentError

OPENED, NOTED, LINKED, MOVED = "incident_opened", "incident_noted", "incident_linked", "incident_moved"
ACTIONS: Final = (OPENED, NOTED, LINKED, MOVED)
STATES: Final = ("open", "investigating", "explained", "closed")
LINKS: Final = ("run", "snapshot", "bundle", "replay", "approval", "certificate")
# From a state to those that may follow. A closed one is opened again by looking into it again.
FOLLOWING: Final[Mapping[str, tuple[str, ...]]] = {
    "open": ("investigating", "explained", "closed"),
    "investigating": ("explained", "closed"),
    "explained": ("investigating", "closed"),
    "closed": ("investigating",),
}
ID: Final = re.compile(r"inc-[0-9]{8}T[0-9]{6}-[0-9a-f]{4}")


class Entry(msgspec.Struct, frozen=True):
    """One row of the audit log about an incident. ``body`` is None when it was erased."""

    seq: int
    ts_unix_ns: int
    actor: str
    action: str
    run_id: str | None
    env: str | None
    spec_hash: str | None
    body: Mapping[str, Any] | None


class Note(msgspec.Struct, frozen=True):
    seq: int
    ts_unix_ns: int
    actor: str
    text: str


class Link(msgspec.Struct, frozen=True):
    seq: int
    ts_unix_ns: int
    kind: str
    value: str


class Move(msgspec.Struct, frozen=True):
    seq: int
    ts_unix_ns: int
    actor: str
    state: str
    reason: str


class Incident(msgspec.Struct, frozen=True):
    """One incident as it stands."""

    incident_id: str
    state: str
    title: str
    cause: str
    run_id: str | None
    env: str | None
    spec_hash: str | None
    opened_unix_ns: int
    opened_by: str
    notes: tuple[Note, ...] = ()
    links: tuple[Link, ...] = ()
    moves: tuple[Move, ...] = ()


def fold(entries: Iterable[Entry]) -> dict[str, Incident]:
    """Every incident by id, in the order of opening. Entries about unknown ids are passed over."""
    found: dict[str, Incident] = {}
    for entry in entries:
        body = entry.body or {}
        known = str(body.get("incident", ""))
        if entry.action == OPENED and known and known not in found:
            found[known] = Incident(
                known, "open", str(body.get("title", "")), str(body.get("cause", "")), entry.run_id,
                entry.env, entry.spec_hash, entry.ts_unix_ns, entry.actor,
            )  # fmt: skip
        elif known in found:
            found[known] = _with(found[known], entry, body)
    return found


def _with(incident: Incident, entry: Entry, body: Mapping[str, Any]) -> Incident:
    seq, at = entry.seq, entry.ts_unix_ns
    if entry.action == NOTED:
        note = Note(seq, at, entry.actor, str(body.get("text", "")))
        return msgspec.structs.replace(incident, notes=(*incident.notes, note))
    if entry.action == LINKED:
        link = Link(seq, at, str(body.get("kind", "")), str(body.get("value", "")))
        return msgspec.structs.replace(incident, links=(*incident.links, link))
    if entry.action == MOVED and body.get("state") in STATES:
        move = Move(seq, at, entry.actor, str(body["state"]), str(body.get("reason", "")))
        return msgspec.structs.replace(incident, state=move.state, moves=(*incident.moves, move))
    return incident


def check_move(incident: Incident, state: str, reason: str) -> None:
    """Raises ``E_INCIDENT_STATE`` (exit 6): not a state that may follow, or closed without a reason."""
    if state not in FOLLOWING[incident.state]:
        following = ", ".join(FOLLOWING[incident.state])
        raise _refused(f"{incident.incident_id} is {incident.state}; it may become {following}")
    if state in ("explained", "closed") and not reason.strip():
        raise _refused(f"{incident.incident_id} cannot be {state} without a reason")


def _refused(why: str) -> IncidentError:
    return IncidentError(
        "E_INCIDENT_STATE", why, hint="byteor incident show tells its history", exit=Exit.CONFLICT
    )
