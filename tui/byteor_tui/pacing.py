"""How often the console draws, decided in one place: the only timer, the only frame counter, its own cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from textual.app import App
from textual.timer import Timer

STEPS_HZ = (1.0, 2.0, 4.0, 10.0)
FULL_HZ, SSH_HZ, IDLE_HZ, SLOW_HZ = 10.0, 4.0, 2.0, 1.0
IDLE_AFTER_S = 60.0
COST_LIMIT = 0.10
SLOW_AFTER_S = 3
WARM_UP_S = 5.0
FIRST_HOLD_S, LONGEST_HOLD_S = 30.0, 600.0
MAX_QUEUED_WRITES = 2


class Because(StrEnum):
    """Why the rate is what it is; shown beside it when it is not the full rate."""

    FULL = ""
    SSH = "ssh"
    FROZEN = "paused"
    BLURRED = "no focus"
    IDLE = "idle"
    ASKED = "asked"
    COST = "cost"


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything the rate depends on. ``idle_s`` is the time since the last key."""

    ssh: bool
    focused: bool
    frozen: bool
    idle_s: float
    too_dear: bool
    ceiling_hz: float = FULL_HZ


def rate(now: Situation) -> tuple[float, Because]:
    """Draws per second and the reason: the slowest rule that applies, and never more than was asked for."""
    hz, because = _rule(now)
    return (now.ceiling_hz, Because.ASKED) if now.ceiling_hz < hz else (hz, because)


def _rule(now: Situation) -> tuple[float, Because]:
    if now.too_dear:
        return SLOW_HZ, Because.COST
    if now.frozen:
        return SLOW_HZ, Because.FROZEN
    if not now.focused:
        return IDLE_HZ, Because.BLURRED
    if now.idle_s >= IDLE_AFTER_S:
        return IDLE_HZ, Because.IDLE
    if now.ssh:
        return SSH_HZ, Because.SSH
    return FULL_HZ, Because.FULL


class CostMeter:
    """Says when drawing costs more than a tenth of a core for three seconds in a row.

    Fed with (seconds on the clock, CPU seconds of the drawing thread). The full rate is tried again after
    half a minute, and when it was too dear again after twice as long: only trying tells what it costs.
    The first seconds do not count: composing a screen is no frame.
    """

    def __init__(self) -> None:
        self.too_dear = False
        self.share = 0.0
        self._born_s: float | None = None
        self._start = (0.0, 0.0)
        self._seconds_over = 0
        self._hold_s = FIRST_HOLD_S
        self._until_s = 0.0

    def add(self, now_s: float, cpu_s: float) -> None:
        if self._born_s is None:
            self._born_s, self._start = now_s, (now_s, cpu_s)
        elapsed = now_s - self._start[0]
        if elapsed < 1.0:
            return
        self.share = max(0.0, (cpu_s - self._start[1]) / elapsed)
        self._start = (now_s, cpu_s)
        if self.too_dear:
            self.too_dear = now_s < self._until_s
            return
        warm = now_s - self._born_s > WARM_UP_S
        self._seconds_over = self._seconds_over + 1 if warm and self.share > COST_LIMIT else 0
        if self._seconds_over >= SLOW_AFTER_S:
            self.too_dear, self._seconds_over = True, 0
            self._until_s = now_s + self._hold_s
            self._hold_s = min(LONGEST_HOLD_S, 2 * self._hold_s)


class Pacer:
    """Calls ``tick`` at the rate of ``rate`` while it runs, and skips it while the terminal is behind."""

    def __init__(self, app: App[Any], tick: Callable[[], None], *, ssh: bool) -> None:
        self.hz = SSH_HZ if ssh else FULL_HZ
        self.because = Because.SSH if ssh else Because.FULL
        self.frozen = False
        self.skipped = 0
        self.ceiling_hz = FULL_HZ
        self.cost = CostMeter()
        self._app = app
        self._tick = tick
        self._ssh = ssh
        self._last_key_s = time.monotonic()
        self._timer: Timer | None = None

    def start(self) -> None:
        self._arm()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def step(self, by: int) -> None:
        """A step faster or slower than now; the fastest is the full rate."""
        at = STEPS_HZ.index(self.ceiling_hz) + by
        self.ceiling_hz = STEPS_HZ[max(0, min(len(STEPS_HZ) - 1, at))]
        self.adjust()

    def key_pressed(self) -> None:
        """Somebody is there: full rate at once, not at the next slow tick."""
        self._last_key_s = time.monotonic()
        self.adjust()

    def adjust(self) -> None:
        """Take the rate that fits the situation now."""
        situation = Situation(
            ssh=self._ssh,
            focused=self._app.app_focus,
            frozen=self.frozen,
            idle_s=time.monotonic() - self._last_key_s,
            too_dear=self.cost.too_dear,
            ceiling_hz=self.ceiling_hz,
        )
        hz, self.because = rate(situation)
        if hz != self.hz:
            self.hz = hz
            if self._timer is not None:
                self._arm()

    def _arm(self) -> None:
        self.stop()
        self._timer = self._app.set_interval(1 / self.hz, self._on_timer, name="pacer")

    def _on_timer(self) -> None:
        self.cost.add(time.monotonic(), time.thread_time())
        self.adjust()
        if self._queued_writes() > MAX_QUEUED_WRITES:
            self.skipped += 1
            return
        self._tick()

    def _queued_writes(self) -> int:
        """Writes that the terminal has not taken yet. Textual 8.2.8 queues them for its writer thread."""
        writer = getattr(getattr(self._app, "_driver", None), "_writer_thread", None)
        queue = getattr(writer, "_queue", None)
        return queue.qsize() if queue is not None else 0
