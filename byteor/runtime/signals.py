"""Signals of a whole run, from before its folder exists until its end is told. One handler, one list."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

from byteor.errors import Exit
from byteor.runtime.errors import RunError

CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Catches SIGINT, SIGTERM and SIGHUP; only a main thread can.

    Until ``on_signal`` is set a signal raises ``E_INTERRUPTED`` (exit 130 or 143) where the run is being
    started, so that it is taken down again, once: a second one must not break that off. Afterwards it calls
    ``on_signal``, which must only take note. One that was ignored when we came (nohup, a background
    job) stays ignored.
    """

    def __init__(self) -> None:
        self.on_signal: Callable[[int], None] = self._give_up
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in CAUGHT:
                if signal.getsignal(number) != signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.on_signal(number)

    def pass_over(self) -> None:
        """Whatever comes from now on changes nothing: the run is being taken down, or its end told."""
        self.on_signal = lambda number: None

    def _give_up(self, number: int) -> None:
        self.pass_over()
        code = Exit.INTERRUPTED if number == signal.SIGINT else Exit.TERMINATED
        name = signal.Signals(number).name
        raise RunError("E_INTERRUPTED", f"{name} while the run was starting: nothing runs", exit=code)
