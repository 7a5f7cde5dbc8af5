"""Incident records of this host, newest first, and the replays that are tied to them; read-only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from byteor.errors import ByteorError
from byteor_tui.model.evidence import Incident, Incidents
from byteor_tui.model.text import clean, wall_clock

if TYPE_CHECKING:
    from byteor.incident.record import Incident as Record


class IncidentsTail:
    """Folds the records again only when the audit log has grown: they are nothing but its entries."""

    def __init__(self) -> None:
        self._size = -1
        self._found = Incidents()

    def look(self, audit_size: int) -> Incidents:
        """All records that are kept."""
        if audit_size != self._size:
            self._size = audit_size
            self._found = read_incidents() if audit_size else Incidents()
        return self._found


def read_incidents() -> Incidents:
    """Every record, the newest first. What is wrong with the log stands in ``error``."""
    from byteor.acts.incidents import incidents

    try:
        found = incidents()
    except (ByteorError, OSError) as error:
        return Incidents((), clean(str(error)))
    return Incidents(tuple(_incident(one) for one in reversed(found.values())))


def replay_paths(found: Incidents) -> tuple[Path, ...]:
    """The audit files of replays that records name; ``verdict: path`` is how a record ties one."""
    paths = []
    for one in found.rows:
        for name, value in one.fields:
            if name == "replay":
                paths.append(Path(value.partition(": ")[2] or value))
    return tuple(paths)


def _incident(record: Record) -> Incident:
    bundle = next((link.value for link in reversed(record.links) if link.kind == "bundle"), "")
    fields = [("cause", record.cause), ("opened by", record.opened_by)]
    fields += [(link.kind, link.value) for link in record.links if link.kind != "bundle"]
    fields += [("note", f"{wall_clock(note.ts_unix_ns)} {note.actor}: {note.text}") for note in record.notes]
    fields += [
        (
            move.state,
            f"{wall_clock(move.ts_unix_ns)} {move.actor}" + (f": {move.reason}" if move.reason else ""),
        )
        for move in record.moves
    ]
    steps = len(record.links) + len(record.notes) + len(record.moves)
    return Incident(
        id=clean(record.incident_id),
        revision=f"{record.state}/{steps}",
        state=record.state,
        at_unix_ns=record.opened_unix_ns,
        run_id=clean(record.run_id or ""),
        title=clean(record.title),
        bundle=clean(bundle),
        fields=tuple((clean(name), clean(value)) for name, value in fields),
    )
