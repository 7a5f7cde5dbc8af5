"""Stages kept in sight (`P`): side by side as far as they stay readable, and where the eye left them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual.pilot import Pilot

from byteor_tui.app import ConsoleApp
from byteor_tui.model.run import Run
from byteor_tui.screens.pair import PairScreen
from byteor_tui.shot import screen_text
from tests.tui.conftest import NAMES
from tests.tui.waiting import shown, until
from tests.tui.world import still_app

TITLES = " messages/s, "


@pytest.fixture
def app(private: Path, sample: Any, monkeypatch: pytest.MonkeyPatch) -> ConsoleApp:
    def slow(second: float, **given: Any) -> Any:
        made = sample(second, **given)
        buckets = tuple(1_000_000 if 14 <= bits < 26 else 0 for bits in range(64))
        workers = (msgspec.structs.replace(one, histogram=buckets) for one in made.workers)
        return msgspec.structs.replace(made, workers=tuple(workers))

    return still_app(monkeypatch, private, slow)


def look(app: ConsoleApp, size: tuple[int, int], kept: Sequence[str], *cursors: str) -> list[list[str]]:
    """The screen's lines with the cursor on each of ``cursors``, once ``kept`` are."""
    seen: list[list[str]] = []

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            app.pacer.stop()
            for name in kept:
                await go(app, pilot, name)
                await pilot.press("P")
            for name in cursors:
                await go(app, pilot, name)
                seen.append(screen_text(app).splitlines())

    asyncio.run(run())
    return seen


async def go(app: ConsoleApp, pilot: Pilot[None], name: str) -> None:
    def there() -> bool:
        app.paint()
        return isinstance(app.screen, PairScreen) and app.screen.ready and app.screen.item == name

    app.go("stages", name)
    await until(pilot, there)
    for _ in range(3):  # a list that gets narrower tells the panels beside it
        await pilot.pause()
        app.paint()


def heads(lines: list[str]) -> list[str]:
    """The stages that stand in the first line of details, from the left, with the cursor's sign."""
    told = lines[2][lines[1].index("  ─ ") :]
    return [part for part in told.split() if part.strip(">") in NAMES]


FOUR = ("out", "detect", "host", "parse")


def test_four_stand_side_by_side_and_stay_in_their_places_while_the_cursor_moves(app: ConsoleApp) -> None:
    on_one, on_other = look(app, (200, 60), FOUR, "detect", "annotate")
    assert heads(on_one) == ["host", "parse", ">detect", "out"]
    assert heads(on_other) == ["host", "parse", "detect", "out"]
    assert "detect, 4 kept in sight" in on_one[1]
    for title in (TITLES, " p99 in ms, ", " latency since the start"):
        (line,) = [line for line in on_one if title in line]
        assert line.count(title) == 4, "the same part of all begins in one line"
    assert any(">annotate" in line[42:] for line in on_other), "the fifth is under them"
    assert all("annotate" not in line[42:] for line in on_one[2:3])


def test_nothing_that_is_told_of_a_stage_is_cut_off_beside_others(app: ConsoleApp) -> None:
    (lines,) = look(app, (200, 60), FOUR, "detect")
    text = "\n".join(lines)
    assert text.count("runs in thread, pid 4242") == 4
    assert text.count("0 behind, ring-0") == 4
    assert (text.count(" 42 %"), text.count(" 8 %")) == (4, 28), "each latency with its share"
    assert "everybody waits for it" in text and "when the ring is full" in text


def test_a_chart_says_how_many_seconds_it_has_room_for(app: ConsoleApp) -> None:
    (beside,) = look(app, (200, 60), FOUR, "detect")
    assert "\n".join(beside).count("messages/s, 25 s") == 4 and "60 s" not in "\n".join(beside)


def test_a_stage_alone_has_room_for_its_minute(app: ConsoleApp) -> None:
    (alone,) = look(app, (200, 60), (), "detect")
    assert "messages/s, 60 s" in "\n".join(alone)


def test_two_leave_the_list_of_a_wide_screen_narrow_and_go_on_to_the_next_line_elsewhere(
    app: ConsoleApp,
) -> None:
    (wide,) = look(app, (160, 50), ("host", "out"), "detect")
    assert heads(wide) == ["host", "out", ">detect"]
    assert wide[1].index("  ─ ") == 40


def test_where_not_all_fit_beside_each_other_the_one_under_the_cursor_is_first(app: ConsoleApp) -> None:
    kept, other = look(app, (160, 50), FOUR, "out", "annotate")
    assert heads(kept) == [">out", "host", "parse"] and heads(other) == [">annotate", "host", "parse"]


def test_in_forty_cells_they_stand_under_each_other(app: ConsoleApp) -> None:
    async def story() -> str:
        async with app.run_test(size=(40, 60)) as pilot:
            app.pacer.stop()
            for name in ("out", "detect"):
                await go(app, pilot, name)
                await pilot.press("P")
            await pilot.press("enter")
            app.paint()
            return await shown(pilot, "out  run")

    lines = asyncio.run(story()).splitlines()
    assert not any(line.count(TITLES) > 1 for line in lines)


def test_a_fifth_takes_the_place_of_the_oldest_and_again_lets_go(app: ConsoleApp) -> None:
    (lines,) = look(app, (200, 60), (*FOUR, "annotate"), "annotate")
    assert heads(lines) == ["host", "parse", "detect", ">annotate"], "out was the first"


def test_the_same_key_lets_go(app: ConsoleApp) -> None:
    (lines,) = look(app, (200, 60), ("host", "parse", "host"), "annotate")
    assert heads(lines) == ["parse", ">annotate"]


def test_a_name_that_is_longer_than_its_column_goes_on_below(private: Path, run: Run, sample: Any) -> None:
    from byteor_tui.model.history import History
    from byteor_tui.screens.overview_lines import detail_figures
    from byteor_tui.tones import span_width

    row = History().fold(sample(1.0)).rows[1]
    key = "a_package_with.a_long_name:and_a_function_of_it"
    lines = detail_figures(msgspec.structs.replace(row, key=key), 38)
    text = "".join(part.strip() for line in lines for part, _ in line)
    assert key in text and max(map(span_width, lines)) <= 41  # blanks behind the last value do not count
