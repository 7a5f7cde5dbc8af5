"""A revocation list only grows, and one that has expired says nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from byteor.governance.errors import GovernanceError
from byteor.governance.revocation import (
    RevocationList,
    check_newer,
    open_revocations,
    revoke,
    seal_revocations,
)

IDS = [f"{digit * 8}-2222-4333-8444-555555555555" for digit in "123"]
DAY = 86_400


def code(call: Any, *args: Any) -> str:
    with pytest.raises(GovernanceError) as caught:
        call(*args)
    return caught.value.code


def listing(world: Any, *ids: str, ends: int = 100) -> RevocationList:
    found = None
    for one in ids:
        found = revoke(found, one, reason="wrong", approval_ends=world.now + ends, now=world.now, lives_s=DAY)
    assert found is not None
    return found


def test_a_list_survives_its_file_and_revokes(world: Any) -> None:
    found = open_revocations(
        seal_revocations(listing(world, *IDS[:2]), "bob-1", world.signer("bob")), world.keys, world.now
    )
    assert [found.revokes(one) for one in IDS] == [True, True, False]
    assert found.version == 2


def test_a_list_expires_to_the_second(world: Any) -> None:
    data = seal_revocations(listing(world, IDS[0]), "bob-1", world.signer("bob"))
    long = world.key("bob", not_after=world.time(world.now + 9 * DAY))  # it is not the key that ends
    keys = world.key_set(long, lives_s=9 * DAY)
    assert open_revocations(data, keys, world.now + DAY - 1)
    assert code(open_revocations, data, keys, world.now + DAY) == "E_REVOCATIONS"


def test_the_highest_version_is_one(world: Any) -> None:
    last = msgspec.structs.replace(listing(world, IDS[0]), version=2**53 - 1)
    data = seal_revocations(last, "bob-1", world.signer("bob"))
    assert open_revocations(data, world.keys, world.now).version == 2**53 - 1


@pytest.mark.parametrize(("kid", "signer"), [("nobody", "bob"), ("bob-1", "alice"), ("log-1", "log")])
def test_a_list_needs_the_signature_of_a_person(kid: str, signer: str, world: Any) -> None:
    keys = world.key_set(world.key("bob", "ops"), world.key("log", "log"))
    data = seal_revocations(listing(world, IDS[0]), kid, world.signer(signer))
    assert code(open_revocations, data, keys, world.now) == "E_REVOCATIONS"


@pytest.mark.parametrize("data", [b"", b"{}", b"null", b"\xff"])
def test_rubbish_is_no_list(data: bytes, world: Any) -> None:
    assert code(open_revocations, data, world.keys, world.now) == "E_REVOCATIONS"


def test_a_list_of_another_form_is_neither_written_nor_read(world: Any) -> None:
    good = listing(world, *IDS[:2])
    from byteor.governance.dsse import REVOCATIONS, seal

    for change in (
        {"v": 2}, {"version": 0}, {"version": 2**53}, {"entries": good.entries[::-1]}, {"expires_at": "x"},
        {"entries": (good.entries[0], good.entries[0])}, {"issued_at": "x"},
        {"entries": (msgspec.structs.replace(good.entries[0], approval_id="x"),)},
        {"entries": (msgspec.structs.replace(good.entries[0], keep_until="x"),)},
        {"entries": (msgspec.structs.replace(good.entries[0], revoked_at="x"),)},
    ):  # fmt: skip
        bad = msgspec.structs.replace(good, **change)
        assert code(seal_revocations, bad, "bob-1", world.signer("bob")) == "E_REVOCATIONS"
        if change.get("version") == 2**53:
            continue  # canonical JSON cannot write it at all
        data = seal(REVOCATIONS, bad, [("bob-1", world.signer("bob"))])
        assert code(open_revocations, data, world.keys, world.now) == "E_REVOCATIONS"


def test_an_entry_is_never_taken_back_while_its_approval_lives(world: Any) -> None:
    seen = listing(world, *IDS[:2])
    gone = msgspec.structs.replace(seen, version=3, entries=seen.entries[:1])
    assert code(check_newer, gone, seen, world.now) == "E_REVOCATIONS"
    short = msgspec.structs.replace(seen.entries[1], keep_until=world.time(world.now + 1))
    shortened = msgspec.structs.replace(seen, version=3, entries=(seen.entries[0], short))
    assert code(check_newer, shortened, seen, world.now) == "E_REVOCATIONS"
    after = world.now + 100 + DAY
    assert code(check_newer, gone, seen, after - 1) == "E_REVOCATIONS"
    check_newer(gone, seen, after)


def test_versions_only_grow(world: Any) -> None:
    seen = listing(world, *IDS[:2])
    check_newer(seen, seen, world.now)
    check_newer(msgspec.structs.replace(seen, version=9), seen, world.now)
    for change in ({"version": 1}, {"expires_at": world.time(world.now + 9 * DAY)}):
        assert code(check_newer, msgspec.structs.replace(seen, **change), seen, world.now) == "E_REVOCATIONS"


def test_revoking_again_keeps_the_longer_entry_and_always_follows(world: Any) -> None:
    seen = listing(world, IDS[0], ends=500)
    again = revoke(seen, IDS[0], reason="again", approval_ends=world.now + 5, now=world.now, lives_s=DAY)
    assert again.entries == seen.entries
    check_newer(again, seen, world.now)


def test_entries_of_dead_approvals_are_left_out(world: Any) -> None:
    seen = listing(world, IDS[0])
    later = world.now + 100 + DAY
    found = revoke(seen, IDS[1], reason="x", approval_ends=later + 9, now=later, lives_s=DAY)
    assert [entry.approval_id for entry in found.entries] == [IDS[1]]
    check_newer(found, seen, later)
