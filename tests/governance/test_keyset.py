"""Key sets: exact form, thresholds that one key cannot fill twice, and a chain that only goes forward."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from byteor.governance.errors import GovernanceError
from byteor.governance.keyset import (
    check_self_signed,
    check_successor,
    check_unaltered,
    follow,
    read_key_set,
    signers,
)


def refusal(call: Any, *args: Any) -> str:
    with pytest.raises(GovernanceError) as caught:
        call(*args)
    assert caught.value.exit == 9
    return caught.value.code


def test_a_key_set_survives_its_file(world: Any) -> None:
    keys = world.signed(world.keys, "alice", "bob")
    assert read_key_set(world.as_json(keys)) == keys


def test_layout_does_not_matter_but_the_fingerprint_is_of_the_meaning(world: Any) -> None:
    text = json.dumps(json.loads(world.as_json(world.keys)), indent=2).encode()
    assert read_key_set(text).fingerprint == world.keys.fingerprint


def test_signatures_do_not_change_the_fingerprint_and_anything_else_does(world: Any) -> None:
    keys = world.keys
    assert world.signed(keys, "alice").fingerprint == keys.fingerprint
    for change in (
        {"version": 2},
        {"threshold": 2},
        {"expires_at": world.time(world.now)},
        {"keys": keys.keys[:3]},
    ):
        assert msgspec.structs.replace(keys, **change).fingerprint != keys.fingerprint


KEY_CHANGES: list[dict[str, Any]] = [
    {"kid": ""}, {"kid": "a\nb"}, {"kid": "bob-1"}, {"principal": ""},
    {"principal": "a\x1b[2J"}, {"alg": "ed25519"},
    {"alg": "RS256"}, {"status": "Active"}, {"status": ""}, {"groups": ("ops", "ops")}, {"groups": ("",)},
    {"groups": ("o\tps",)}, {"not_before": "2027-01-15"}, {"not_after": "2027-01-15T08:00:00+00:00"},
    {"not_after": "2020-01-01T00:00:00Z"}, {"public_key": ""}, {"public_key": "A" * 42},
    {"public_key": "A" * 43 + "="},
    {"public_key": "A" * 43}, {"public_key": "\u00e9"}, {"public_key": "_" * 43},
]  # fmt: skip


@pytest.mark.parametrize("change", KEY_CHANGES, ids=[str(change) for change in KEY_CHANGES])
def test_an_unsound_key_is_refused(change: dict[str, Any], world: Any) -> None:
    keys = world.key_set(msgspec.structs.replace(world.key("alice"), **change), world.key("bob"))
    assert refusal(read_key_set, world.as_json(keys)) == "E_KEYSET"


SET_CHANGES: list[dict[str, Any]] = [
    {"version": 0}, {"version": -1}, {"version": 2**53}, {"threshold": 0}, {"threshold": 5}, {"keys": ()},
    {"expires_at": "never"},
]  # fmt: skip


@pytest.mark.parametrize("change", SET_CHANGES, ids=[str(change) for change in SET_CHANGES])
def test_an_unsound_set_is_refused(change: dict[str, Any], world: Any) -> None:
    assert refusal(read_key_set, world.as_json(msgspec.structs.replace(world.keys, **change))) == "E_KEYSET"


def test_a_threshold_counts_keys_not_ids(world: Any) -> None:
    twice = world.key_set(world.key("alice"), world.key("alice", kid="alice-2"), threshold=2)
    assert refusal(read_key_set, world.as_json(twice)) == "E_KEYSET"


@pytest.mark.parametrize(
    "mangle",
    [
        lambda text: text.replace(b'{"version"', b'{"extra":1,"version"'),
        lambda text: text.replace(b'"version":1', b'"version":1,"version":2'),
        lambda text: text.replace(b'"alg":"Ed25519"', b'"alg":"Ed25519","alg":"Ed25519"', 1),
        lambda text: text.replace(b'"status":"active"', b'"status":"active","admin":true', 1),
        lambda text: text.replace(b'"version":1', b'"version":"1"'),
        lambda text: text.replace(b'"threshold":1,', b""),
        lambda text: text.replace(b'"groups":["ops"]', b'"groups":"ops"', 1),
        lambda text: text[:-1],
        lambda text: b"",
        lambda text: b"[" * 100_000,
        lambda text: b"\xff" + text,
        lambda text: text + b" " * (1 << 20),
    ],
)
def test_a_file_of_another_form_is_refused(mangle: Any, world: Any) -> None:
    good = world.as_json(world.keys)
    assert mangle(good) != good
    assert refusal(read_key_set, mangle(good)) == "E_KEYSET"


def test_a_key_is_usable_in_its_window_while_active(world: Any) -> None:
    key = world.key("alice", not_before=world.time(100), not_after=world.time(200))
    assert [key.usable_at(now) for now in (99, 100, 199, 200)] == [False, True, True, False]
    for status in ("retired", "revoked"):
        assert not msgspec.structs.replace(key, status=status).usable_at(150)


def test_no_key_is_usable_once_the_set_has_expired(world: Any) -> None:
    keys = world.key_set(world.key("alice"), lives_s=10)
    assert keys.usable_key("alice-1", world.now + 9) is not None
    assert keys.usable_key("alice-1", world.now + 10) is None


# --- thresholds --------------------------------------------------------------------------------------------


def test_one_key_under_two_ids_signs_once(world: Any) -> None:
    keys = world.key_set(
        world.key("alice"), world.key("mallory", seed="alice"), world.key("bob"), threshold=2
    )
    once = world.signed(keys, "alice")
    text = keys.signed_text()
    again = msgspec.structs.replace(
        once, signatures=(*once.signatures, msgspec.structs.replace(once.signatures[0], kid="mallory-1"))
    )
    assert len(signers(again, again, world.now)) == 1
    assert world.signer("alice").sign(text)
    assert refusal(check_self_signed, again, world.now) == "E_KEYSET_SIGNATURE"
    check_self_signed(world.signed(keys, "alice", "bob"), world.now)


BAD_SIGNERS: list[dict[str, Any]] = [
    {"status": "retired"}, {"status": "revoked"},
    {"not_after": "2026-12-31T00:00:00Z", "not_before": "2026-12-01T00:00:00Z"},
    {"not_before": "2027-06-01T00:00:00Z", "not_after": "2027-07-01T00:00:00Z"}, {"groups": ("log",)},
    {"groups": ("ops", "host")}, {"groups": ("agent",)},
]  # fmt: skip


@pytest.mark.parametrize("change", BAD_SIGNERS, ids=[str(change) for change in BAD_SIGNERS])
def test_only_a_usable_key_of_a_person_counts(change: dict[str, Any], world: Any) -> None:
    keys = world.key_set(world.key("alice", "ops"), world.key("bob", "ops", **change), threshold=2)
    assert len(signers(world.signed(keys, "alice", "bob"), keys, world.now)) == 1


@pytest.mark.parametrize("sig", ["", "A", "AAAA", "=" * 86, "A" * 86, "\u00e9"])
def test_a_signature_that_does_not_hold_counts_for_nothing_and_hurts_nobody(sig: str, world: Any) -> None:
    keys = world.signed(world.keys, "alice", "bob")
    bad = msgspec.structs.replace(keys.signatures[1], sig=sig)
    keys = msgspec.structs.replace(keys, signatures=(keys.signatures[0], bad))
    assert len(signers(keys, keys, world.now)) == 1


def test_a_signature_over_another_set_counts_for_nothing(world: Any) -> None:
    other = world.signed(world.keys, "alice")
    changed = msgspec.structs.replace(other, version=2)
    assert signers(changed, changed, world.now) == frozenset()


# --- the chain ---------------------------------------------------------------------------------------------


def old_and_new(world: Any) -> tuple[Any, Any]:
    """Two of {alice, bob} must hand over to two of {carol, dave}."""
    old = world.key_set(world.key("alice"), world.key("bob"), threshold=2)
    new = world.key_set(world.key("carol"), world.key("dave"), version=2, threshold=2)
    return old, new


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (("alice", "bob", "carol", "dave"), None),
        (("dave", "carol", "bob", "alice"), None),
        (("alice", "carol", "dave"), "E_KEYSET_CHAIN"),
        (("alice", "alice", "carol", "dave"), "E_KEYSET_CHAIN"),
        (("carol", "dave"), "E_KEYSET_CHAIN"),
        (("alice", "bob", "carol"), "E_KEYSET_SIGNATURE"),
        (("alice", "bob"), "E_KEYSET_SIGNATURE"),
        (("alice", "bob", "carol", "carol"), "E_KEYSET_SIGNATURE"),
        ((), "E_KEYSET_CHAIN"),
    ],
)
def test_a_successor_needs_the_threshold_of_both_sets(
    names: tuple[str, ...], code: str | None, world: Any
) -> None:
    old, new = old_and_new(world)
    new = world.signed(new, *names)
    if code is None:
        check_successor(new, old, world.now)
    else:
        assert refusal(check_successor, new, old, world.now) == code


def test_an_older_version_is_a_rollback_even_when_well_signed(world: Any) -> None:
    old, new = old_and_new(world)
    assert refusal(check_successor, world.signed(old, "alice", "bob"), new, world.now) == "E_KEYSET_ROLLBACK"


def test_two_sets_of_one_version_are_refused_and_the_same_again_is_fine(world: Any) -> None:
    _, new = old_and_new(world)
    check_successor(world.signed(new, "carol"), new, world.now)
    other = world.signed(msgspec.structs.replace(new, threshold=1), "alice", "bob", "carol", "dave")
    assert refusal(check_successor, other, new, world.now) == "E_KEYSET_CHAIN"


def test_an_expired_set_still_names_its_successor(world: Any) -> None:
    old, new = old_and_new(world)
    old = msgspec.structs.replace(old, expires_at=world.time(world.now - 1))
    check_successor(world.signed(new, "alice", "bob", "carol", "dave"), old, world.now)


def test_a_chain_is_followed_link_by_link(world: Any) -> None:
    one = world.key_set(world.key("alice"))
    two = world.signed(world.key_set(world.key("bob"), version=2), "alice", "bob")
    five = world.signed(world.key_set(world.key("carol"), version=5), "bob", "carol")
    assert follow(one, [five, two], world.now) == five
    assert follow(one, [], world.now) == one
    assert refusal(follow, one, [five], world.now) == "E_KEYSET_CHAIN"


def test_rotation_voids_nothing_that_lives(world: Any) -> None:
    """Two active keys of one principal at once: what the old one signed still verifies."""
    from byteor.governance.credential import verify_credential

    both = world.key_set(
        world.key("alice", "ops"), world.key("alice", "ops", kid="alice-2", seed="alice-new")
    )
    text = world.credential("alice")
    assert verify_credential(text, keys=both, wanted=world.wanted, now=world.now).key.kid == "alice-1"


def test_a_set_that_was_changed_after_signing_is_told_whatever_its_keys_windows(world: Any) -> None:
    keys = world.signed(world.keys, "alice", "bob")
    check_unaltered(keys)
    check_unaltered(world.keys)
    check_unaltered(world.signed(world.keys, "stranger"))
    changed = msgspec.structs.replace(keys, threshold=2)
    assert refusal(check_unaltered, changed) == "E_KEYSET_SIGNATURE"
    for sig in ("", "A", "A" * 86):
        bad = msgspec.structs.replace(keys.signatures[0], sig=sig)
        assert (
            refusal(check_unaltered, msgspec.structs.replace(keys, signatures=(bad,))) == "E_KEYSET_SIGNATURE"
        )


def test_the_limits_themselves_are_within_them(world: Any) -> None:
    whole = msgspec.structs.replace(world.keys, version=2**53 - 1, threshold=4)
    assert read_key_set(world.as_json(whole)) == whole


def test_a_window_without_a_moment_is_empty(world: Any) -> None:
    same = {"not_before": world.time(world.now), "not_after": world.time(world.now)}
    keys = world.key_set(msgspec.structs.replace(world.key("alice"), **same))
    assert refusal(read_key_set, world.as_json(keys)) == "E_KEYSET"
