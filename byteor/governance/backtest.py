"""Decide history again under another policy, and say what flips."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from byteor.governance.environment import Environment
from byteor.governance.policy import Inputs, decide


class PastDecision(msgspec.Struct, frozen=True):
    """One recorded decision. ``seq``: its place in the history; ``environment``: the table's name."""

    seq: int
    environment: str
    capability: str | None
    side_effecting: bool
    dry_run: bool
    approved: bool
    replay: bool
    decision: str
    rule: str


class Flip(msgspec.Struct, frozen=True):
    """A decision that would have been another one."""

    seq: int
    environment: str
    capability: str | None
    was: str
    was_rule: str
    becomes: str
    becomes_rule: str


class Backtest(msgspec.Struct, frozen=True):
    """``decided`` decisions, and those that flip, in the order of the history."""

    decided: int
    flips: tuple[Flip, ...]


def backtest(
    history: Iterable[PastDecision], environment_of: Callable[[str], Environment | None]
) -> Backtest:
    """Each of ``history`` under another policy's environments; an unknown one is ``fail-closed``.

    A flip is another decision; the same decision by another rule is none.
    """
    decided, flips = 0, []
    for past in history:
        decided += 1
        now = decide(_inputs(past, environment_of(past.environment)))
        if now.decision != past.decision:
            was, becomes = (past.decision, past.rule), (now.decision, now.rule)
            flips.append(Flip(past.seq, past.environment, past.capability, *was, *becomes))
    return Backtest(decided, tuple(flips))


def _inputs(past: PastDecision, environment: Environment | None) -> Inputs:
    posture, replay, side_effects = (
        (environment.posture, environment.replay, environment.side_effects)
        if environment is not None
        else ("unknown", "unknown", "unknown")
    )
    return Inputs(
        posture=posture,
        replay_policy=replay,
        side_effect_policy=side_effects,
        side_effecting=past.side_effecting,
        dry_run=past.dry_run,
        approved=past.approved,
        replay=past.replay,
    )
