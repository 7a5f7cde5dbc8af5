"""Group commit: one transaction for all who wait, each with its own answer or its own error."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from byteor_store import AuditLog, Event, StoreError, verify
from byteor_store.group_commit import GroupCommit, _Ticket

EVENT = Event(action="act", actor="user:op", body={"n": 1})


def at_once(log: AuditLog, calls: Sequence[Callable[[], object]]) -> list[object]:
    """Run ``calls`` so that all of them wait while the first to come is held up."""

    def outcome(call: Callable[[], object]) -> object:
        try:
            return call()
        except StoreError as error:
            return error.code

    with ThreadPoolExecutor(len(calls)) as pool:
        log._appends._led = True  # as if somebody were committing
        futures = [pool.submit(outcome, call) for call in calls]
        wait_for(log._appends, len(calls))
        log._appends._hand_over()
        return [future.result() for future in futures]


def wait_for(group: GroupCommit[Any, Any], count: int) -> None:
    deadline = time.monotonic() + 20
    while len(group._waiting) < count and time.monotonic() < deadline:
        time.sleep(0.001)


def commits(log: AuditLog) -> list[str]:
    seen: list[str] = []
    log._connection.exec_trace = lambda cursor, sql, bindings: (sql == "COMMIT" and seen.append(sql)) or True
    return seen


def test_threads_that_wait_share_one_transaction(log: AuditLog, path: Path) -> None:
    seen = commits(log)
    calls = [lambda: log.append(EVENT), lambda: log.append_many([EVENT] * 3)] * 4
    results = at_once(log, calls)
    assert len(seen) == 1
    seqs = [seq for result in results for seq in (result if isinstance(result, list) else [result])]
    assert sorted(seqs) == list(range(16))
    assert all(
        result == list(range(result[0], result[0] + 3)) for result in results if isinstance(result, list)
    )
    assert verify(path).ok


def test_nobody_pays_for_anothers_mistake(log: AuditLog) -> None:
    poison = Event(action="act", actor="\ud800")
    results = at_once(log, [lambda: log.append(EVENT), lambda: log.append(poison), lambda: log.append(EVENT)])
    assert results[1] == "E_AUDIT_BODY"
    assert sorted([results[0], results[2]]) == [0, 1]
    assert log.size() == 2


def test_sixty_four_producers_give_one_tree(log: AuditLog, path: Path) -> None:
    with ThreadPoolExecutor(64) as pool:
        seqs = list(pool.map(lambda _: log.append(EVENT), range(640)))
    assert sorted(seqs) == list(range(640))
    assert (verify(path).problem, log.size()) == (None, 640)


def test_an_interrupted_leader_leaves_nobody_waiting_for_ever() -> None:
    done: list[int] = []
    interrupts = iter([KeyboardInterrupt()])

    def commit(asks: Sequence[int]) -> Sequence[int]:
        for interrupt in interrupts:
            raise interrupt
        done.extend(asks)
        return asks

    group: GroupCommit[int, int] = GroupCommit(commit)
    group._led = True
    outcomes: list[object] = []

    def call(number: int) -> None:
        try:
            outcomes.append(group.do(number))
        except KeyboardInterrupt:
            outcomes.append("interrupted")

    threads = [threading.Thread(target=call, args=(number,), daemon=True) for number in range(4)]
    for thread in threads:
        thread.start()
    wait_for(group, 4)
    group._hand_over()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert outcomes.count("interrupted") == 1
    assert sorted(outcome for outcome in outcomes if isinstance(outcome, int)) == sorted(done)
    assert len(done) == 3


@pytest.mark.parametrize("leads", [True, False])
def test_who_is_interrupted_while_waiting_is_in_nobodys_way(leads: bool) -> None:
    group: GroupCommit[int, int] = GroupCommit(lambda asks: asks)
    group._led = True
    given_up: _Ticket[int, int] = _Ticket(0)
    group._waiting.append(given_up)
    with ThreadPoolExecutor(2) as pool:
        future = pool.submit(group.do, 1)
        wait_for(group, 2)
        if leads:
            group._hand_over()
        group._leave(given_up)
        if not leads:
            group._hand_over()
        assert future.result(10) == 1
    assert not group._led
    assert group.do(2) == 2


@pytest.mark.campaign
def test_group_commit_speed_is_told(log: AuditLog) -> None:
    """Prints rows a second at 64 producers (the design asks for 15,000): pytest -s -m campaign -k told."""
    started = time.perf_counter()
    with ThreadPoolExecutor(64) as pool:
        list(pool.map(lambda _: [log.append(EVENT) for _ in range(300)], range(64)))
    print(f"{64 * 300 / (time.perf_counter() - started):,.0f} rows/s at 64 producers")
    assert log.size() == 64 * 300
