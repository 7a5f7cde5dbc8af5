"""How often the console draws, decided in one place: the only timer, the only frame counter, its own cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from textual.app import App
from textual.timer import Timer

STEPS_HZ = (1.0, 2.0, 4.0, 10.0)
FULL_HZ, SSH_HZ, IDLE_HZ, SLOW_HZ = 10.0, 4.0, 2.0, 1.0
IDLE_AFTER_S = 60.0
COST_LIMIT = 0.10
SLOW_AFTER_S = 3
WARM_UP_S = 5.0
FIRST_HOLD_S, LONGEST_HOLD_S = 30.0, 600.0
SLOWEST_LOOK_S = 0.5
MAX_UNANSWERED = 2
TRY_AGAIN_S = 10.0


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


class Answers:
    """How many frames the terminal has not confirmed. Beyond ``MAX_UNANSWERED`` more would only become old.

    What a writer sees of a stalled link says little: the line's buffer, and over SSH those of two machines,
    take frames for seconds. So each frame comes with a question. A terminal that has never answered is not
    waited for, and one that has stopped answering gets a frame every ``TRY_AGAIN_S``. One thread asks, one
    hears the answers; each has a counter of its own.
    """

    def __init__(self) -> None:
        self._asked = 0
        self._answered = 0
        self._last_s = 0.0

    def asked(self, now_s: float) -> None:
        if self.expected >= MAX_UNANSWERED:  # what did not come until now is lost
            self._asked = self._answered
        self._asked = max(self._asked, self._answered) + 1
        self._last_s = now_s

    def answered(self) -> None:
        self._answered += 1

    @property
    def expected(self) -> int:
        """Answers that will still come, as far as one knows."""
        return max(0, self._asked - self._answered) if self._answered else 0

    def behind(self, now_s: float) -> bool:
        return self.expected >= MAX_UNANSWERED and now_s - self._last_s < TRY_AGAIN_S


class Line(Protocol):
    """The way to the terminal."""

    def ready(self, now_s: float) -> bool:
        """Whether a frame that is sent now would be shown now."""

    def ask(self, now_s: float) -> None:
        """A frame follows."""


class Pacer:
    """Calls ``tick`` at the rate of ``rate`` while it runs, and skips it while the terminal is behind."""

    def __init__(
        self,
        app: App[Any],
        tick: Callable[[], None],
        *,
        ssh: bool,
        line: Callable[[], Line | None] = lambda: None,
        on_rate: Callable[[], None] = lambda: None,
    ) -> None:
        self.hz = SSH_HZ if ssh else FULL_HZ
        self.because = Because.SSH if ssh else Because.FULL
        self.frozen = False
        self.skipped = 0
        self.ceiling_hz = FULL_HZ
        self.cost = CostMeter()
        self._app = app
        self._tick = tick
        self._line = line
        self._on_rate = on_rate
        self._ssh = ssh
        self._last_key_s = time.monotonic()
        self._timer: Timer | None = None

    @property
    def collect_s(self) -> float:
        """How often somebody has to look for what is drawn: no oftener, and twice a second at the least."""
        return min(SLOWEST_LOOK_S, 1 / self.hz)

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
            self._on_rate()

    def _arm(self) -> None:
        self.stop()
        self._timer = self._app.set_interval(1 / self.hz, self._on_timer, name="pacer")

    def _on_timer(self) -> None:
        now_s = time.monotonic()
        self.cost.add(now_s, time.thread_time())
        self.adjust()
        line = self._line()
        if line is not None:
            if not line.ready(now_s):
                self.skipped += 1
                return
            line.ask(now_s)
        self._tick()
