"""The app at every size: nothing is thrown, what decides is there."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from byteor.runtime.sample import RunSample
from byteor_tui.app import ConsoleApp
from byteor_tui.model.run import Run
from tests.tui.waiting import resized, shown

SIZES = [
    (10, 3),
    (14, 4),
    (20, 5),
    (40, 10),
    (60, 17),
    (79, 23),
    (80, 24),
    (100, 33),
    (120, 40),
    (160, 50),
    (200, 60),
]
MORE = [(11, 60), (250, 3), (250, 80), (59, 18), (99, 34), (30, 24), (10, 3)]


@pytest.fixture
def bad(sample: Any) -> Any:
    """A run with a failed stage and a stale worker."""

    def play(at_s: float) -> RunSample:
        made: RunSample = sample(at_s)
        workers = list(made.workers)
        workers[2] = msgspec.structs.replace(workers[2], state="failed", last_error="ValueError: 7", errors=1)
        workers[3] = msgspec.structs.replace(workers[3], age_ns=4_200_000_000)
        return msgspec.structs.replace(made, workers=tuple(workers))

    return play


def test_every_size_shows_the_state_of_the_run_and_that_somebody_is_needed(
    private: Path, run: Run, bad: Any, played: Any
) -> None:
    async def look() -> None:
        app = ConsoleApp(run, opener=lambda _: played(bad))
        async with app.run_test(size=SIZES[0]) as pilot:
            for size in (*SIZES, *MORE):
                await resized(pilot, size)
                text = await shown(pilot, "LIVE")
                rows = text.splitlines()
                assert "LIVE" in rows[0], (size, text)
                assert "!detect" in text.replace("! ", "!"), (size, text)
                if size[0] >= 20:
                    assert "!1" in rows[0], (size, text)
                if size[0] >= 40 and size[1] >= 10:
                    assert "FAILED" in text and "STALE" in text, (size, text)
                if size[0] >= 72 and size[1] >= 18:
                    for word in (
                        "Needs you",
                        "ValueError: 7",
                        "Rings",
                        "watching",
                        "s snap",
                        "? help",
                        "q quit",
                    ):
                        assert word in text, (word, size, text)
                if size[0] >= 100 and size[1] >= 34:
                    assert "Selected: detect" in text

    asyncio.run(look())


@pytest.mark.parametrize("theme", ["byteor-dark", "byteor-light", "byteor-ansi"])
def test_text_is_the_same_in_every_theme(
    private: Path, run: Run, bad: Any, played: Any, theme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BYTEOR_THEME", theme)

    async def look() -> str:
        app = ConsoleApp(run, opener=lambda _: played(bad))
        async with app.run_test(size=(80, 24)) as pilot:
            assert app.theme == theme
            return await shown(pilot, "FAILED")

    assert "! detect FAILED" in " ".join(asyncio.run(look()).split())


def test_without_colour_there_are_no_colours_and_only_ascii(
    private: Path, run: Run, bad: Any, played: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def look() -> str:
        app = ConsoleApp(run, opener=lambda _: played(bad))
        async with app.run_test(size=(80, 24)) as pilot:
            assert app.theme == "byteor-ansi"
            return await shown(pilot, "FAILED")

    text = asyncio.run(look())
    assert text.isascii()
    assert "FAILED" in text and "STALE" in text and "#" in text


def test_a_thousand_stages_draw_only_what_is_visible(
    private: Path, run: Run, sample: Any, worker: Any, played: Any
) -> None:
    def play(at_s: float) -> RunSample:
        made: RunSample = sample(at_s)
        many = tuple(worker(f"stage-{number}", messages_in=int(at_s * number)) for number in range(1000))
        return msgspec.structs.replace(made, workers=many)

    async def look() -> None:
        app = ConsoleApp(run, opener=lambda _: played(play))
        async with app.run_test(size=(80, 24)) as pilot:
            await shown(pilot, "1000 stages")
            await pilot.press("end")
            await shown(pilot, "stage-999")
            table = app.screen.query_one("LiveTable")
            assert len(table._lines) <= 24

    asyncio.run(look())
