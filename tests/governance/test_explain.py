"""The smallest change really leads to Allow, and nothing smaller does."""

from __future__ import annotations

import msgspec
import pytest

from byteor.governance.explain import explain
from byteor.governance.policy import Inputs, all_inputs, decide


def distance(a: Inputs, b: Inputs) -> int:
    pairs = zip(msgspec.structs.astuple(a), msgspec.structs.astuple(b), strict=True)
    return sum(x != y for x, y in pairs)


def loadable(inputs: Inputs) -> bool:
    return (inputs.posture, inputs.side_effect_policy) != ("prod", "allow_all")


ALLOWED = [inputs for inputs in all_inputs() if decide(inputs).decision == "Allow"]


def test_the_change_leads_to_allow_and_no_smaller_one_does() -> None:
    for inputs in all_inputs():
        found = explain(inputs)
        assert (found.decision, found.rule) == (decide(inputs).decision, decide(inputs).rule)
        assert all(
            getattr(inputs, change.input) == change.from_ != change.to for change in found.smallest_change
        )
        after = msgspec.structs.replace(inputs, **{c.input: c.to for c in found.smallest_change})
        assert decide(after).decision == "Allow"
        nearest = min(distance(inputs, other) for other in ALLOWED if other == inputs or loadable(other))
        assert len(found.smallest_change) == nearest


def test_no_advice_would_be_refused_by_the_environment_reader() -> None:
    for inputs in all_inputs():
        change = {c.input: c.to for c in explain(inputs).smallest_change}
        assert not change or loadable(msgspec.structs.replace(inputs, **change))


@pytest.mark.parametrize(
    ("inputs", "advice"),
    [
        (Inputs("prod", "dry_run_only", "require_approval", True, False, False, False), [("approved", True)]),
        (
            Inputs("dev", "allowed", "deny_all", True, False, False, False),
            [("side_effect_policy", "allow_all")],
        ),
        (Inputs("dev", "allowed", "allow_all", True, True, False, False), [("dry_run", False)]),
        (Inputs("staging", "dry_run_only", "require_approval", True, False, True, True), [("replay", False)]),
        (
            Inputs("prod", "allowed", "deny_all", True, False, True, False),
            [("side_effect_policy", "require_approval")],
        ),
        (Inputs("dev", "allowed", "allow_all", True, False, False, False), []),
    ],
)
def test_among_equal_changes_the_easiest_is_told(inputs: Inputs, advice: list[tuple[str, object]]) -> None:
    assert [(change.input, change.to) for change in explain(inputs).smallest_change] == advice


def test_unknown_inputs_are_explained_as_fail_closed_and_never_as_their_look_alike() -> None:
    known = Inputs("dev", "allowed", "allow_all", True, False, True, False)
    assert explain(known).decision == "Allow"
    alike = msgspec.structs.replace(known, side_effecting=1)
    assert alike == known  # to a cache they are one key
    assert (explain(alike).decision, explain(alike).rule) == ("Deny", "fail-closed")
    assert explain(alike).smallest_change == ()
