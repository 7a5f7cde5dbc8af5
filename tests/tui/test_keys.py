"""Keys pressed in the app: identity of the cursor, freeze, sort, snapshot, leaving."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual.pilot import Pilot

from byteor.errors import ByteorError
from byteor.runtime.sample import RunSample
from byteor_tui.actions import commands, verbs
from byteor_tui.app import ConsoleApp
from byteor_tui.model.run import Run
from byteor_tui.screens.runs import RunsScreen
from byteor_tui.screens.sheet import SheetScreen
from byteor_tui.shot import screen_text
from byteor_tui.widgets.live_table import LiveTable
from tests.tui.waiting import resized, shown, until

Story = Callable[[ConsoleApp, Pilot[None]], Awaitable[None]]


def play(app: ConsoleApp, story: Story, size: tuple[int, int] = (80, 24)) -> None:
    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: app.view().frame is not None or app.reader is None)
            app.paint()
            await pilot.pause()
            await story(app, pilot)

    asyncio.run(run())


@pytest.fixture
def app(private: Path, run: Run, sample: Any, played: Any) -> ConsoleApp:
    return ConsoleApp(run, opener=lambda _: played(lambda at_s: sample(at_s)))


def table(app: ConsoleApp) -> LiveTable:
    return app.screen.query_one(LiveTable)


def test_the_cursor_follows_the_stage_when_rows_change_places(app: ConsoleApp) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        await pilot.press("j", "j")
        assert table(app).cursor_key == "detect"
        before = table(app).keys.index("detect")
        await pilot.press("full_stop")  # by name
        assert table(app).keys == tuple(sorted(table(app).keys))
        assert table(app).cursor_key == "detect"
        assert table(app).keys.index("detect") == before or "detect" in table(app).keys
        await pilot.press("comma")
        assert table(app).keys == tuple(sorted(table(app).keys, reverse=True))
        assert table(app).cursor_key == "detect"

    play(app, story)


def test_the_cursor_stops_at_both_ends(app: ConsoleApp) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        await pilot.press("k", "k")
        assert table(app).cursor_key == "host"
        await pilot.press("G", "j", "j")
        assert table(app).cursor_key == "out"
        await pilot.press("home")
        assert table(app).cursor_key == "host"

    play(app, story)


def test_freezing_stops_the_drawing_and_not_the_collection(app: ConsoleApp) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        await pilot.press("space")
        frozen = app.view().frame
        assert "PAUSED" in screen_text(app)
        await until(pilot, lambda: app.reader is not None and app.reader.latest is not frozen)
        assert app.view().frame is frozen
        assert app.pacer.hz == 1
        await pilot.press("space")
        await shown(pilot, "LIVE")
        assert app.view().frame is not frozen

    play(app, story)


def test_help_opens_and_closes_with_the_same_key(app: ConsoleApp) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, SheetScreen))
        text = await shown(pilot, "Write a snapshot of the run")
        assert sum(bool(line.strip()) for line in text.splitlines()) > 18, "it fills the screen"
        await pilot.press("question_mark")
        await until(pilot, lambda: not isinstance(app.screen, SheetScreen))

    play(app, story)


def test_the_list_of_runs_is_one_key_away_and_says_that_it_is_empty(app: ConsoleApp) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        await pilot.press("minus")
        await shown(pilot, "no runs yet")
        assert isinstance(app.screen, RunsScreen)

    play(app, story)


def test_a_screen_that_is_called_while_it_is_there_is_no_place_to_go_back_to(app: ConsoleApp) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        for key, screen in (("2", "stages"), ("2", "stages"), ("8", "doctor"), ("8", "doctor")):
            await pilot.press(key)
            await until(pilot, lambda screen=screen: app.here.screen == screen)
        for screen in ("stages", "overview", "runs"):
            await pilot.press("minus")
            await until(pilot, lambda screen=screen: app.here.screen == screen)

    play(app, story)


def test_without_a_run_the_console_waits_visibly_at_any_size(private: Path) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        for size in ((80, 24), (20, 5), (10, 3), (200, 60)):
            await resized(pilot, size)
            if size[0] >= 20:
                await shown(pilot, "0 live")
        assert app.check_action("act", ("snapshot",)) is False

    play(ConsoleApp(), story)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ByteorError("E_RUN_NOT_FOUND", "no run here"), "no run here"),
        (PermissionError(13, "Permission denied", "/x"), "/x: Permission denied"),
    ],
)
def test_an_ended_run_that_cannot_be_opened_is_said_in_the_log(
    private: Path, run: Run, error: Exception, said: str
) -> None:
    def opener(run: Run) -> Any:
        raise error

    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        await shown(pilot, said)

    play(ConsoleApp(msgspec.structs.replace(run, alive=False), opener=opener), story)


def test_a_run_that_has_only_begun_is_opened_when_everything_is_there(
    private: Path, run: Run, sample: Any, played: Any
) -> None:
    tries = 0

    def opener(run: Run) -> Any:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise ByteorError("E_REGION_MISSING", "no region yet")
        return played(lambda at_s: sample(at_s))

    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        await shown(pilot, "LIVE")
        assert tries == 4

    play(ConsoleApp(run, opener=opener), story)


def test_a_snapshot_shows_its_command_line_where_the_file_is_and_the_audit_number(
    app: ConsoleApp, private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []

    def run_verb(argv: tuple[str, ...]) -> verbs.VerbResult:
        asked.append(argv)
        return verbs.VerbResult(argv, 0, {"path": "/somewhere/x.snapshot.json", "audit_seq": 12})

    monkeypatch.setattr("byteor_tui.working.run_verb", run_verb)

    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        assert app.check_action("act", ("copy",)) is None  # grey: there is nothing to copy yet
        await pilot.press("s")
        text = await shown(pilot, "ok  audit #12")
        assert "$ byteor snapshot host-telemetry-" in text and "-> /somewhere/x.snapshot.json" in text
        await pilot.press("y")
        assert app.clipboard == verbs.command_line(asked[0])
        assert app.clipboard.startswith("byteor snapshot host-telemetry-20260101T000000-abcd --out=")

    play(app, story)


def test_a_snapshot_that_fails_says_why(app: ConsoleApp, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_verb(argv: tuple[str, ...]) -> verbs.VerbResult:
        return verbs.VerbResult(argv, 69, {"code": "E_OS", "message": "No space left", "hint": "make room"})

    monkeypatch.setattr("byteor_tui.working.run_verb", run_verb)

    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        await pilot.press("s")
        await shown(pilot, "FAILED", "No space left; make room")

    play(app, story)


def test_q_leaves_and_asks_only_while_an_act_runs(app: ConsoleApp, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    held = threading.Event()

    def run_verb(argv: tuple[str, ...]) -> verbs.VerbResult:
        held.wait(5)
        return verbs.VerbResult(argv, 0, {})

    monkeypatch.setattr("byteor_tui.working.run_verb", run_verb)

    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        await pilot.press("s")
        await pilot.press("q")
        assert app.is_running and "still running" in screen_text(app)
        await pilot.press("q")
        held.set()
        await until(pilot, lambda: app._exit)

    play(app, story)


def test_ctrl_c_twice_leaves(app: ConsoleApp) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        await pilot.press("ctrl+c")
        assert not app._exit
        await pilot.press("ctrl+c")
        assert app._exit

    play(app, story)


def test_two_snapshots_never_share_a_file_name() -> None:
    one = commands.snapshot("r", 1_760_000_000_000_000_000, Path("/s"))
    two = commands.snapshot("r", 1_760_000_000_001_000_000, Path("/s"))
    assert one == ("snapshot", "r", "--out=/s/r.20251009T085320.000Z.snapshot.json")
    assert one != two


def test_a_click_on_the_footer_is_the_key(app: ConsoleApp) -> None:
    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        footer = app.screen.query_one("FooterBar")
        offset = footer.text.index("pause")  # type: ignore[attr-defined]
        await pilot.click("FooterBar", offset=(offset, 0))
        await shown(pilot, "PAUSED")

    play(app, story)


def test_an_alert_is_painted_although_the_sample_came_between_two_ticks(
    private: Path, run: Run, sample: Any, played: Any
) -> None:
    def failing(at_s: float) -> RunSample:
        made: RunSample = sample(at_s)
        if at_s < 0.5:
            return made
        return msgspec.structs.replace(made, first_failure="stage parse at sequence 9: boom")

    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        await shown(pilot, "parse         at sequence 9: boom")

    play(ConsoleApp(run, opener=lambda _: played(failing)), story)


def test_a_run_with_a_failed_stage_opens_with_the_cursor_on_it(
    private: Path, run: Run, sample: Any, played: Any
) -> None:
    def failed(at_s: float) -> RunSample:
        made: RunSample = sample(at_s)
        workers = list(made.workers)
        workers[3] = msgspec.structs.replace(workers[3], state="failed", last_error="boom")
        return msgspec.structs.replace(made, workers=tuple(workers))

    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        assert table(app).cursor_key == "annotate"
        await pilot.press("k")
        assert table(app).cursor_key == "detect"

    play(ConsoleApp(run, opener=lambda _: played(failed)), story)
