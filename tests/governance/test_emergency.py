"""Freeze and break-glass: fast to deny, slow to allow again, and short of everything else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from byteor.governance.approval import verify_emergency
from byteor.governance.break_glass import (
    BreakGlass,
    Review,
    SignedReview,
    check_break_glass,
    check_reviews,
    close_review,
    close_with,
    review_of,
    seal_break_glass,
    seal_review,
)
from byteor.governance.canonical import digest_of, sha256_of
from byteor.governance.dsse import LIFT, seal
from byteor.governance.errors import GovernanceError
from byteor.governance.freeze import Freeze, effective_side_effects
from byteor.governance.lift import Lift, lifted_by, seal_lift
from byteor.governance.revocation import revoke

AUDIENCE = "byteor/acme/telemetry/11111111-2222-4333-8444-555555555555"
NEEDED = ("exec:/usr/bin/notify",)
FROZEN = Freeze("staging-1", "alice", "2027-01-15T08:00:00Z", "odd traffic")


def code(call: Any, *args: Any, **more: Any) -> str:
    with pytest.raises(GovernanceError) as caught:
        call(*args, **more)
    return caught.value.code


@pytest.mark.parametrize("policy", ["deny_all", "allow_all", "require_approval"])
def test_frozen_means_deny_all(policy: str, world: Any) -> None:
    environment = world.environment(side_effects=policy)
    assert effective_side_effects(environment, None) == policy
    assert effective_side_effects(environment, FROZEN) == "deny_all"


def wish(world: Any, name: str, freeze: Freeze = FROZEN, **more: Any) -> bytes:
    return seal_lift(freeze, f"{name}-1", more.get("keys", world.keys), world.signer(name), world.now)


def test_two_people_lift_a_freeze(world: Any) -> None:
    bob, alice = wish(world, "bob"), wish(world, "alice")
    assert lifted_by([bob], FROZEN, world.keys, world.now) == ("bob",)
    assert lifted_by([bob, bob], FROZEN, world.keys, world.now) == ("bob",)
    assert lifted_by([bob, alice], FROZEN, world.keys, world.now) == ("alice", "bob")


def test_a_wish_counts_for_its_own_freeze_and_while_its_key_does(world: Any) -> None:
    bob = wish(world, "bob")
    later = msgspec.structs.replace(FROZEN, frozen_at="2027-01-15T09:00:00Z")
    other = msgspec.structs.replace(FROZEN, environment_id="prod-1")
    for freeze in (later, other):
        assert lifted_by([bob], freeze, world.keys, world.now) == ()
    assert lifted_by([bob], FROZEN, world.keys, world.now + 86_400) == ()
    for damage in (b"", b"{}", bob.replace(b"bob-1", b"dave-1"), bob[:-9]):
        assert lifted_by([damage], FROZEN, world.keys, world.now) == ()


def test_a_wish_says_who_signed_it_and_in_which_form(world: Any) -> None:
    right = Lift("staging-1", digest_of(FROZEN), world.time(world.now), "bob", "bob-1", 1)

    def count(signer: str = "bob", **changes: Any) -> int:
        document = msgspec.structs.replace(right, **changes)
        data = seal(LIFT, document, [(f"{signer}-1", world.signer(signer))])
        return len(lifted_by([data], FROZEN, world.keys, world.now))

    assert count() == 1
    for change in (
        {"v": 2},
        {"kid": "alice-1"},
        {"issued_by": "alice"},
        {"issued_at": "x"},
        {"signer": "alice"},
    ):
        assert count(**change) == 0
    assert (
        code(seal_lift, FROZEN, "bob-1", world.keys, world.signer("bob"), world.now + 86_400)
        == "E_UNKNOWN_KEY"
    )


def test_two_keys_of_one_person_lift_nothing(world: Any) -> None:
    again = world.key("again", "risk", principal="bob")
    keys = msgspec.structs.replace(world.keys, keys=(*world.keys.keys, again))
    wishes = [wish(world, "bob"), wish(world, "again", keys=keys)]
    assert lifted_by(wishes, FROZEN, keys, world.now) == ("bob",)


def test_a_machine_and_a_stranger_lift_nothing(world: Any) -> None:
    keys = world.key_set(world.key("robot", "agent"), world.key("alice", "ops"))
    assert code(seal_lift, FROZEN, "robot-1", keys, world.signer("robot"), world.now) == "E_UNKNOWN_KEY"
    assert code(seal_lift, FROZEN, "nobody-1", keys, world.signer("robot"), world.now) == "E_UNKNOWN_KEY"
    assert code(seal_lift, FROZEN, "alice-1", keys, world.signer("robot"), world.now) == "E_SIGNATURE"
    as_person = world.key_set(world.key("robot", "ops"), world.key("alice", "ops"))
    assert lifted_by([wish(world, "robot", keys=as_person)], FROZEN, keys, world.now) == ()


@pytest.fixture
def glass(world: Any) -> BreakGlass:
    return BreakGlass(
        approval_id=world.approval_id,
        audience=AUDIENCE,
        capability="exec:/usr/bin/notify",
        environment_digest=world.environment().digest,
        environment_id="staging-1",
        expires_at=world.time(world.now + 900),
        issued_at=world.time(world.now),
        kid="alice-1",
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
    {"capability": "*"}, {"capability": "exec:/bin/sh -c"}, {"capability": ""}, {"approval_id": "A"},
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


@pytest.fixture
def here(world: Any) -> dict[str, Any]:
    """What a host knows when somebody hands it an emergency."""
    return {
        "keys": world.keys, "environment": world.environment(), "spec_hash": world.spec,
        "capabilities": NEEDED, "audience": AUDIENCE, "reviews": [], "revocations": None, "uses": 0,
        "now": world.now,
    }  # fmt: skip


def test_an_emergency_approves_one_run_of_one_spec(glass: Any, here: Any, world: Any) -> None:
    data = seal_break_glass(glass, world.signer("alice"))
    found = verify_emergency(data, **here)
    assert (found.max_uses, found.principals, found.capabilities) == (1, ("alice",), frozenset(NEEDED))
    assert (found.action, found.spec_hash, found.expires_at) == ("run", world.spec, glass.expires_at)
    assert verify_emergency(data, **here | {"capabilities": ()}).capabilities == frozenset(NEEDED)


@pytest.mark.parametrize(("change", "expected"), [
    ({"audience": AUDIENCE + "x"}, "E_BREAK_GLASS"), ({"audience": None}, "E_BREAK_GLASS"),
    ({"spec_hash": "sha256:" + "6" * 64}, "E_SPEC_HASH"), ({"uses": 1}, "E_USED"),
    ({"capabilities": (*NEEDED, "http_post:https://a.example")}, "E_CAPABILITY"),
    ({"reviews": [Review("a", "staging-1", "alice", 0)]}, "E_REVIEW_OVERDUE"),
])  # fmt: skip
def test_elsewhere_an_emergency_approves_nothing(
    glass: Any, here: Any, world: Any, change: Any, expected: str
) -> None:
    data = seal_break_glass(glass, world.signer("alice"))
    assert code(verify_emergency, data, **here | change) == expected


def test_an_emergency_has_its_time_and_its_environment(glass: Any, here: Any, world: Any) -> None:
    data = seal_break_glass(glass, world.signer("alice"))
    for moment in (world.now - 30, world.now + 929):
        verify_emergency(data, **here | {"now": moment})
    for moment in (world.now - 31, world.now + 930):
        assert code(verify_emergency, data, **here | {"now": moment}) == "E_EXPIRED"
    for other in (world.environment(id="prod-1"), world.environment(side_effects="allow_all")):
        assert code(verify_emergency, data, **here | {"environment": other}) == "E_ENVIRONMENT"
    gone = revoke(
        None, world.approval_id, reason="no", approval_ends=world.now + 900, now=world.now, lives_s=9
    )
    assert code(verify_emergency, data, **here | {"revocations": gone}) == "E_REVOKED"
    other = "22222222-2222-4333-8444-555555555555"
    of_another = revoke(None, other, reason="no", approval_ends=world.now + 900, now=world.now, lives_s=9)
    verify_emergency(data, **here | {"revocations": of_another})


def test_only_the_person_it_names_breaks_the_glass(glass: Any, here: Any, world: Any) -> None:
    change = msgspec.structs.replace
    for document, signer in (
        (glass, "bob"), (change(glass, principal="bob"), "alice"), (change(glass, kid="bob-1"), "alice"),
    ):  # fmt: skip
        data = seal_break_glass(document, world.signer(signer))
        assert code(verify_emergency, data, **here) == "E_BREAK_GLASS"
    machine = world.key_set(world.key("alice", "agent"))
    data = seal_break_glass(glass, world.signer("alice"))
    assert code(verify_emergency, data, **here | {"keys": machine}) == "E_BREAK_GLASS"
    assert code(verify_emergency, b"{}", **here) == "E_BREAK_GLASS"


def closing(world: Any, glass: bytes, name: str, **changes: Any) -> bytes:
    document = SignedReview(
        approval_id=world.approval_id, break_glass_sha256=sha256_of(glass), kid=f"{name}-1",
        issued_at=world.time(world.now), issued_by=name, note="it was right", v=1,
    )  # fmt: skip
    return seal_review(msgspec.structs.replace(document, **changes), world.signer(name))


def test_a_second_persons_signature_closes_the_review(glass: Any, world: Any) -> None:
    data = seal_break_glass(glass, world.signer("alice"))
    still = review_of(data, None, world.keys, world.now)
    assert still == Review(world.approval_id, "staging-1", "alice", world.now)
    assert review_of(data, closing(world, data, "bob"), world.keys, world.now).closed_by == "bob"
    assert code(review_of, data, closing(world, data, "alice"), world.keys, world.now) == "E_NOT_ELIGIBLE"
    for change in ({"v": 2}, {"approval_id": "x"}, {"break_glass_sha256": "x"}, {"issued_at": "x"}):
        wrong = closing(world, data, "bob", **change)
        assert code(review_of, data, wrong, world.keys, world.now) == "E_BREAK_GLASS"
    for change in ({"kid": "carol-1"}, {"issued_by": "carol"}):
        wrong = closing(world, data, "bob", **change)
        assert code(review_of, data, wrong, world.keys, world.now) == "E_NOT_ELIGIBLE"
    same = world.key("bob", "ops", principal="alice")
    keys = world.key_set(world.key("alice", "ops"), same)
    wrong = closing(world, data, "bob", issued_by="alice")
    assert code(review_of, data, wrong, keys, world.now) == "E_NOT_ELIGIBLE"
    assert code(review_of, b"{}", None, world.keys, world.now) == "E_BREAK_GLASS"


def test_an_emergency_of_a_second_is_one(glass: BreakGlass, world: Any) -> None:
    check_break_glass(msgspec.structs.replace(glass, expires_at=world.time(world.now + 1)), [], world.now)


def test_who_has_one_key_under_two_names_is_no_second_person(glass: Any, world: Any) -> None:
    data = seal_break_glass(glass, world.signer("alice"))
    alias = msgspec.structs.replace(world.key("zoe", "ops"), public_key=world.key("alice").public_key)
    keys = world.key_set(world.key("alice", "ops"), alias)
    document = closing(world, data, "alice", kid="zoe-1", issued_by="zoe")
    assert code(review_of, data, document, keys, world.now) == "E_NOT_ELIGIBLE"


def test_a_machine_reviews_nothing(glass: Any, world: Any) -> None:
    data = seal_break_glass(glass, world.signer("alice"))
    keys = world.key_set(world.key("alice", "ops"), world.key("robot", "agent"))
    assert code(review_of, data, closing(world, data, "robot"), keys, world.now) == "E_NOT_ELIGIBLE"


def test_a_review_outlives_the_key_that_broke_the_glass(world: Any) -> None:
    review = Review(world.approval_id, "staging-1", "alice", world.now)
    keys = world.key_set(world.key("bob", "ops"))
    found = close_with(review, "alice-1", b"glass", closing(world, b"glass", "bob"), keys, world.now)
    assert found.closed_by == "bob"
