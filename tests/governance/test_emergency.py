"""Freeze and break-glass: fast to deny, slow to allow again, and short of everything else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from byteor.governance.break_glass import (
    BreakGlass,
    Review,
    check_break_glass,
    check_reviews,
    close_review,
)
from byteor.governance.errors import GovernanceError
from byteor.governance.freeze import Freeze, effective_side_effects, lift

FROZEN = Freeze("staging-1", "alice", "2027-01-15T08:00:00Z", "odd traffic")


def code(call: Any, *args: Any) -> str:
    with pytest.raises(GovernanceError) as caught:
        call(*args)
    return caught.value.code


@pytest.mark.parametrize("policy", ["deny_all", "allow_all", "require_approval"])
def test_frozen_means_deny_all(policy: str, world: Any) -> None:
    environment = world.environment(side_effects=policy)
    assert effective_side_effects(environment, None) == policy
    assert effective_side_effects(environment, FROZEN) == "deny_all"


def test_two_people_lift_a_freeze() -> None:
    one = lift(FROZEN, "bob")
    assert one is not None
    assert one.lifters == ("bob",)
    assert code(lift, one, "bob") == "E_FREEZE"
    assert code(lift, one, "") == "E_FREEZE"
    assert lift(one, "alice") is None


@pytest.fixture
def glass(world: Any) -> BreakGlass:
    return BreakGlass(
        approval_id=world.approval_id,
        capability="exec:/usr/bin/notify",
        environment_id="staging-1",
        expires_at=world.time(world.now + 900),
        issued_at=world.time(world.now),
        principal="alice",
        reason="the pager is down now",
        spec_hash=world.spec,
        v=1,
    )


def test_an_emergency_within_its_limits_is_taken(glass: BreakGlass, world: Any) -> None:
    check_break_glass(glass, [], world.now)


@pytest.mark.parametrize("change", [
    {"v": 2}, {"reason": "x" * 19}, {"reason": "x" + " " * 40 + "y"}, {"reason": ""},
    {"expires_at": "2027-01-15T08:15:01Z"}, {"expires_at": "2027-01-15T08:00:00Z"},
    {"expires_at": "2027-01-15T07:59:00Z"}, {"expires_at": "x"}, {"issued_at": "x"}, {"spec_hash": "*"},
    {"capability": "*"}, {"capability": "exec:/bin/sh -c"}, {"capability": ""},
])  # fmt: skip
def test_every_limit_holds(change: dict[str, Any], glass: BreakGlass, world: Any) -> None:
    assert code(check_break_glass, msgspec.structs.replace(glass, **change), [], world.now) == "E_BREAK_GLASS"


def test_a_reason_of_twenty_characters_is_enough(glass: BreakGlass, world: Any) -> None:
    check_break_glass(msgspec.structs.replace(glass, reason="x" * 20), [], world.now)


def test_an_old_open_review_blocks_its_environment_and_no_other(glass: BreakGlass, world: Any) -> None:
    review = Review("a", "staging-1", "alice", world.now)
    day = world.now + 86_400
    check_reviews("staging-1", [review], day)
    assert code(check_reviews, "staging-1", [review], day + 1) == "E_REVIEW_OVERDUE"
    assert code(check_break_glass, glass, [review], day + 1) == "E_REVIEW_OVERDUE"
    check_reviews("prod-1", [review], day + 1)
    check_reviews("staging-1", [close_review(review, "bob")], day + 1)


def test_a_second_person_closes_a_review_once() -> None:
    review = Review("a", "staging-1", "alice", 0)
    for nobody in ("alice", ""):
        assert code(close_review, review, nobody) == "E_NOT_ELIGIBLE"
    closed = close_review(review, "bob")
    assert closed.closed_by == "bob"
    assert code(close_review, closed, "carol") == "E_REQUEST_STATE"
