"""Keys of one burst, as a slow link or an impatient hand gives them: all there before the first has acted."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot

from byteor_tui.app import ConsoleApp
from byteor_tui.model.arming import Armed, Commit, Target
from byteor_tui.model.run import Run
from byteor_tui.screens.armed import ArmedScreen
from byteor_tui.screens.sheet import SheetScreen
from tests.tui.test_keys import play
from tests.tui.waiting import shown, until

NAMES = {" ": "space", "?": "question_mark", ":": "colon", "~": "escape", "^": "enter"}
UNPRINTED = {"escape", "enter"}


@pytest.fixture
def app(private: Path, run: Run, sample: Any, played: Any) -> ConsoleApp:
    return ConsoleApp(run, opener=lambda _: played(lambda at_s: sample(at_s)))


def burst(target: Any, keys: str) -> None:
    """All at once, without waiting for what any of them does. ``~`` is escape, ``^`` enter."""
    for key in keys:
        name = NAMES.get(key, key)
        target.post_message(events.Key(name, None if name in UNPRINTED else key))


@pytest.mark.parametrize(
    ("keys", "screen"),
    [
        ("ga2", "stages"),
        ("gagi", "incidents"),
        ("g~~2", "stages"),
        ("gxgr", "replay"),
        ("?~~3", "approvals"),
        ("??2", "stages"),
        (":~~7", "audit"),
        (":^^4", "diff"),
    ],
)
def test_keys_behind_the_one_that_closes_mean_the_place_that_follows(
    app: ConsoleApp, keys: str, screen: str
) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        burst(app, keys)
        await until(pilot, lambda: app.here.screen == screen and len(app.screen_stack) == 1)
        assert app.failure is None

    play(app, story)


def test_help_opens_out_of_a_burst(app: ConsoleApp) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        burst(app, "gaz2gi?")
        await until(pilot, lambda: isinstance(app.screen, SheetScreen) and app.current_mode == "incidents")

    play(app, story)


@pytest.mark.parametrize("closing", ["~~", "~2", "~K7QD^", "K7QD^K7QD^"])
def test_an_armed_dialog_is_answered_once_and_what_follows_is_no_key_of_the_screen(
    app: ConsoleApp, closing: str
) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        given: list[Commit | None] = []
        target = Target("request", "11111111-2222-4333-8444-555555555555", "r1")
        armed = Armed(
            "sign", "SIGN", target, ("approval", "approve", target.id), (), "K7QD", time.monotonic(), "sign"
        )
        dialog = ArmedScreen(armed, lambda: target, app.glyphs)
        await app.push_screen(dialog, given.append)
        await shown(pilot, "K7QD")
        burst(dialog, closing)
        await until(pilot, lambda: len(app.screen_stack) == 1 and given)
        assert (len(given), app.here.screen, app.failure) == (1, "overview", None)

    play(app, story)


@pytest.mark.parametrize("keys", ["q", "q2ga?:/", "?~qqq~", "gxqgg"])
def test_whatever_is_typed_behind_the_key_that_leaves_breaks_nothing(app: ConsoleApp, keys: str) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        burst(app, keys)

    play(app, story)
    assert app.failure is None


@pytest.mark.parametrize(
    "keys",
    ["jj", "2jj", "3nG", "7jzp", "8j/x^", "0jk", "4nz", "5j6[]v", "?~w~", "2?jjG~", ":~:down^?~", ":down^?"],
)
def test_keys_for_what_is_not_composed_yet_break_nothing(app: ConsoleApp, keys: str) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        for width in (80, 40, 200):
            burst(app, keys)
            await pilot.resize_terminal(width, 24)
            burst(app, keys)
            await pilot.pause()
        burst(app, "~~~~1 ")
        await until(pilot, lambda: app.here.screen == "overview" and app.frozen)

    play(app, story)
