"""Pictures of the console made from a real run without a terminal: SVG to look at, text to compare."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import msgspec
from textual.pilot import Pilot

from byteor.atomic import write_file
from byteor.errors import ByteorError, Exit
from byteor_tui.actions.places import PLACE_IDS
from byteor_tui.app import ConsoleApp
from byteor_tui.model.run import Run
from byteor_tui.model.session import Session
from byteor_tui.screens.skeleton import Skeleton
from byteor_tui.svg import picture

SCREENS = (*PLACE_IDS, "help")
SIZES = ((80, 24), (120, 40), (200, 60))
SMALLEST, LARGEST = (10, 3), (400, 150)
SUFFIXES = (".svg", ".txt")
SETTLE_S = 1.2  # what a picture says of the console's cost is that of drawing, not of the last resize
READ_S = 3.0  # at most, for a recording to be read


class Asked(msgspec.Struct, frozen=True):
    """What is to be seen: a place, the row under the cursor, and the moment (empty: the present)."""

    screen: str
    item: str = ""
    at: str = ""


def parse_size(text: str) -> tuple[int, int]:
    """``120x40`` as (columns, rows). Raises ``E_USAGE``."""
    match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text)
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if not (SMALLEST[0] <= size[0] <= LARGEST[0] and SMALLEST[1] <= size[1] <= LARGEST[1]):
        hint = f"columns x rows, from {SMALLEST[0]}x{SMALLEST[1]} to {LARGEST[0]}x{LARGEST[1]}"
        raise ByteorError("E_USAGE", f"{text!r} is not a size", hint=hint, exit=Exit.USAGE)
    return size


def check_output(path: Path) -> None:
    """Raises ``E_USAGE`` for a file that is neither ``.svg`` nor ``.txt``, or that lies in no folder."""
    if path.suffix not in SUFFIXES:
        message = f"{path.name}: a picture ends in {' or '.join(SUFFIXES)}"
        raise ByteorError("E_USAGE", message, exit=Exit.USAGE)
    if not path.absolute().parent.is_dir():
        message = f"there is no folder {path.parent}"
        raise ByteorError("E_USAGE", message, hint=f"mkdir -p {path.parent}", exit=Exit.USAGE)


def check_moment(text: str) -> None:
    """Raises ``E_USAGE`` for a moment that is none; empty is the present."""
    from byteor_tui.acts.times import parse_time

    if text and parse_time(text, time.time_ns()) is None:
        hint = "12:03:11 or -30s"
        raise ByteorError("E_USAGE", f"{text!r} is not a moment", hint=hint, exit=Exit.USAGE)


def shoot(
    asked: Asked,
    run: Run | None,
    size: tuple[int, int],
    outputs: list[Path],
    *,
    after_s: float,
    session: Session | None = None,
) -> None:
    """Write pictures of one place, once the run has been looked at for ``after_s`` seconds."""
    asyncio.run(_shoot([(asked, size, outputs)], run, after_s, session))


def shoot_all(run: Run | None, folder: Path, *, after_s: float, session: Session | None = None) -> list[Path]:
    """Every place at every size, as SVG and text."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = []
    for screen in SCREENS:
        for size in SIZES:
            stem = f"{screen}-{size[0]}x{size[1]}"
            wanted.append((Asked(screen), size, [folder / f"{stem}{suffix}" for suffix in SUFFIXES]))
    asyncio.run(_shoot(wanted, run, after_s, session))
    return [path for _, _, paths in wanted for path in paths]


Wanted = list[tuple[Asked, tuple[int, int], list[Path]]]


async def _shoot(wanted: Wanted, run: Run | None, after_s: float, session: Session | None) -> None:
    app = ConsoleApp(run, session=session)
    async with app.run_test(size=wanted[0][1]) as pilot:
        await _wait(app, run, after_s)
        before: Asked | None = None
        for asked, size, outputs in wanted:
            await pilot.resize_terminal(*size)
            if asked != before:
                await _go(app, pilot, asked)
                before = asked
            await asyncio.sleep(SETTLE_S)
            _check_item(app, asked)
            for path in outputs:
                drawn = screen_svg(app) if path.suffix == ".svg" else screen_text(app)
                write_file(path, drawn.encode(), mode=0o644)


def _check_item(app: ConsoleApp, asked: Asked) -> None:
    """Raises ``E_SHOT`` where the row that was asked for is not there: another row's picture is no answer."""
    if asked.item and asked.screen != "help" and app.here.item != asked.item:
        message = f"no row {asked.item!r} on {asked.screen}"
        raise ByteorError("E_SHOT", message, hint="Y on that row copies its id", exit=Exit.NOT_FOUND)


async def _wait(app: ConsoleApp, run: Run | None, after_s: float) -> None:
    ready = time.monotonic() + after_s
    while time.monotonic() < ready or (run is not None and app.view().frame is None):
        await asyncio.sleep(0.1)  # not the pilot's pause: its polling would count as our cost
        if time.monotonic() > ready + 10:
            name = run.run_id if run is not None else "a run"
            raise ByteorError("E_SHOT", f"nothing to see of {name} yet", exit=Exit.TIMEOUT)


async def _go(app: ConsoleApp, pilot: Pilot[None], asked: Asked) -> None:
    from byteor_tui.acts.times import live, parse_time, put

    live(app)
    if not isinstance(app.screen, Skeleton):
        await pilot.press("escape")
    if asked.screen == "help":
        app.go("overview")
        await pilot.pause()
        await pilot.press("question_mark")
        return
    item = asked.item
    frame = app.view().frame
    if not item and asked.screen in {"overview", "stages"} and frame is not None:
        item = frame.rows[len(frame.rows) // 2].name  # a stage in the middle has more to show than the source
    app.go(asked.screen, item)
    if asked.at and (at := parse_time(asked.at, time.time_ns())) is not None:
        put(app, at)
    elif asked.screen == "replay":
        await _halfway(app, pilot)
    while asked.screen == "doctor" and app.checks.running:
        await asyncio.sleep(0.1)


async def _halfway(app: ConsoleApp, pilot: Pilot[None]) -> None:
    """Into the recording of the replay under the cursor: its first record has little to show."""
    deadline = time.monotonic() + READ_S
    while app.player is None and not app.player_error and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    if app.player is not None:
        await pilot.press("right_square_bracket")
        first, last = app.player.span
        app.player.seek((first + last) // 2)


def screen_text(app: ConsoleApp) -> str:
    """The screen as plain lines, without trailing blanks."""
    lines = app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in lines) + "\n"


def screen_svg(app: ConsoleApp) -> str:
    """The screen as an SVG that needs nothing from elsewhere."""
    colours = app.current_theme
    background = _hex(colours.background, "#000000")
    foreground = _hex(colours.foreground, "#d0d0d0")
    return picture(app.screen._compositor.render_strips(), app.size.width, background, foreground)


def _hex(name: str | None, terminal: str) -> str:
    """A theme's colour for a picture; ``terminal`` where the theme leaves it to the terminal."""
    return name if name is not None and name.startswith("#") else terminal
