"""Waiting in tests: for what is meant, as long as it takes; never for a time that is hoped to be enough."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from textual.pilot import Pilot

from byteor_tui.shot import screen_text

PATIENCE_S = 90.0  # a busy machine stands still for seconds; who waits this long has found a defect


async def settled(*_: float) -> None:
    """Until nothing in the event loop is ready to run: what was sent has been taken and answered.

    Textual's own waits until the process has been idle for 20 ms by the CPU's clock, after every key.
    """
    loop, end = asyncio.get_running_loop(), time.monotonic() + PATIENCE_S
    await asyncio.sleep(0)
    while loop._ready:  # type: ignore[attr-defined]
        assert time.monotonic() < end, "the console does not come to rest"
        await asyncio.sleep(0)


async def until(pilot: Pilot[None], holds: Callable[[], object]) -> None:
    """Until ``holds``; what is on the screen if it never does."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, screen_text(pilot.app)  # type: ignore[arg-type]
        await pilot.pause(0.01)


async def shown(pilot: Pilot[None], *words: str) -> str:
    """The text of the screen, as soon as every word stands in it."""
    app: Any = pilot.app
    await until(pilot, lambda: all(word in screen_text(app) for word in words))
    return screen_text(app)


async def resized(pilot: Pilot[None], size: tuple[int, int]) -> None:
    """Give the terminal ``size`` and wait until the screen is laid out in it and painted.

    Textual collects sizes for 8 ms, lays out, tells the widgets, and lays out what they changed then.
    """
    await pilot.resize_terminal(*size)
    await until(pilot, lambda: tuple(pilot.app.screen._compositor.size) == size)
    await until(pilot, lambda: not pilot.app.screen._layout_required)
    await pilot.pause()  # what the widgets were told they have drawn now
