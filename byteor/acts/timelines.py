"""One timeline of an incident: the log, the run, what was captured, on one clock."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec

from byteor.acts.captures import capture_of
from byteor.acts.incidents import find_incident, rows_about
from byteor.errors import ByteorError
from byteor.incident.frames import INGRESS, NOTE
from byteor.incident.record import Incident
from byteor.incident.replay.inputs import note_of
from byteor.incident.timeline import (
    TimelineEvent,
    events_of_entries,
    merged,
    rfc3339,
    timeline_document,
    timeline_html,
    timeline_text,
)
from byteor.runtime.folders import find_run

BUCKET_NS = 1_000_000_000
STALL_NS = 5_000_000_000  # nothing came or left for so long


class Timeline(msgspec.Struct, frozen=True):
    """The events of one incident, and how they are shown."""

    incident: Incident
    events: tuple[TimelineEvent, ...]

    def fields(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(self.json())
        return found

    def json(self) -> str:
        facts = {"incident_id": self.incident.incident_id, "run_id": self.incident.run_id}
        return timeline_document(self.events, **facts).decode()

    def text(self) -> str:
        return timeline_text(self.events)

    def html(self) -> str:
        one = self.incident
        facts = {
            "incident": one.incident_id,
            "state": one.state,
            "run": one.run_id or "",
            "environment": one.env or "",
            "spec": one.spec_hash or "",
            "opened": rfc3339(one.opened_unix_ns),
            "cause": one.cause,
        }
        return timeline_html(one.title or one.incident_id, self.events, facts)


def incident_timeline(which: str | None) -> Timeline:
    """The timeline of an incident; None: the newest. Raises ``E_INCIDENT_NOT_FOUND``."""
    found = find_incident(which)
    run = found.run_id
    return Timeline(
        found,
        tuple(merged(events_of_entries(rows_about(found)), _run_events(run), _capture_events(run))),
    )


def _run_events(run_id: str | None) -> list[TimelineEvent]:
    events: list[TimelineEvent] = []
    with contextlib.suppress(ByteorError):
        info = find_run(run_id)
        identity, result = info.identity, info.result
        events.append(TimelineEvent(identity.started_unix_ns, "run", "workers start", f"pid: {identity.pid}"))
        if result is not None:
            ended = identity.started_unix_ns + result.duration_ns
            failure = result.first_failure
            if failure is not None:
                told = f"{failure.stage} at {failure.sequence}: {failure.code}: {failure.error}"
                events.append(TimelineEvent(ended, "run", "first failure", told))
            told = f"in: {result.messages_in:,}, out: {result.messages_out:,}, dropped: {result.dropped:,}"
            events.append(TimelineEvent(ended, "run", f"run is {result.state}", told))
    return events


def _capture_events(run_id: str | None) -> list[TimelineEvent]:
    """Messages by the second, and how long nothing moved."""
    events: list[TimelineEvent] = []
    counts: dict[int, list[int]] = {}
    last = 0
    with contextlib.suppress(ByteorError):
        for _, frame in capture_of(run_id).read():
            if frame.kind == NOTE:
                noted = note_of(frame)
                if not noted.keys() & {"runs", "undecided"}:  # what timing decided is for replays
                    facts = ", ".join(f"{key}: {value}" for key, value in noted.items())
                    events.append(TimelineEvent(frame.at_ns, "capture", "noted", facts))
                continue
            if last and frame.at_ns - last >= STALL_NS:
                seconds = (frame.at_ns - last) / 1e9
                events.append(TimelineEvent(last, "capture", "stall", f"nothing moved for {seconds:.1f} s"))
            last = max(last, frame.at_ns)
            counts.setdefault(frame.at_ns // BUCKET_NS, [0, 0])[frame.kind != INGRESS] += frame.count
    for second, (came, left) in counts.items():
        told = f"in: {came:,}, out: {left:,}"
        events.append(TimelineEvent(second * BUCKET_NS, "capture", "messages in this second", told))
    return events
