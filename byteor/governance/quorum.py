"""Whether enough people approved: an AND of groups, where one person fills one place and the requester none.

A person is whoever shares a principal or a raw key: one key under two ids, or two keys of one principal, is
one person.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from byteor.governance.environment import ANY_GROUP, Quota
from byteor.governance.keyset import Key, KeySet


class Person(msgspec.Struct, frozen=True):
    """Keys that belong together. ``principals`` and ``groups`` are sorted."""

    principals: tuple[str, ...]
    groups: tuple[str, ...]
    raw_keys: frozenset[bytes]


class Tally(msgspec.Struct, frozen=True):
    """``filled`` of ``needed`` places; ``lacking``: how many are open per group in the best assignment."""

    needed: int
    filled: int
    lacking: tuple[Quota, ...]

    @property
    def reached(self) -> bool:
        return self.filled == self.needed > 0


def people(keys: Iterable[Key], known: KeySet | None = None) -> tuple[Person, ...]:
    """``keys`` joined into people, by first principal.

    With ``known`` the whole key set tells who belongs together: alice's key and bob's are one person's when a
    third entry ties them.
    """
    wanted = list(keys)
    merged: list[list[Key]] = []
    for key in [*wanted, *(known.keys if known else ())]:
        ties = [group for group in merged if any(_same_person(key, other) for other in group)]
        merged = [group for group in merged if group not in ties]
        merged.append([key, *(other for group in ties for other in group)])
    chosen = [group for group in merged if any(key in wanted for key in group)]
    return tuple(sorted((_person(group) for group in chosen), key=lambda person: person.principals))


def _same_person(a: Key, b: Key) -> bool:
    return a.principal == b.principal or a.raw == b.raw


def _person(keys: list[Key]) -> Person:
    return Person(
        tuple(sorted({key.principal for key in keys})),
        tuple(sorted({group for key in keys for group in key.groups})),
        frozenset(key.raw for key in keys),
    )


def tally(quorum: Sequence[Quota], approvers: Sequence[Person], *, requester: str | None) -> Tally:
    """The best assignment of ``approvers`` to the places of ``quorum``.

    Somebody in two groups fills one place, wherever it helps most: a maximum matching by augmenting paths
    (Kuhn). ``requester``, the principal who asked, never counts.
    """
    places = [quota.group for quota in quorum for _ in range(quota.n)]
    able = [person for person in approvers if requester not in person.principals]
    holder: dict[int, int] = {}

    def place(who: int, tried: set[int]) -> bool:
        for index, group in enumerate(places):
            if index in tried or not _may_fill(able[who], group):
                continue
            tried.add(index)
            if index not in holder or place(holder[index], tried):
                holder[index] = who
                return True
        return False

    for who in range(len(able)):
        place(who, set())
    open_places = [group for index, group in enumerate(places) if index not in holder]
    lacking = tuple(Quota(group, open_places.count(group)) for group in sorted(set(open_places)))
    return Tally(len(places), len(holder), lacking)


def _may_fill(person: Person, group: str) -> bool:
    return group in (ANY_GROUP, *person.groups)


class Standing(msgspec.Struct, frozen=True):
    """Whether somebody may still approve a request, and why not."""

    principal: str
    kid: str
    can: bool
    why: str


def standings(
    keys: KeySet, quorum: Sequence[Quota], approved: Sequence[str], *, requester: str, now: int
) -> tuple[Standing, ...]:
    """Every key with whether its holder can still answer; ``approved`` are the principals who did."""
    groups = {quota.group for quota in quorum}
    return tuple(_standing(key, keys, groups, set(approved), requester, now) for key in keys.keys)


def _standing(
    key: Key, keys: KeySet, groups: set[str], approved: set[str], requester: str, now: int
) -> Standing:
    same = set(people([key], keys)[0].principals)
    reasons = (
        (requester in same, "asked for it"),
        (bool(same & approved), "has approved"),
        (key.status != "active", f"the key is {key.status}"),
        (not key.usable_at(now), f"the key is valid from {key.not_before} to {key.not_after}"),
        (keys.usable_key(key.kid, now) is None, f"the key set expired at {keys.expires_at}"),
        (not key.is_person, "a machine's key approves nothing"),
        (not groups & {ANY_GROUP, *key.groups}, f"is not in {' or '.join(sorted(groups))}"),
    )
    why = next((reason for holds, reason in reasons if holds), "")
    return Standing(key.principal, key.kid, not why, why)
