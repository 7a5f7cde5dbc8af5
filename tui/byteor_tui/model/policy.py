"""Why policy says what it says of an act in an environment, in one sentence: the rule and the way out."""

from __future__ import annotations

import msgspec

from byteor_tui.model.evidence import Approval, Environment
from byteor_tui.model.specs import SpecText


class Reason(msgspec.Struct, frozen=True):
    """``decision`` by ``rule``; ``change`` is the smallest that would allow it, or empty."""

    decision: str
    rule: str
    change: str

    @property
    def text(self) -> str:
        tail = f". Smallest change: {self.change}" if self.change else ""
        return f"{self.decision} by {self.rule}{tail}"


def environment_of(approval: Approval, environments: tuple[Environment, ...]) -> Environment | None:
    """The environment that a request names, when this host knows it."""
    return next((one for one in environments if approval.env == one.id), None)


def reason_for(
    environment: Environment, *, replay: bool, side_effecting: bool = True, approved: bool = False
) -> Reason:
    """What the decision table says. A frozen environment denies every side effect."""
    from byteor.governance.explain import explain
    from byteor.governance.policy import Inputs

    effects = "deny_all" if environment.frozen else environment.side_effects
    found = explain(
        Inputs(environment.posture, environment.replay, effects, side_effecting, False, approved, replay)
    )
    change = " and ".join(in_words(one.input, one.to) for one in found.smallest_change)
    return Reason(found.decision, found.rule, change)


class Reduced(msgspec.Struct, frozen=True):
    """A smaller request that policy does not refuse. ``said`` tells in which way it is smaller."""

    spec: str
    env: str
    said: str


ASKABLE = frozenset({"Allow", "RequireApproval"})


def reduced(
    asked: SpecText,
    others: tuple[SpecText, ...],
    environment: Environment,
    environments: tuple[Environment, ...],
    *,
    replay: bool,
) -> Reduced | None:
    """The smallest step down from what is refused here: a spec at hand that may do less, else another place.

    None when ``asked`` is not refused in ``environment``, or when neither would help.
    """
    if not asked.spec_hash or _decision(asked, environment, replay) in ASKABLE:
        return None
    rights = set(asked.capabilities)
    for one in others:
        if (
            one.spec_hash
            and set(one.capabilities) < rights
            and _decision(one, environment, replay) in ASKABLE
        ):
            less = ", ".join(one.capabilities) or "no side effect"
            return Reduced(one.path, environment.name, f"{one.label} in {environment.name}, with {less} only")
    for place in environments:
        if place.name != environment.name and _decision(asked, place, replay) in ASKABLE:
            return Reduced(asked.path, place.name, f"the same in {place.name} ({place.posture})")
    return None


def _decision(spec: SpecText, environment: Environment, replay: bool) -> str:
    return reason_for(environment, replay=replay, side_effecting=bool(spec.capabilities)).decision


def in_words(name: str, to: object) -> str:
    """One input of the decision that would have to be otherwise, as an operator says it."""
    if isinstance(to, bool):
        return _WORDS.get((name, to), f"{name.replace('_', ' ')}: {'yes' if to else 'no'}")
    said = {"replay_policy": "replay", "side_effect_policy": "side_effects"}.get(name, name)
    return f'{said} = "{to}" in byteor.toml'


_WORDS = {
    ("approved", True): "an approval",
    ("dry_run", True): "as a dry run",
    ("dry_run", False): "not as a dry run",
    ("replay", False): "live, not as a replay",
    ("replay", True): "as a replay",
    ("side_effecting", False): "a spec without side effects",
}


def what_if(environment: Environment) -> tuple[tuple[str, Reason], ...]:
    """The same question asked in the ways an operator can change: approved or not, replayed or live."""
    cases = (
        ("live, not approved", False, False),
        ("live, approved", False, True),
        ("replay, not approved", True, False),
        ("replay, approved", True, True),
    )
    return tuple(
        (label, reason_for(environment, replay=replay, approved=approved))
        for label, replay, approved in cases
    )
