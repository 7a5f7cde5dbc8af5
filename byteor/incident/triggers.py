"""When a run is an incident by itself: conditions of byteor.toml over what its metrics say.

[incident]
when = ["error", "drops > 100", "lag > 5000", "stall > 10", "rate < 50"]
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, cast

import msgspec

from byteor.errors import ByteorError, Exit

Kind = Literal["error", "drops", "lag", "stall", "rate"]
_FORM = re.compile(r"(drops|lag|stall) > ([0-9]+(?:\.[0-9]+)?)|(rate) < ([0-9]+(?:\.[0-9]+)?)|(error)")
WINDOW_NS = 2_000_000_000  # over which a rate is measured


class Trigger(msgspec.Struct, frozen=True):
    """``limit``: messages for drops and lag, seconds for stall, messages a second for rate."""

    kind: Kind
    limit: float = 0.0
    text: str = ""


class Reading(msgspec.Struct, frozen=True):
    """What the metrics said at ``at_ns`` (monotonic). ``lag``: of the worker that is furthest behind."""

    at_ns: int
    messages_in: int
    messages_out: int
    dropped: int
    errors: int
    lag: int


class Memory(msgspec.Struct, frozen=True):
    """What is remembered between readings: the last that moved, and one a window ago."""

    moved: Reading
    window: Reading


def parse_when(texts: Sequence[object]) -> tuple[Trigger, ...]:
    """The conditions in ``texts``. Raises ``E_INCIDENT_WHEN`` (exit 2)."""
    found = []
    for text in texts:
        match = _FORM.fullmatch(re.sub(r"\s*([<>])\s*", r" \1 ", str(text)).strip())
        if match is None:
            raise ByteorError(
                "E_INCIDENT_WHEN",
                f"{text!r} under [incident] when is no condition",
                hint='one of "error", "drops > N", "lag > N", "stall > SECONDS", "rate < N"',
                exit=Exit.USAGE,
            )
        above, limit, below, floor, _ = match.groups()
        kind = cast(Kind, above or below or "error")
        found.append(Trigger(kind, float(limit or floor or 0), str(text)))
    return tuple(found)


def fired(
    triggers: Sequence[Trigger], memory: Memory | None, now: Reading
) -> tuple[tuple[Trigger, ...], Memory]:
    """The conditions that hold at ``now``, and what to remember for the next reading.

    A stall is messages that wait while none leaves; a rate is told only after a first message has left.
    """
    memory = memory or Memory(now, now)
    moved = now if (now.messages_in, now.messages_out) != _count(memory.moved) else memory.moved
    span_ns = now.at_ns - memory.window.at_ns
    rate = None
    window = memory.window
    if span_ns >= WINDOW_NS:
        rate = (now.messages_out - window.messages_out) / (span_ns / 1e9)
        window = now
    holding = tuple(one for one in triggers if _holds(one, now, moved, rate))
    return holding, Memory(moved, window)


def _holds(trigger: Trigger, now: Reading, moved: Reading, rate: float | None) -> bool:
    match trigger.kind:
        case "error":
            return now.errors > 0
        case "drops":
            return now.dropped > trigger.limit
        case "lag":
            return now.lag > trigger.limit
        case "stall":
            return now.lag > 0 and now.at_ns - moved.at_ns > trigger.limit * 1e9
        case "rate":
            return rate is not None and now.messages_out > 0 and rate < trigger.limit


def _count(reading: Reading) -> tuple[int, int]:
    return reading.messages_in, reading.messages_out
