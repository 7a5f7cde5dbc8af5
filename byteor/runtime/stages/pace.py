"""Stages about time: ``rate_limit`` filters, ``pace`` and ``delay`` hold messages back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from byteor.runtime.stages.api import Example, Message, MessageFunction
from byteor.runtime.stages.context import Context
from byteor.runtime.stages.declare import batch_stage, stage
from byteor.runtime.stages.parameters import at_most, number, whole

BatchOf = Callable[[Sequence[Message]], Sequence[Message | None]]
MIN_PER_S, MAX_PER_S = 0.001, 1e9
MAX_DELAY_MS = 3_600_000
NS_PER_S, PS_PER_NS, PS_PER_S = 1_000_000_000, 1_000, 1_000_000_000_000


class Bucket:
    """A token bucket as the generic cell rate algorithm (ITU-T I.371) keeps it: one time, no counter.

    ``_due_ps`` is when a bucket that drains at the agreed rate would be empty; a message conforms unless that
    lies further ahead than the burst allows. Whole picoseconds: floats would lose Unix nanoseconds.
    """

    def __init__(self, per_s: float, burst: int) -> None:
        self._interval_ps = round(PS_PER_S / per_s)
        self._slack_ps = (burst - 1) * self._interval_ps
        self._due_ps = 0
        self._passed_ps = 0
        self._now_ns: int | None = None

    def early_ns(self, now_ns: int) -> int:
        """How long a message at ``now_ns`` comes before it conforms; 0: it does, and its token is taken."""
        # Only time that passed counts: a clock that is set back must not shut the bucket till it caught up.
        if self._now_ns is not None:
            self._passed_ps += max(0, now_ns - self._now_ns) * PS_PER_NS
        self._now_ns = now_ns
        early_ps = self._due_ps - self._slack_ps - self._passed_ps
        if early_ps > 0:
            return -(-early_ps // PS_PER_NS)
        self._due_ps = max(self._due_ps, self._passed_ps) + self._interval_ps
        return 0


def _bucket(parameters: str) -> Bucket:
    parts = at_most(parameters, 2)
    per_s = number(parts[0], "PER_S")
    if not MIN_PER_S <= per_s <= MAX_PER_S:
        raise ValueError(f"PER_S must be from {MIN_PER_S} to {MAX_PER_S:g}, not {per_s:g}")
    burst = whole(parts[1], "BURST", 1, 1 << 40) if len(parts) > 1 else max(1, int(per_s))
    return Bucket(per_s, burst)


@batch_stage(
    "rate_limit",
    kind="clocked",
    writes=False,
    parameters="PER_S[,BURST]",
    required=True,
    example=Example("rate_limit:1000,50"),
)
def rate_limit(parameters: str, context: Context) -> BatchOf:
    """Lets at most PER_S messages a second through, by arrival; the rest is filtered, and counted as such.

    After a pause BURST messages may come at once (a second's worth, at least 1).
    """
    early_ns = _bucket(parameters).early_ns
    now_ns = context.now_ns
    return lambda messages: [
        None if early_ns(now_ns(index)) else message for index, message in enumerate(messages)
    ]


@stage(
    "pace",
    writes=False,
    parameters="PER_S[,BURST]",
    required=True,
    waits=True,
    example=Example("pace:1000,1"),
)
def pace(parameters: str, context: Context) -> MessageFunction:
    """Holds messages back so that at most PER_S a second pass; nothing is lost, the source waits.

    BURST as in rate_limit. A replay does not wait.
    """
    bucket = _bucket(parameters)

    def hold(message: bytes) -> bytes:
        while early_ns := bucket.early_ns(time.monotonic_ns()):
            if not context.wait(early_ns / NS_PER_S):
                break
        return message

    return hold


@stage(
    "delay",
    kind="clocked",
    writes=False,
    parameters="MS",
    required=True,
    waits=True,
    example=Example("delay:250"),
)
def delay(parameters: str, context: Context) -> MessageFunction:
    """Holds each message until MS milliseconds after its arrival. A replay does not wait.

    What is held lies in the lane: its capacity bounds how many messages can be under way at once.
    """
    delay_ns = whole(parameters, "MS", 0, MAX_DELAY_MS) * 1_000_000

    def hold(message: bytes) -> bytes:
        # A clock that was set back must not hold a message for longer than asked.
        left_ns = min(delay_ns, context.now_ns() + delay_ns - time.time_ns())
        if left_ns > 0:
            context.wait(left_ns / NS_PER_S)
        return message

    return hold
