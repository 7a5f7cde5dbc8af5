"""The decision table: eight rules, first match wins. Every answer is a function of seven values."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Final, Literal

import msgspec

Posture = Literal["dev", "staging", "prod"]
ReplayPolicy = Literal["disabled", "dry_run_only", "allowed"]
SideEffectPolicy = Literal["deny_all", "allow_all", "require_approval"]
Answer = Literal["Allow", "Deny", "DryRunOnly", "RequireApproval"]

POSTURES: Final[tuple[Posture, ...]] = ("dev", "staging", "prod")
REPLAY_POLICIES: Final[tuple[ReplayPolicy, ...]] = ("disabled", "dry_run_only", "allowed")
SIDE_EFFECT_POLICIES: Final[tuple[SideEffectPolicy, ...]] = ("deny_all", "allow_all", "require_approval")
FAIL_CLOSED: Final = "fail-closed"


class Inputs(msgspec.Struct, frozen=True):
    """What a decision depends on, and nothing else."""

    posture: str
    replay_policy: str
    side_effect_policy: str
    side_effecting: bool
    dry_run: bool
    approved: bool
    replay: bool


class Rule(msgspec.Struct, frozen=True):
    """A row of the table. ``holds`` sees only inputs that ``well_formed`` has passed."""

    number: int
    condition: str
    holds: Callable[[Inputs], bool]
    answer: Answer
    rule_id: str


class Decision(msgspec.Struct, frozen=True):
    """``rule`` is the id of the row that matched, or ``fail-closed``."""

    decision: Answer
    rule: str
    inputs: Inputs


RULES: Final[tuple[Rule, ...]] = (
    Rule(1, "replay and replay policy is disabled",
         lambda i: i.replay and i.replay_policy == "disabled", "Deny", "replay-disabled"),
    Rule(2, "the capability has no side effect",
         lambda i: not i.side_effecting, "Allow", "no-side-effect"),
    Rule(3, "side-effect policy is deny_all",
         lambda i: i.side_effect_policy == "deny_all", "Deny", "deny-all"),
    Rule(4, "dry run",
         lambda i: i.dry_run, "DryRunOnly", "dry-run"),
    Rule(5, "replay, and replay policy is dry_run_only",
         lambda i: i.replay and i.replay_policy == "dry_run_only", "DryRunOnly", "replay-dry-run-only"),
    Rule(6, "side-effect policy is allow_all",
         lambda i: i.side_effect_policy == "allow_all", "Allow", "allow-all"),
    Rule(7, "approval verified",
         lambda i: i.approved, "Allow", "approved"),
    Rule(8, "otherwise",
         lambda i: True, "RequireApproval", "approval-required"),
)  # fmt: skip


def well_formed(inputs: Inputs) -> bool:
    """Whether every value is one that the table knows. A truthy 1 is no ``True``: nothing is guessed."""
    flags = (inputs.side_effecting, inputs.dry_run, inputs.approved, inputs.replay)
    return (
        inputs.posture in POSTURES
        and inputs.replay_policy in REPLAY_POLICIES
        and inputs.side_effect_policy in SIDE_EFFECT_POLICIES
        and all(type(flag) is bool for flag in flags)
    )


def decide(inputs: Inputs) -> Decision:
    """The first rule that holds. What the table does not know is Deny by ``fail-closed``; never raises."""
    try:
        rule = next(rule for rule in RULES if rule.holds(inputs)) if well_formed(inputs) else None
    except Exception:  # noqa: BLE001  (an error in a decision is a refusal, whatever it is)
        rule = None
    if rule is None:
        return Decision("Deny", FAIL_CLOSED, inputs)
    return Decision(rule.answer, rule.rule_id, inputs)


def all_inputs() -> tuple[Inputs, ...]:
    """All 432 inputs, in the order of the columns of ``Inputs``."""
    flags = (False, True)
    return tuple(
        Inputs(*row)
        for row in product(POSTURES, REPLAY_POLICIES, SIDE_EFFECT_POLICIES, flags, flags, flags, flags)
    )
