"""The time cursor over hours: this morning beside now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual.pilot import Pilot

from byteor_tui.app import ConsoleApp
from byteor_tui.model.link import Place
from byteor_tui.model.run import Run
from byteor_tui.model.tape import Tape
from byteor_tui.screens.timeline_lines import WINDOW_NS, window
from tests.tui.test_keys import play
from tests.tui.waiting import shown, until

SECOND = 1_000_000_000


@pytest.fixture
def app(private: Path, run: Run, sample: Any, played: Any) -> ConsoleApp:
    return ConsoleApp(run, opener=lambda _: played(lambda at_s: sample(at_s)))


def test_a_moment_of_hours_ago_is_shown_stepped_over_and_pinned(app: ConsoleApp) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        assert app.reader is not None
        frame = app.reader.latest
        assert frame is not None
        tape, now = Tape(), frame.taken_unix_ns
        for ago in (*range(7200, 900, -60), *range(900, 0, -1)):
            tape.add(msgspec.structs.replace(frame, taken_unix_ns=now - ago * SECOND, messages_in=ago))
        app.reader.tape = tape
        await until(pilot, lambda: app.view().span is not None)
        await pilot.press("t", *"1h", "enter")
        await until(pilot, lambda: app.cursor_ns)
        ago = round((now - app.cursor_ns) / SECOND)
        at = now - ago * SECOND
        assert ago % 60 == 0 and 3500 < ago < 3700, "the cursor says the time of a frame that is there"
        shown_frame = app.view().frame
        assert shown_frame is not None and shown_frame.messages_in == ago
        start, end = window(app.view())
        assert start < at < end and end - start == WINDOW_NS
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: app.cursor_ns == at - 60 * SECOND)
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: app.cursor_ns == at)
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: app.cursor_ns == at + 60 * SECOND)
        await pilot.press("b", "L")
        await shown(pilot, "LIVE")
        assert app.cursor_ns == 0
        assert app.pinned is not None and app.pinned.taken_unix_ns == at + 60 * SECOND

    play(app, story, (120, 40))


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (Place("stages", item="nobody"), "no nobody here now"),
        (Place("overview", at_unix_ns=123), "the tape begins at"),
        (Place("overview", at_unix_ns=2**62), "that moment has not come"),
    ],
)
def test_a_link_to_what_is_not_there_says_so(
    private: Path, run: Run, sample: Any, played: Any, place: Place, said: str
) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        await shown(pilot, said)
        span = app.view().span
        assert span is not None and (app.cursor_ns == 0 or span[0] <= app.cursor_ns <= span[1])

    app = ConsoleApp(run, opener=lambda _: played(lambda at_s: sample(at_s)), place=place)
    play(app, story)


def test_a_link_to_what_is_there_says_nothing(private: Path, run: Run, sample: Any, played: Any) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app._pointed is None)
        assert app.here.item == "detect"
        assert not any(entry.ok is False for entry in app.log_pane.entries)

    place = Place("stages", item="detect")
    play(ConsoleApp(run, opener=lambda _: played(lambda at_s: sample(at_s)), place=place), story)
