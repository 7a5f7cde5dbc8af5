"""Every place, sheet and dialog at seven sizes in five looks: nothing breaks, what decides is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.color import ColorSystem
from rich.style import Style
from textual.color import Color
from textual.filter import NoColor
from textual.pilot import Pilot
from textual.strip import Strip

from byteor_tui.actions.places import PLACES
from byteor_tui.app import ConsoleApp
from byteor_tui.glyphs import BLOCKS
from byteor_tui.screens.armed import ArmedScreen
from byteor_tui.screens.pair import PairScreen
from byteor_tui.screens.skeleton import Skeleton
from byteor_tui.shot import screen_text
from tests.tui.waiting import resized
from tests.tui.world import still_app

SIZES = ((40, 10), (60, 20), (80, 24), (100, 30), (120, 40), (160, 50), (200, 60))
FEW = ((40, 10), (120, 40))
THEMES = ("byteor-dark", "byteor-light", "byteor-ansi")
DECIDES = {
    "overview": ("!detect", "FAILED", "?annotate", "STALE"),
    "stages": ("!detect", "FAILED", "?annotate", "STALE"),
    "approvals": ("pending", "00000031", "4:12"),
    "diff": ("changed", "stages.detect.key"),
    "incidents": ("open", "detect failed"),
    "replay": ("2 diverged", "INC-20260101-0017", "equal"),
    "audit": ("12:03:10", "approval_signed"),
    "doctor": ("clock", "fail", "shm", "warn"),
    "runs": ("running", "host-telemetry"),
    "help": ("esc closes", "Write a snapshot of the run"),
    "palette": ("esc closes", "deny D", "pause"),
    "go": ("a Approvals", "g first row"),
    "sign": ("SIGN 00000031", "PROD", "Type", "Enter on an empty field does nothing", "Esc cancels"),
    "deny": ("why not", "_"),
}
Seen = dict[tuple[str, tuple[int, int]], list[Strip]]


async def walk(app: ConsoleApp, pilot: Pilot[None]) -> AsyncIterator[str]:
    """Go to every place and open everything that opens over one; says where we are."""

    async def drawn() -> None:
        """As after a tick or two: until what is drawn stays the same."""
        before = ""
        for _ in range(10):
            await pilot.pause()
            await app.workers.wait_for_complete()
            app.paint()
            await pilot.pause()
            if screen_text(app) == before:
                return
            before = screen_text(app)

    for place in PLACES:
        app.go(place.id)
        if isinstance(app.screen, PairScreen):
            app.screen.unzoom()
        await drawn()
        yield place.id
    app.go("approvals")
    await drawn()
    for name, key in (("palette", "colon"), ("go", "g"), ("sign", "A"), ("deny", "D")):
        for _ in range(40 if name == "sign" else 0):
            if not app.situation().unseen:
                break
            await pilot.press("n")
            await drawn()
        await pilot.press(key)
        await drawn()
        yield name
        await pilot.press("escape")
    app.go("overview")
    await drawn()
    await pilot.press("question_mark")
    await drawn()
    yield "help"
    await pilot.press("escape")


def look(app: ConsoleApp, sizes: tuple[tuple[int, int], ...] = SIZES) -> Seen:
    """All there is to see; the code of a dialog, new each time, as K7QD."""
    seen: Seen = {}

    async def run() -> None:
        async with app.run_test(size=sizes[0]) as pilot:
            app.pacer.stop()
            for size in sizes:
                await resized(pilot, size)
                async for name in walk(app, pilot):
                    seen[name, size] = list(app.screen._compositor.render_strips())
                    check(name, size, seen[name, size], app)

    asyncio.run(run())
    return seen


def check(name: str, size: tuple[int, int], strips: list[Strip], app: ConsoleApp) -> None:
    text = "\n".join(strip.text for strip in strips)
    assert len(strips) == size[1] and {strip.cell_length for strip in strips} == {size[0]}, (name, size)
    said = " ".join(
        text.replace("! ", "!")
        .replace("? ", "?")
        .replace("│", " ")
        .replace("║", " ")
        .replace("#", " ")
        .split()
    )
    for word in DECIDES[name]:
        assert word in said, (name, size, word, text)
    if isinstance(app.screen, ArmedScreen):
        assert app.screen.armed.code in text, (size, text)
    if isinstance(app.screen, Skeleton) and name != "runs":
        assert all(word in strips[0].text for word in ("LIVE", "!1", "A1")), (name, size, strips[0].text)


def texts(seen: Seen) -> dict[tuple[str, tuple[int, int]], list[str]]:
    """Without what lies over something: sixteen colours know no half-transparent paper."""
    over = {"go", "sign"}
    return {key: [strip.text for strip in strips] for key, strips in seen.items() if key[0] not in over}


def inks(seen: Seen) -> Iterator[tuple[str, Style]]:
    """Everything that is written; behind a dialog it is dimmed on purpose."""
    for strips in (strips for (name, _), strips in seen.items() if name not in {"go", "sign"}):
        for strip in strips:
            for segment in strip:
                if segment.text.strip() and segment.style is not None:
                    yield segment.text, segment.style


def test_every_view_at_seven_sizes_is_whole_and_shows_what_decides(
    private: Path, sample: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(still_app(monkeypatch, private, sample))


@pytest.mark.parametrize(
    "sizes", [FEW, pytest.param(SIZES, marks=pytest.mark.campaign)], ids=["two sizes", "all sizes"]
)
def test_a_theme_changes_no_text_and_hides_none(
    private: Path, sample: Any, monkeypatch: pytest.MonkeyPatch, sizes: tuple[tuple[int, int], ...]
) -> None:
    found = []
    for theme in THEMES:
        monkeypatch.setenv("BYTEOR_THEME", theme)
        seen = look(still_app(monkeypatch, private, sample), sizes)
        found.append(texts(seen))
        for text, style in inks(seen):
            assert legible(style, DRAWN if set(text) <= BLOCK_CELLS else READ), (theme, text, style)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    "sizes", [FEW[:1], pytest.param(SIZES, marks=pytest.mark.campaign)], ids=["one size", "all sizes"]
)
def test_without_colour_the_same_is_said_in_ascii(
    private: Path, sample: Any, monkeypatch: pytest.MonkeyPatch, sizes: tuple[tuple[int, int], ...]
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    seen = look(still_app(monkeypatch, private, sample), sizes)
    for strips in seen.values():
        for strip in strips:
            assert strip.text.isascii(), strip.text
            for segment in strip.apply_filter(NoColor(), Color.parse("black")):
                style = segment.style or Style()
                assert style.color is None or style.color.is_default, segment


# WCAG's least contrasts, of running text and of what is drawn.
READ, DRAWN = 4.5, 3.0
BLOCK_CELLS = {*BLOCKS.ramp, BLOCKS.full, " "}


def legible(style: Style, least: float) -> bool:
    """Ink apart from paper: by contrast in true colour, and not one colour among the sixteen."""
    ink, paper = style.color, style.bgcolor
    if style.reverse:
        ink, paper = paper, ink
    if ink is None or paper is None or ink.is_default or paper.is_default:
        return True  # the terminal's own
    a, b = ink.downgrade(ColorSystem.STANDARD), paper.downgrade(ColorSystem.STANDARD)
    return a != b and contrast(Color.from_rich_color(ink), Color.from_rich_color(paper)) >= least


def contrast(a: Color, b: Color) -> float:
    """As WCAG has it: 1 to 21."""
    dark, light = sorted((luminance(a), luminance(b)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: Color) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.normalized
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
