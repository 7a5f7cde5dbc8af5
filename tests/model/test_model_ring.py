"""The ring and MPSC algorithms in every interleaving: no loss, no repetition, no tear, no deadlock.

A role does one atomic access to shared memory a step, and between two steps any other role may run.
``explore`` walks every schedule by depth-first search over the states it has not seen; a state is all shared
words and every role's place. Memory is sequentially consistent here: the order that weaker machines may break
is what acquire and release in the kernel are for, and is ThreadSanitizer's to check.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

WRAP = 12  # cells count modulo this: small enough that every run wraps, larger than twice the capacity


@dataclass
class Role:
    """A place in a small program: ``step`` does one atomic access and moves on; ``None`` as place: ended."""

    name: str
    step: Callable[[dict[str, Any], dict[str, Any]], None]
    local: dict[str, Any] = field(default_factory=dict)


def explore(
    shared: dict[str, Any], roles: list[Role], check: Callable[[dict[str, Any], list[dict[str, Any]]], None]
) -> int:
    """Visit every reachable state; ``check`` looks at the final ones. How many states there were."""

    def frozen(value: Any) -> Any:
        if isinstance(value, dict):
            return tuple(sorted((key, frozen(inner)) for key, inner in value.items()))
        return tuple(map(frozen, value)) if isinstance(value, list) else value

    def copied(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: copied(inner) for key, inner in value.items()}
        return [copied(inner) for inner in value] if isinstance(value, list) else value

    seen = set()
    pending = [(shared, [role.local for role in roles])]
    while pending:
        world, places = pending.pop()
        key = frozen([world, places])
        if key in seen:
            continue
        seen.add(key)
        moved = False
        for index, role in enumerate(roles):
            if places[index]["at"] is None:
                continue
            next_world, next_places = copied(world), copied(places)
            role.step(next_world, next_places[index])
            if frozen([next_world, next_places]) != key:
                moved = True
                pending.append((next_world, next_places))
        if not moved:
            ended = all(place["at"] is None for place in places)
            assert ended, f"everybody waits: {world} {places}"
            check(world, places)
    return len(seen)


def behind(a: int, b: int) -> int:
    """a - b as a signed difference modulo WRAP."""
    d = (a - b) % WRAP
    return d - WRAP if d >= WRAP // 2 else d


# -- one producer, stages in a row: publish after writing, gate on the slowest


def producer(
    capacity: int, count: int, gates: int, *, early: bool = False, ignore: int | None = None
) -> Callable[..., None]:
    """``early`` publishes before it writes, ``ignore`` forgets a gate: mistakes that the model must catch."""

    def step(world: dict[str, Any], me: dict[str, Any]) -> None:
        if me["at"] == "room":
            looked = [world[f"gate{i}"] for i in range(gates) if i != ignore]
            if all(behind(me["next"], gate) < capacity for gate in looked):
                me["at"] = "publish" if early else "write"
        elif me["at"] == "write":
            world["slots"][me["next"] % capacity] = me["sent"]
            me["at"] = "moved" if early else "publish"
        elif me["at"] == "publish":
            world["cursor"] = (me["next"] + 1) % WRAP
            me["at"] = "write" if early else "moved"
        if me["at"] == "moved":
            me["next"], me["sent"] = (me["next"] + 1) % WRAP, me["sent"] + 1
            me["at"] = "room" if me["sent"] < count else None

    return step


def consumer(capacity: int, count: int, watch: str, own: str, change: int) -> Callable[..., None]:
    """Reads its slot, adds ``change`` in place (a stage), publishes its cell."""

    def step(world: dict[str, Any], me: dict[str, Any]) -> None:
        if me["at"] == "wait":
            if behind(world[watch], me["next"]) > 0:
                me["at"] = "read"
        elif me["at"] == "read":
            me["value"] = world["slots"][me["next"] % capacity]
            me["at"] = "write" if change else "publish"
        elif me["at"] == "write":
            world["slots"][me["next"] % capacity] = me["value"] + change
            me["at"] = "publish"
        elif me["at"] == "publish":
            me["got"] = [*me["got"], me["value"]]
            me["next"] = (me["next"] + 1) % WRAP
            world[own] = me["next"]
            me["at"] = "wait" if len(me["got"]) < count else None

    return step


def ring(start: int, capacity: int, count: int, **mistake: Any) -> int:
    shared = {"cursor": start, "gate0": start, "gate1": start, "slots": [-1] * capacity}
    place = {"at": "wait", "next": start, "got": [], "value": None}
    roles = [
        Role("producer", producer(capacity, count, 2, **mistake), {"at": "room", "next": start, "sent": 0}),
        Role("stage", consumer(capacity, count, "cursor", "gate0", 100), dict(place)),
        Role("egress", consumer(capacity, count, "gate0", "gate1", 0), dict(place)),
    ]

    def check(world: dict[str, Any], places: list[dict[str, Any]]) -> None:
        assert places[1]["got"] == list(range(count))
        assert places[2]["got"] == [number + 100 for number in range(count)]

    return explore(shared, roles, check)


@pytest.mark.parametrize("capacity", [1, 2, 3, 4])
@pytest.mark.parametrize("start", [0, WRAP - 2])
def test_every_schedule_of_a_producer_a_stage_and_an_egress_is_right(start: int, capacity: int) -> None:
    assert ring(start, capacity, 5) > 50


@pytest.mark.parametrize("mistake", [{"early": True}, {"ignore": 1}], ids=str)
def test_the_model_catches_the_classic_mistakes(mistake: dict[str, Any]) -> None:
    with pytest.raises((AssertionError, TypeError)):
        ring(0, 2, 5, **mistake)


# -- many producers: claim by compare-and-swap, publish by the slot's marker; one of them dies after claiming


def claimant(
    capacity: int, count: int, number: int, *, dies: str = "", unnamed: bool = False
) -> Callable[..., None]:
    """As kernel/core.c: name the slot, then take it, then fill it, then mark it. ``unnamed`` forgets the
    first.
    """

    def step(world: dict[str, Any], me: dict[str, Any]) -> None:
        if me["at"] == "tail":
            me["tail"] = world["tail"]
            me["at"] = "room"
        elif me["at"] == "room":
            if me["tail"] - world["head"] < capacity:
                me["at"] = "swap" if unnamed else "name"
            else:
                me["at"] = "tail"
        elif me["at"] == "name":
            world[f"claimed{number}"] = me["tail"]
            me["at"] = "swap"
            if dies == "named" and me["sent"] == count - 1:
                me["at"], world[f"alive{number}"] = None, False
        elif me["at"] == "swap":
            if world["tail"] == me["tail"]:
                world["tail"] += 1
                me["at"] = None if dies == "taken" and me["sent"] == count - 1 else "fill"
                if me["at"] is None:
                    world[f"alive{number}"] = False
            else:
                me["at"] = "tail"
        elif me["at"] == "fill":
            world["slots"][me["tail"] % capacity] = (number, me["sent"])
            me["at"] = "mark"
        elif me["at"] == "mark":
            world["marks"][me["tail"] % capacity] = me["tail"] + 1
            me["at"] = "unname"
        elif me["at"] == "unname":
            world[f"claimed{number}"] = None
            me["sent"] += 1
            me["at"] = "tail" if me["sent"] < count else None

    return step


def rescuer(capacity: int, total: int) -> Callable[..., None]:
    """Takes marked slots in order; an unmarked one that a dead peer named and no living one does is
    skipped.
    """

    def step(world: dict[str, Any], me: dict[str, Any]) -> None:
        head = me["next"]
        if me["at"] == "look":
            if world["marks"][head % capacity] == head + 1:
                me["at"] = "take"
            elif head < world["tail"] and any(not world[f"alive{i}"] for i in (0, 1)):
                me["at"], me["dead"], me["living"] = "ask0", False, False
        elif me["at"] in ("ask0", "ask1"):
            i = int(me["at"][3])
            if world[f"claimed{i}"] == head:
                me["living" if world[f"alive{i}"] else "dead"] = True
            me["at"] = "ask1" if i == 0 else "decide"
        elif me["at"] == "decide":
            if me["dead"] and not me["living"] and world["marks"][head % capacity] != head + 1:
                me["skipped"] += 1
                me["at"] = "release"
            else:
                me["at"] = "look"
            me["dead"] = me["living"] = False
        elif me["at"] == "take":
            me["got"] = [*me["got"], world["slots"][head % capacity]]
            me["at"] = "release"
        elif me["at"] == "release":
            me["next"] += 1
            world["head"] = me["next"]
            me["at"] = "look" if me["next"] < total else None

    return step


def mpsc(capacity: int, counts: tuple[int, int], dies: str, *, unnamed: bool = False) -> int:
    """Producer 1 dies with its last message: when it has ``named`` a slot, or when it has ``taken`` it."""
    skipped = int(dies == "taken")
    total = sum(counts) - 1 + skipped
    shared: dict[str, Any] = {"tail": 0, "head": 0, "slots": [None] * capacity, "marks": [0] * capacity}
    shared |= {"claimed0": None, "claimed1": None, "alive0": True, "alive1": True}
    place = {"at": "tail", "tail": 0, "sent": 0}
    roles = [
        Role("living", claimant(capacity, counts[0], 0, unnamed=unnamed), dict(place)),
        Role("dying", claimant(capacity, counts[1], 1, dies=dies), dict(place)),
        Role("consumer", rescuer(capacity, total), {
            "at": "look", "next": 0, "got": [], "skipped": 0, "dead": False, "living": False,
        }),
    ]  # fmt: skip

    def check(world: dict[str, Any], places: list[dict[str, Any]]) -> None:
        got = places[2]["got"]
        assert [n for who, n in got if who == 0] == list(range(counts[0]))
        assert [n for who, n in got if who == 1] == list(range(counts[1] - 1))
        assert places[2]["skipped"] == skipped

    return explore(shared, roles, check)


@pytest.mark.parametrize("dies", ["named", "taken"])
@pytest.mark.parametrize("counts", [(1, 1), (2, 1), (2, 2)])
@pytest.mark.parametrize("capacity", [1, 2])
def test_a_dead_claimants_slot_is_skipped_and_nothing_of_the_living_is_lost(
    capacity: int, counts: tuple[int, int], dies: str
) -> None:
    assert mpsc(capacity, counts, dies) > 50


def test_a_claimant_that_does_not_name_its_slot_first_would_lose_messages() -> None:
    with pytest.raises(AssertionError):
        mpsc(2, (1, 1), "named", unnamed=True)


# -- parking: flag, barrier, look again, sleep; publish, look at the flag


def test_no_schedule_of_parking_and_waking_sleeps_for_ever() -> None:
    assert parking() > 20
    with pytest.raises(AssertionError, match="everybody waits"):
        parking(look_again=False)
    with pytest.raises(AssertionError, match="everybody waits"):
        parking(barrier=False)


def parking(*, look_again: bool = True, barrier: bool = True) -> int:
    """The publisher's store leaves its core some time after the publisher has gone on to look at the flag.

    The first nap has no barrier and therefore ends by itself; the second has one, and need not.
    """

    def leave(world: dict[str, Any]) -> None:
        if world["buffered"]:
            world["buffered"], world["cursor"] = 0, 1

    def sleeper(world: dict[str, Any], me: dict[str, Any]) -> None:
        if me["at"] == "look":
            me["at"] = None if world["cursor"] else "flag"
        elif me["at"] == "flag":
            me["seen"] = world["wake"]
            world["parked"] = 1
            me["at"] = "barrier" if me["naps"] and barrier else "again" if look_again else "sleep"
        elif me["at"] == "barrier":
            leave(world)
            me["at"] = "again" if look_again else "sleep"
        elif me["at"] == "again":
            me["at"] = None if world["cursor"] else "sleep"
        elif me["at"] == "sleep" and (world["wake"] != me["seen"] or not me["naps"]):
            me["at"], me["naps"] = "look", 1

    def waker(world: dict[str, Any], me: dict[str, Any]) -> None:
        if me["at"] == "publish":
            world["buffered"] = 1
            me["at"] = "flag"
        elif me["at"] == "flag":
            me["at"] = "clear" if world["parked"] else None
        elif me["at"] == "clear":
            leave(world)  # the wake is an atomic addition: everything before it is visible
            world["parked"] = 0
            me["at"] = "bump"
        elif me["at"] == "bump":
            world["wake"] += 1
            me["at"] = None

    def core(world: dict[str, Any], me: dict[str, Any]) -> None:
        if world["buffered"] or world["cursor"]:
            leave(world)
            me["at"] = None

    shared = {"buffered": 0, "cursor": 0, "parked": 0, "wake": 0}
    roles = [
        Role("sleeper", sleeper, {"at": "look", "seen": 0, "naps": 0}),
        Role("waker", waker, {"at": "publish"}),
        Role("core", core, {"at": "store"}),
    ]
    return explore(shared, roles, lambda world, places: None)
