"""What a screen draws: one immutable value that ``history`` makes of samples. No widget, no clock."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Mark(StrEnum):
    """The one character that says how a row is when there is no colour."""

    NONE = " "
    ALERT = "!"
    UNKNOWN = "?"
    APPROVAL = "A"
    INCIDENT = "i"
    HANDOVER = "H"


class StageRow(msgspec.Struct, frozen=True):
    """One worker. ``rate_per_s`` is None before two samples; ``trend`` is messages/s by second, oldest first.

    None inside ``trend`` is a second of which nothing is known; ``trend_closed`` counts all seconds so far.
    ``against`` are its differences from the pinned moment, in the order of ``delta.FIGURES``;
    ``histogram`` counts latencies since the start by their bits in ns.
    """

    name: str
    role: str
    key: str
    where: str
    pid: int
    state: str
    mark: Mark
    rate_per_s: float | None
    messages_in: int
    messages_out: int
    filtered: int
    errors: int
    lag: int
    p50_ns: int
    p99_ns: int
    busy_share: float | None
    trend: tuple[float | None, ...]
    trend_p99: tuple[float | None, ...]
    trend_closed: int
    note: str
    against: tuple[str, ...] = ()
    histogram: tuple[int, ...] = ()


class RingFill(msgspec.Struct, frozen=True):
    """One ring or lane: messages published and not yet finished, and the stage everybody waits for.

    ``known`` is False where its depth could not be read; ``kind`` and ``dropped`` are a lane's.
    """

    name: str
    in_flight: int
    capacity: int
    slot_bytes: int
    cursor: int
    slowest: str
    consistent: bool
    kind: str = "ring"
    dropped: int = 0
    known: bool = True


class Need(msgspec.Struct, frozen=True):
    """A line of *needs you*: what, since when, and why. ``subject`` is a worker's name or the run's."""

    mark: Mark
    since_unix_ns: int
    subject: str
    text: str


class Frame(msgspec.Struct, frozen=True):
    """A run at one instant with what changed since. ``taken_ns`` is CLOCK_MONOTONIC.

    ``quiet_ns`` is how long before that the youngest sign of life of any worker was.
    """

    run_id: str
    name: str
    state: str
    env: str
    pid: int
    spec_hash: str
    started_unix_ns: int
    taken_ns: int
    taken_unix_ns: int
    rows: tuple[StageRow, ...]
    rings: tuple[RingFill, ...]
    needs: tuple[Need, ...]
    messages_in: int
    messages_out: int
    errors: int
    rate_per_s: float | None
    p99_ns: int
    quiet_ns: int

    @property
    def ended(self) -> bool:
        """Nothing will move any more: the figures are the last state, not the present."""
        return self.state in ENDED


ENDED = frozenset({"finished", "stopped", "failed", "dead"})
