"""An approval is used as often as it says, however many processes try at once."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from byteor_store import AuditLog, Event, verify
from byteor_store.migrations import migrate

APPROVAL = "11111111-2222-4333-8444-555555555555"


def use(run: str, approval: str = APPROVAL) -> Event:
    return Event(action="approval_used", actor="user:op", approval_id=approval, run_id=run)


def started(run: str) -> Event:
    return Event(action="run_started", actor="user:op", run_id=run)


def test_the_use_and_what_follows_are_written_together_or_not_at_all(path: Path) -> None:
    with AuditLog.open(path) as log:
        assert log.append_use(use("r1"), [started("r1")], max_uses=1) == [0, 1]
        assert log.append_use(use("r2"), [started("r2")], max_uses=1) is None
        assert (log.size(), log.uses(APPROVAL)) == (2, 1)
        assert log.append_use(use("r2"), [], max_uses=2) == [2]
    assert verify(path).ok


def test_a_restart_of_the_same_run_is_no_new_use(path: Path) -> None:
    with AuditLog.open(path) as log:
        log.append_use(use("r1"), [started("r1")], max_uses=1)
        assert log.append_use(use("r1"), [started("r1")], max_uses=1) == [2]
        assert log.uses(APPROVAL) == 1


def test_another_approval_and_another_action_are_not_counted(path: Path) -> None:
    other = APPROVAL.replace("1", "9")
    with AuditLog.open(path) as log:
        log.append(Event(action="approval_granted", actor="user:op", approval_id=APPROVAL))
        log.append_use(use("r1", other), [], max_uses=1)
        assert (log.uses(APPROVAL), log.uses(other)) == (0, 1)


def test_a_log_of_an_older_shape_counts_the_same(path: Path) -> None:
    with AuditLog.open(path) as log:
        log.append_use(use("r1"), [], max_uses=1)
        log._connection.execute(
            "DROP INDEX entries_of_incidents; DROP INDEX entries_by_approval;"
            "ALTER TABLE entries DROP COLUMN approval_id;"
            "ALTER TABLE entries DROP COLUMN action; DELETE FROM migrations WHERE version > 2"
        )
        assert log.uses(APPROVAL) == 1
        migrate(log._connection, path)
        assert log.uses(APPROVAL) == 1


def test_a_use_names_its_approval_and_its_run(path: Path) -> None:
    with AuditLog.open(path) as log, pytest.raises(ValueError, match="names"):
        log.append_use(started("r1"), [], max_uses=1)


def races(path: Path, rounds: int, first: int = 0) -> list[int]:
    """How many of 8 processes won each round; ``max_uses`` is 1 + round % 3."""
    AuditLog.open(path).close()
    context = multiprocessing.get_context("fork")
    gate, counts = context.Barrier(8), context.Array("i", rounds)

    def racer(number: int) -> None:
        with AuditLog.open(path) as log:
            for at in range(rounds):
                approval = f"{first + at:08x}-2222-4333-8444-555555555555"
                gate.wait(60)
                won = log.append_use(use(f"r{number}", approval), [], max_uses=1 + at % 3)
                with counts.get_lock():
                    counts[at] += won is not None
        os._exit(0)

    racers = [context.Process(target=racer, args=(number,)) for number in range(8)]
    for process in racers:
        process.start()
    for process in racers:
        process.join()
    assert [process.exitcode for process in racers] == [0] * 8
    return list(counts)


def test_of_eight_processes_exactly_as_many_succeed_as_may(path: Path) -> None:
    assert races(path, 6) == [1, 2, 3, 1, 2, 3]


@pytest.mark.campaign
def test_a_thousand_races_are_won_by_exactly_as_many_as_may(path: Path) -> None:
    """.venv/bin/pytest -m campaign tests/store/test_uses.py"""
    assert races(path, 1000) == [1 + at % 3 for at in range(1000)]
    assert verify(path).ok
