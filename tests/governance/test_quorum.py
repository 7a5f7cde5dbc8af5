"""A quorum is an AND of groups; a person counts once, whatever keys and names they have."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byteor.governance.environment import Quota
from byteor.governance.quorum import Person, people, standings, tally

OPS_AND_RISK = (Quota("ops", 1), Quota("risk", 1))


def person(name: str, *groups: str) -> Person:
    return Person((name,), tuple(sorted(groups)), frozenset({name.encode()}))


ALICE, BOB, CAROL = person("alice", "ops"), person("bob", "ops"), person("carol", "risk")
DAVE = person("dave", "ops", "risk")


@pytest.mark.parametrize(
    ("quorum", "approvers", "requester", "filled", "lacking"),
    [
        (OPS_AND_RISK, (ALICE, CAROL), None, 2, ()),
        (OPS_AND_RISK, (ALICE, BOB), None, 1, (Quota("risk", 1),)),
        (OPS_AND_RISK, (CAROL,), None, 1, (Quota("ops", 1),)),
        (OPS_AND_RISK, (DAVE,), None, 1, (Quota("risk", 1),)),
        (OPS_AND_RISK, (DAVE, ALICE), None, 2, ()),
        (OPS_AND_RISK, (DAVE, CAROL), None, 2, ()),
        (OPS_AND_RISK, (ALICE, CAROL), "alice", 1, (Quota("ops", 1),)),
        (OPS_AND_RISK, (ALICE, CAROL), "erin", 2, ()),
        (OPS_AND_RISK, (), None, 0, (Quota("ops", 1), Quota("risk", 1))),
        ((Quota("ops", 2),), (ALICE, BOB), None, 2, ()),
        ((Quota("ops", 2),), (ALICE, CAROL), None, 1, (Quota("ops", 1),)),
        ((Quota("ops", 2), Quota("risk", 1)), (ALICE, DAVE, CAROL), None, 3, ()),
        ((Quota("ops", 2), Quota("risk", 1)), (ALICE, DAVE, BOB), None, 3, ()),
        ((Quota("*", 2),), (ALICE, CAROL), None, 2, ()),
        ((Quota("*", 1),), (person("nobody"),), None, 1, ()),
        ((Quota("*", 1), Quota("ops", 1)), (ALICE, CAROL), None, 2, ()),
        ((Quota("*", 1), Quota("ops", 1)), (ALICE,), None, 1, (Quota("ops", 1),)),
        ((Quota("op", 1),), (ALICE,), None, 0, (Quota("op", 1),)),
    ],
)  # fmt: skip
def test_places_are_filled_as_well_as_they_can_be(
    quorum: Any, approvers: Any, requester: str | None, filled: int, lacking: tuple[Quota, ...]
) -> None:
    for order in permutations(approvers):
        found = tally(quorum, order, requester=requester)
        assert found.filled == filled
        assert found.reached is (not lacking)
        assert sum(quota.n for quota in found.lacking) == sum(quota.n for quota in lacking)
    assert found.needed == sum(quota.n for quota in quorum)


def test_no_quorum_at_all_is_never_reached() -> None:
    assert not tally((), (ALICE,), requester=None).reached


def test_what_is_open_is_told_by_group() -> None:
    assert tally(OPS_AND_RISK, (ALICE, BOB), requester=None).lacking == (Quota("risk", 1),)


GROUPS = st.sets(st.sampled_from("abc"), max_size=3)


def brute_force(places: list[str], groups: list[set[str]]) -> int:
    """The most places that different people can fill, by trying everything."""
    best = 0
    for order in permutations(range(len(groups)), min(len(groups), len(places))):
        for chosen in permutations(range(len(places)), len(order)):
            best = max(best, sum(places[p] in groups[who] for who, p in zip(order, chosen, strict=True)))
    return best


ROWS = st.tuples(st.sampled_from("abc"), st.integers(1, 2))


@settings(deadline=None)
@given(
    st.lists(ROWS, min_size=1, max_size=2, unique_by=lambda row: row[0]),
    st.lists(GROUPS, max_size=4),
)
def test_the_matching_is_the_best_there_is(rows: list[tuple[str, int]], groups: list[set[str]]) -> None:
    quorum = [Quota(group, n) for group, n in rows]
    approvers = [person(f"p{index}", *sets) for index, sets in enumerate(groups)]
    places = [group for group, n in rows for _ in range(n)]
    assert tally(quorum, approvers, requester=None).filled == brute_force(places, groups)


# --- who is one person -------------------------------------------------------------------------------------


def test_one_key_under_two_ids_is_one_person(world: Any) -> None:
    found = people([world.key("alice", "ops"), world.key("mallory", "risk", seed="alice")])
    assert [(one.principals, one.groups) for one in found] == [(("alice", "mallory"), ("ops", "risk"))]
    assert not tally(OPS_AND_RISK, found, requester=None).reached


def test_two_keys_of_one_principal_are_one_person(world: Any) -> None:
    found = people([world.key("alice", "ops"), world.key("alice-new", "risk", principal="alice")])
    assert len(found) == 1
    assert len(found[0].raw_keys) == 2


def test_a_third_entry_of_the_key_set_ties_two_people(world: Any) -> None:
    alice, bob = world.key("alice", "ops"), world.key("bob", "risk")
    tie = world.key("tie", principal="alice", seed="bob", status="retired")
    assert len(people([alice, bob])) == 2
    assert len(people([alice, bob], world.key_set(alice, bob, tie))) == 1


def test_different_keys_of_different_principals_are_different_people(world: Any) -> None:
    assert [one.principals for one in people(world.keys.keys, world.keys)] == [
        ("alice",), ("bob",), ("carol",), ("dave",),
    ]  # fmt: skip


def test_the_requester_is_excluded_under_every_name(world: Any) -> None:
    found = people([world.key("alice", "ops"), world.key("mallory", "risk", seed="alice")])
    assert tally((Quota("ops", 1),), found, requester="mallory").filled == 0


def test_standings_say_who_still_can_and_why_not(world: Any) -> None:
    keys = world.key_set(
        world.key("alice", "ops"),
        world.key("alias", "ops", principal="alice", seed="alias"),
        world.key("bob", "ops"),
        world.key("carol", "risk"),
        world.key("erin", "ops", status="revoked"),
        world.key("frank", "ops", not_before=world.time(world.now + 5)),
        world.key("grace", "sales"),
        world.key("log", "ops", "log"),
        world.key("henry", "ops"),
    )
    rows = standings(keys, OPS_AND_RISK, ["bob"], requester="alice", now=world.now)
    found = {row.kid: row.why if not row.can else True for row in rows}
    assert found == {
        "alice-1": "asked for it",
        "alias-1": "asked for it",
        "bob-1": "has approved",
        "carol-1": True,
        "erin-1": "the key is revoked",
        "frank-1": f"the key is valid from {world.time(world.now + 5)} to {world.time(world.now + 86_400)}",
        "grace-1": "is not in ops or risk",
        "log-1": "a machine's key approves nothing",
        "henry-1": True,
    }


def test_in_an_expired_set_nobody_can(world: Any) -> None:
    keys = world.key_set(world.key("bob", "ops"), lives_s=0)
    row = standings(keys, OPS_AND_RISK, [], requester="alice", now=world.now)[0]
    assert (row.can, row.why) == (False, f"the key set expired at {world.time(world.now)}")
