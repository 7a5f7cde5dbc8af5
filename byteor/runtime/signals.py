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


def exit_after(number: int) -> Exit:
    return Exit.INTERRUPTED if number == signal.SIGINT else Exit.TERMINATED


class BrokenOff(BaseException):
    """A signal came where the run is being started. No ``Exception``: whoever passes over a file that
    cannot be read must not pass over this. ``told`` is the error that it becomes."""

    def __init__(self, number: int) -> None:
        why = f"{signal.Signals(number).name} while the run was starting: nothing runs"
        self.told = RunError("E_INTERRUPTED", why, exit=exit_after(number))
        super().__init__(self.told.message)


class Signals:
    """Catches SIGINT, SIGTERM and SIGHUP; only a main thread can.

    Until ``hand_to`` a signal breaks off the start, so that it is taken down again, once: a second one must
    not break that off. It leaves the block as ``E_INTERRUPTED`` (exit 130 or 143). Afterwards it calls what
    was given, which must only take note. One that was ignored when we came (nohup, a background job) stays
    ignored.
    """

    def __init__(self) -> None:
        self._on_signal: Callable[[int], None] = self._break_off
        self._came: int | None = None
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
        if isinstance(error, BrokenOff):
            raise error.told from None

    def hand_to(self, on_signal: Callable[[int], None]) -> None:
        """From here on there is something to drain. One that came before and was lost, in a ``__del__`` or
        a callback that cannot raise, is told now."""
        self._on_signal = on_signal
        if self._came is not None:
            on_signal(self._came)

    def pass_over(self) -> None:
        """Whatever comes from now on changes nothing: the run is being taken down, or its end told."""
        self._on_signal = lambda number: None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._on_signal(number)

    def _break_off(self, number: int) -> None:
        self._came = number
        self.pass_over()
        raise BrokenOff(number)
