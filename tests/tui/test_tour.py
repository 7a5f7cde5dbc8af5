"""The whole way of an incident on the real demo: from the alert to two signatures and the execution."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual.pilot import Pilot

from byteor_tui import demo
from byteor_tui.app import ConsoleApp
from byteor_tui.demo_people import PASSPHRASE
from byteor_tui.model.session import Session
from byteor_tui.screens.armed import ArmedScreen
from byteor_tui.tour import STEPS, Tour
from tests.tui.waiting import shown, until

pytestmark = pytest.mark.campaign
MOST_KEYS = 8


async def arm(app: ConsoleApp, pilot: Pilot[None], key: str) -> str:
    """Press a key that commits and type its code; the dialog's text."""
    await pilot.press(key)
    await until(pilot, lambda: isinstance(app.screen, ArmedScreen))
    assert isinstance(app.screen, ArmedScreen)
    code = app.screen.armed.code
    text = await shown(pilot, code)
    await pilot.press(*code, "enter")
    return text


async def sign(app: ConsoleApp, pilot: Pilot[None], so_far: int) -> None:
    for _ in range(20):
        if not app.situation().unseen:
            break
        await pilot.press("n")
        await pilot.pause(0.1)
    await arm(app, pilot, "A")
    await pilot.press(*PASSPHRASE, "enter")
    await until(pilot, lambda: len(app.collector.latest.approvals.rows[0].approved_by) > so_far)


def test_from_the_alert_to_a_request_in_at_most_eight_keys_then_signed_by_two_and_executed(
    private: Path,
) -> None:
    async def story(found: demo.Demo) -> None:
        app = ConsoleApp(found.run, session=demo.session_in(found, Session()))
        app.tour = Tour()
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: app.view().frame is not None and app.view().specs.a is not None)
            await pilot.pause(3)
            found.fault.write_bytes(b"")
            await until(pilot, lambda: app.situation().alerts)
            await until(pilot, lambda: app.view().frame is not None and app.view().frame.ended)  # type: ignore[union-attr]
            found.fault.unlink()
            keys = ["exclamation_mark", "s", "i", "r", "enter"]
            for key in keys:
                await pilot.press(key)
                await until(pilot, lambda: not app.log_pane.running)
            await until(pilot, lambda: app.situation().certificate)
            await pilot.press("x", *"resend", "enter")
            assert len(keys) + 2 <= MOST_KEYS, "the reason's letters are not counted"
            await until(pilot, lambda: app.view().open_requests == 1 and app.here.screen == "approvals")
            await until(pilot, lambda: app.view().specs.asked is not None)
            await pilot.pause(0.3)
            await sign(app, pilot, 0)
            await pilot.press("I")
            await sign(app, pilot, 1)
            await until(pilot, lambda: app.collector.latest.approvals.rows[0].state == "approved")
            await pilot.press("6")
            await until(pilot, lambda: app.situation().approved_request and app.situation().certificate)
            assert "EXECUTE" in await arm(app, pilot, "X")
            await until(pilot, lambda: any(one.mode == "execute" for one in app.collector.latest.replays))
            assert app.tour.line(app).startswith("tour: done"), STEPS

    with demo.demo() as found:
        asyncio.run(story(found))
        root = found.root
    assert not root.exists()
