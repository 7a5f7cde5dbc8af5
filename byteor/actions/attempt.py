"""One act on the outside, tried as often as it may be: what an attempt can say, and when to try again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

ATTEMPTS = 4
ATTEMPT_S = 10.0  # one attempt, from connecting to the last byte of the answer
BUDGET_S = 30.0  # no new attempt after this time
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0

Result = Literal["done", "failed", "unknown"]


class Attempt(NamedTuple):
    """``failed``: it surely did not happen. ``unknown``: it may have. ``again``: it may be tried again, at
    the earliest ``after_s`` from now. ``detail`` names no content of a message, answer or secret."""

    result: Result
    detail: str
    again: bool = False
    after_s: float = 0.0


class Outcome(NamedTuple):
    """What became of an act, over all attempts. ``duration_ns`` includes the pauses."""

    result: Literal["done", "failed", "unknown", "not_done"]
    detail: str
    attempts: int
    duration_ns: int


class Doer(Protocol):
    """Does one kind of act. ``capability`` and ``target`` are what the audit log names."""

    capability: str
    target: str

    def attempt(self, message: bytes, idempotency_key: str) -> Attempt: ...

    def close(self) -> None: ...


def perform(
    doer: Doer,
    message: bytes,
    idempotency_key: str,
    *,
    pause: Callable[[float], None] = time.sleep,
    chance: random.Random | None = None,
) -> Outcome:
    """Do it, trying again with growing pauses while that may help. ``pause`` may raise to give up.

    The pause is random between nothing and a bound that doubles ("full jitter"), so that many who failed
    together do not come back together. Every attempt carries the same idempotency key.
    """
    began = time.monotonic()
    draw = (chance or random.Random()).uniform
    doubt = ""
    for number in range(1, ATTEMPTS + 1):
        found = doer.attempt(message, idempotency_key)
        if found.result == "unknown":
            doubt = found.detail
        spent = time.monotonic() - began
        if found.result == "done" or not found.again or number == ATTEMPTS or spent > BUDGET_S:
            break
        bound = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0**number)
        pause(max(found.after_s, draw(0.0, bound)))
    spent_ns = int((time.monotonic() - began) * 1e9)
    if found.result == "failed" and doubt:
        # It failed now, but an attempt before may have done it.
        return Outcome("unknown", f"{doubt}; then {found.detail}", number, spent_ns)
    return Outcome(found.result, found.detail, number, spent_ns)
