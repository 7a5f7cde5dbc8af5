"""Rows that come, go, move and change under the cursor and under an open dialog, and keys at random: an act
hits the target that its dialog named, or nothing; only the code in the dialog commits.
"""

from __future__ import annotations

import asyncio
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from textual.pilot import Pilot

from byteor_tui.actions.verbs import VerbResult, commits
from byteor_tui.app import ConsoleApp
from byteor_tui.model.arming import Commit
from byteor_tui.model.evidence import Approval
from byteor_tui.screens.armed import ArmedScreen
from tests.tui.world import request, still_app

Op = tuple[str, int]
NUMBERS = st.integers(0, 7)
ROWS = st.tuples(st.sampled_from(["insert", "remove", "shuffle", "revise", "settle"]), NUMBERS)
KEYS = st.tuples(
    st.sampled_from(["down", "up", "sign", "deny", "enter", "escape", "freeze", "execute"]), NUMBERS
)
CODES = st.tuples(st.sampled_from(["code", "code", "wrong code", "half code"]), NUMBERS)
ANYTHING = st.one_of(ROWS, KEYS, CODES).map(lambda op: [op])
ATTEMPT = st.tuples(st.just([("deny", 0)]), st.lists(ROWS, max_size=3), st.just([("code", 0)]))
"""What chance alone hardly ever does: a dialog, rows that move under it, then its code."""
OPS = st.lists(
    st.one_of(ANYTHING, ANYTHING, ATTEMPT.map(lambda parts: [*chain.from_iterable(parts)])), min_size=8
)
PRESSED = {"down": "j", "up": "k", "sign": "A", "deny": "D", "freeze": "F", "execute": "X"}


class World:
    """The requests there are, and what was committed against what the dialog had said."""

    def __init__(self, app: ConsoleApp) -> None:
        self.app = app
        self.rows = {f"{n}": request(n, spec_hash=self.spec_hash) for n in (1, 2, 3)}
        self.revision = 1
        self.committed: list[tuple[str, ...]] = []

    @property
    def spec_hash(self) -> str:
        asked = self.app.collector.specs.asked
        assert asked is not None
        return asked.spec_hash

    def change(self, op: str, n: int) -> None:
        known = list(self.rows)
        name = known[n % len(known)] if known else ""
        if op == "insert":
            self.rows.setdefault(f"{n}", request(n, spec_hash=self.spec_hash))
        elif op == "remove":
            self.rows.pop(name, None)
        elif op == "shuffle":
            ends = 300 + 7 * n
            self.rows = {
                key: msgspec.structs.replace(row, request_ends=row.request_ends + ends * index)
                for index, (key, row) in enumerate(reversed(list(self.rows.items())))
            }
        elif name:
            self.revision += 1
            state = "denied" if op == "settle" else self.rows[name].state
            self.rows[name] = msgspec.structs.replace(
                self.rows[name], revision=f"r{self.revision}", state=state
            )
        latest = self.app.collector.latest
        approvals = msgspec.structs.replace(latest.approvals, rows=tuple(self.rows.values()))
        self.app.collector.latest = msgspec.structs.replace(latest, approvals=approvals)

    def current(self, request_id: str) -> Approval | None:
        return next((row for row in self.rows.values() if row.request_id == request_id), None)

    def run_commit(self, armed: Commit) -> VerbResult:
        argv = armed.take()
        self.committed.append(argv)
        return VerbResult(argv, 0, {})


async def step(world: World, pilot: Pilot[None], op: str, n: int) -> None:
    """One operation; afterwards nothing may have been committed but what the dialog named."""
    app, before = world.app, len(world.committed)
    dialog = app.screen if isinstance(app.screen, ArmedScreen) else None
    if op in {"insert", "remove", "shuffle", "revise", "settle"}:
        world.change(op, n)
        app.paint()
    elif op.endswith("code"):
        if dialog is not None:
            right = dialog.armed.code
            typed = {"code": right, "half code": right[:3], "wrong code": right[::-1] + "2"}[op]
            await pilot.press(*typed[:4] if op != "wrong code" else typed[1:], "enter")
    elif op == "deny" and dialog is None:
        await pilot.press("D")
        if app.front is not None and app.front.prompt.open:
            await pilot.press("n", "o", "enter")
    else:
        await pilot.press(PRESSED.get(op, op))
    await pilot.pause()
    await app.workers.wait_for_complete()
    fresh = world.committed[before:]
    if not fresh:
        return
    assert op == "code" and dialog is not None and len(fresh) == 1, (op, fresh)
    target = dialog.armed.target
    assert fresh[0] == dialog.armed.argv
    if target.kind == "request":
        assert target.id in fresh[0] and target.id[:8] in dialog.armed.title
        now = world.current(target.id)
        assert now is not None and now.revision == target.revision
        assert now.digest in " ".join(fresh[0])


@given(OPS.map(lambda found: [*chain.from_iterable(found)][:40]))
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_comes_goes_and_is_pressed_an_act_hits_what_its_dialog_named_or_nothing(
    private: Path, sample: Any, monkeypatch: pytest.MonkeyPatch, ops: list[Op]
) -> None:
    hammer(still_app(monkeypatch, private, sample), monkeypatch, ops)


@pytest.mark.campaign
@given(OPS.map(lambda found: [*chain.from_iterable(found)][:80]))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_same_for_long(
    private: Path, sample: Any, monkeypatch: pytest.MonkeyPatch, ops: list[Op]
) -> None:
    hammer(still_app(monkeypatch, private, sample), monkeypatch, ops)


def test_the_way_to_a_commit_is_open_when_nothing_moves_and_closed_when_the_row_does(
    private: Path, sample: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    deny = [("deny", 0), ("code", 0)]
    assert len(hammer(still_app(monkeypatch, private, sample), monkeypatch, deny)) == 1
    for between in ("revise", "settle", "remove"):
        ops = [("deny", 0), *((between, n) for n in range(8)), ("code", 0)]
        assert hammer(still_app(monkeypatch, private, sample), monkeypatch, ops) == []
    moved = [("deny", 0), ("insert", 6), ("shuffle", 3), ("insert", 7), ("shuffle", 1), ("code", 0)]
    assert len(hammer(still_app(monkeypatch, private, sample), monkeypatch, moved)) == 1
    for typed in ("enter", "half code", "wrong code"):
        assert hammer(still_app(monkeypatch, private, sample), monkeypatch, [("deny", 0), (typed, 0)]) == []


def hammer(app: ConsoleApp, monkeypatch: pytest.MonkeyPatch, ops: list[Op]) -> list[tuple[str, ...]]:
    """Do ``ops`` on the place of requests; returns what was committed."""
    world = World(app)
    monkeypatch.setattr("byteor_tui.working.run_commit", world.run_commit)
    monkeypatch.setattr("byteor_tui.working.run_verb", lambda argv: refuse(argv))

    async def run() -> None:
        async with app.run_test(size=(120, 40)) as pilot:
            app.pacer.stop()
            world.change("insert", 1)
            app.go("approvals")
            await pilot.pause()
            app.paint()
            for op, n in ops:
                await step(world, pilot, op, n)

    asyncio.run(run())
    return world.committed


def refuse(argv: tuple[str, ...]) -> VerbResult:
    """Verbs that only prepare run without a code; here they say no."""
    assert not commits(argv), argv
    return VerbResult(argv, 1, {"message": "not here"})
