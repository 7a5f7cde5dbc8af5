"""Signals while a run is started: the first takes it down, a second one must not break that off."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest

from byteor.errors import Exit
from byteor.runtime.errors import RunError
from byteor.runtime.signals import BrokenOff, Signals


def raise_(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


def test_only_the_first_signal_breaks_off_a_start() -> None:
    with pytest.raises(RunError, match="SIGTERM while the run was starting") as caught, Signals():
        try:
            raise_(signal.SIGTERM)
        finally:
            for _ in range(3):
                raise_(signal.SIGTERM)
    assert (caught.value.code, caught.value.exit) == ("E_INTERRUPTED", Exit.TERMINATED)


def test_nobody_who_passes_over_errors_passes_over_a_signal() -> None:
    with pytest.raises(RunError, match="SIGINT") as caught, Signals(), contextlib.suppress(Exception):
        raise_(signal.SIGINT)
    assert caught.value.exit == Exit.INTERRUPTED


def test_a_signal_that_could_not_be_raised_is_told_when_the_run_is_up() -> None:
    noted: list[int] = []
    with Signals() as signals:
        with contextlib.suppress(BrokenOff):
            raise_(signal.SIGTERM)
        signals.hand_to(noted.append)
    assert noted == [signal.SIGTERM]


def test_nothing_is_broken_off_once_the_end_is_being_told() -> None:
    noted: list[int] = []
    with Signals() as signals:
        signals.hand_to(noted.append)
        raise_(signal.SIGHUP)
        signals.pass_over()
        raise_(signal.SIGHUP)
    assert noted == [signal.SIGHUP]
