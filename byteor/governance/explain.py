"""Why a decision is what it is: the rule, the inputs, and the smallest change that would give Allow."""

from __future__ import annotations

from functools import cache
from itertools import combinations, product
from typing import Any, Final

import msgspec

from byteor.governance.policy import (
    POSTURES,
    REPLAY_POLICIES,
    Decision,
    Inputs,
    decide,
    well_formed,
)


class Change(msgspec.Struct, frozen=True):
    """One input that would have to be ``to`` instead of ``from``."""

    input: str
    from_: Any = msgspec.field(name="from")
    to: Any


class Explanation(msgspec.Struct, frozen=True):
    """A decision with its way to Allow; ``smallest_change`` is empty when it is Allow or nothing helps."""

    decision: str
    rule: str
    inputs: Inputs
    smallest_change: tuple[Change, ...]


_FLAGS: Final = (False, True)

# Among changes of one size the one that is easiest to bring about comes first: people approve sooner than an
# environment is rewritten, and an environment sooner than a stage loses its effect.
_CHOICES: Final[tuple[tuple[str, tuple[Any, ...]], ...]] = (
    ("approved", _FLAGS),
    ("dry_run", _FLAGS),
    ("replay", _FLAGS),
    ("replay_policy", REPLAY_POLICIES[::-1]),
    ("side_effect_policy", ("require_approval", "allow_all", "deny_all")),
    ("side_effecting", _FLAGS),
    ("posture", POSTURES),
)


def explain(inputs: Inputs) -> Explanation:
    """The decision for ``inputs`` with its explanation. Never raises."""
    # Unknown values stay out of the cache, where 1 and True would be one key.
    return _explain_known(inputs) if well_formed(inputs) else _explanation(decide(inputs), ())


@cache
def _explain_known(inputs: Inputs) -> Explanation:
    return _explanation(decide(inputs), _smallest_change(inputs))


def _explanation(decision: Decision, change: tuple[Change, ...]) -> Explanation:
    return Explanation(decision.decision, decision.rule, decision.inputs, change)


def _smallest_change(inputs: Inputs) -> tuple[Change, ...]:
    for size in range(len(_CHOICES) + 1):
        for fields in combinations(_CHOICES, size):
            for values in product(*(choices for _, choices in fields)):
                changes = {name: value for (name, _), value in zip(fields, values, strict=True)}
                if any(getattr(inputs, name) == value for name, value in changes.items()):
                    continue
                other = msgspec.structs.replace(inputs, **changes)
                if decide(other).decision == "Allow" and (not changes or _loadable(other)):
                    return tuple(Change(name, getattr(inputs, name), to) for name, to in changes.items())
    return ()


def _loadable(inputs: Inputs) -> bool:
    """No advice that the environment reader would refuse."""
    return not (inputs.posture == "prod" and inputs.side_effect_policy == "allow_all")
