"""Pictures of the console made from a real run without a terminal: SVG to look at, text to compare."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

from byteor.atomic import write_file
from byteor.errors import ByteorError, Exit
from byteor_tui.app import ConsoleApp
from byteor_tui.model.runs import Run
from byteor_tui.svg import picture

SCREENS = ("overview", "help", "runs")
SIZES = ((80, 24), (120, 40), (200, 60))
SMALLEST, LARGEST = (10, 3), (400, 150)
SUFFIXES = (".svg", ".txt")
SETTLE_S = 2.2  # what a picture says of the console's cost is that of drawing, not of the last resize


def parse_size(text: str) -> tuple[int, int]:
    """``120x40`` as (columns, rows). Raises ``E_USAGE``."""
    match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text)
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if not (SMALLEST[0] <= size[0] <= LARGEST[0] and SMALLEST[1] <= size[1] <= LARGEST[1]):
        hint = f"columns x rows, from {SMALLEST[0]}x{SMALLEST[1]} to {LARGEST[0]}x{LARGEST[1]}"
        raise ByteorError("E_USAGE", f"{text!r} is not a size", hint=hint, exit=Exit.USAGE)
    return size


def check_output(path: Path) -> None:
    """Raises ``E_USAGE`` for a file that is neither ``.svg`` nor ``.txt``."""
    if path.suffix not in SUFFIXES:
        message = f"{path.name}: a picture ends in {' or '.join(SUFFIXES)}"
        raise ByteorError("E_USAGE", message, exit=Exit.USAGE)


def shoot(screen: str, run: Run, size: tuple[int, int], outputs: list[Path], *, after_s: float) -> None:
    """Write pictures of ``screen`` on ``run``, once it has been looked at for ``after_s`` seconds."""
    asyncio.run(_shoot(screen, run, [(size, outputs)], after_s))


def shoot_all(run: Run, folder: Path, *, after_s: float) -> list[Path]:
    """The Overview at every size and the other screens at the smallest, as SVG and text."""
    written: list[Path] = []
    folder.mkdir(parents=True, exist_ok=True)
    for screen in SCREENS:
        wanted = []
        for size in SIZES if screen == "overview" else SIZES[:1]:
            stem = f"{screen}-{size[0]}x{size[1]}"
            wanted.append((size, [folder / f"{stem}{suffix}" for suffix in SUFFIXES]))
        asyncio.run(_shoot(screen, run, wanted, after_s if screen == "overview" else 1.0))
        written += [path for _, paths in wanted for path in paths]
    return written


async def _shoot(
    screen: str, run: Run, wanted: list[tuple[tuple[int, int], list[Path]]], after_s: float
) -> None:
    app = ConsoleApp(run)
    async with app.run_test(size=wanted[0][0]) as pilot:
        ready = time.monotonic() + after_s
        while time.monotonic() < ready or app.view().frame is None:
            await asyncio.sleep(0.1)  # not the pilot's pause: its polling would count as our cost
            if time.monotonic() > ready + 10:
                raise ByteorError("E_SHOT", f"nothing to see of {run.run_id} yet", exit=Exit.TIMEOUT)
        if screen == "help":
            await pilot.press("question_mark")
        elif screen == "runs":
            await pilot.press("minus")
        else:
            await pilot.press("j", "j")  # a stage in the middle has more to show than the source
        for size, outputs in wanted:
            await pilot.resize_terminal(*size)
            await asyncio.sleep(SETTLE_S)
            for path in outputs:
                drawn = screen_svg(app) if path.suffix == ".svg" else screen_text(app)
                write_file(path, drawn.encode(), mode=0o644)


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
