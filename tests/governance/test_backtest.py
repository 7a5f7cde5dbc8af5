"""History under another policy."""

from __future__ import annotations

from typing import Any

from byteor.governance.backtest import PastDecision, backtest


def past(seq: int, environment: str, decision: str, rule: str, **changes: bool) -> PastDecision:
    flags = {"side_effecting": True, "dry_run": False, "approved": False, "replay": False, **changes}
    return PastDecision(
        seq=seq, environment=environment, capability="exec:/bin/a", decision=decision, rule=rule, **flags
    )


def test_only_what_is_decided_otherwise_flips(world: Any) -> None:
    history = [
        past(3, "staging", "RequireApproval", "approval-required"),
        past(5, "staging", "Allow", "approved", approved=True),
        past(6, "gone", "Allow", "allow-all"),
        past(7, "staging", "Deny", "deny-all"),
        past(9, "gone", "Deny", "deny-all"),
        past(11, "staging", "DryRunOnly", "replay-dry-run-only", dry_run=True),
    ]
    environment = world.environment(side_effects="require_approval")
    found = backtest(history, {"staging": environment}.get)
    assert found.decided == 6
    assert [(flip.seq, flip.was, flip.becomes, flip.becomes_rule) for flip in found.flips] == [
        (6, "Allow", "Deny", "fail-closed"),
        (7, "Deny", "RequireApproval", "approval-required"),
    ]


def test_each_input_of_the_past_counts(world: Any) -> None:
    environment = world.environment(side_effects="require_approval", replay="disabled")
    rows = [
        past(1, "staging", "?", "?"),
        past(2, "staging", "?", "?", side_effecting=False),
        past(3, "staging", "?", "?", dry_run=True),
        past(4, "staging", "?", "?", approved=True),
        past(5, "staging", "?", "?", replay=True),
    ]
    found = backtest(rows, {"staging": environment}.get)
    assert [flip.becomes_rule for flip in found.flips] == [
        "approval-required", "no-side-effect", "dry-run", "approved", "replay-disabled",
    ]  # fmt: skip
