"""The places of the console, once: number, letter for ``g``, id and title. Keys, palette and links use it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlaceRow:
    """``key`` is the digit, ``letter`` what follows ``g``."""

    id: str
    key: str
    letter: str
    title: str
    about: str


PLACES = (
    PlaceRow("overview", "1", "o", "Overview", "the run at a glance: stages, rings, what needs you"),
    PlaceRow("stages", "2", "s", "Stages", "one stage in depth: gate, lag, rate and latency"),
    PlaceRow("approvals", "3", "a", "Approvals", "requests: read, sign, deny"),
    PlaceRow("diff", "4", "d", "Diff", "what runs against what is on disk, or any version"),
    PlaceRow("incidents", "5", "i", "Incidents", "incident records and their bundles"),
    PlaceRow("replay", "6", "r", "Replay", "replays and where they diverged"),
    PlaceRow("audit", "7", "u", "Audit", "who did what, with its proof"),
    PlaceRow("doctor", "8", "c", "Doctor", "checks of this host and what to type"),
    PlaceRow("runs", "0", "l", "Runs", "all runs of this user, live ones first"),
)
PLACE_IDS = tuple(place.id for place in PLACES)
BY_PLACE = {place.id: place for place in PLACES}


def heading(screen: str) -> str:
    """The number and the title, as they stand over a panel."""
    place = BY_PLACE[screen]
    return f"{place.key} {place.title}"
