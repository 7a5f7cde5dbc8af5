"""Signals while a run is started: the first takes it down, a second one must not break that off."""

from __future__ import annotations

import os
import signal

import pytest

from byteor.runtime.errors import RunError
from byteor.runtime.signals import Signals


def test_only_the_first_signal_breaks_off_a_start() -> None:
    with Signals():
        with pytest.raises(RunError, match="SIGTERM while the run was starting"):
            os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGTERM)


def test_nothing_is_broken_off_once_the_end_is_being_told() -> None:
    with Signals() as signals:
        noted: list[int] = []
        signals.on_signal = noted.append
        os.kill(os.getpid(), signal.SIGHUP)
        signals.pass_over()
        os.kill(os.getpid(), signal.SIGHUP)
    assert noted == [signal.SIGHUP]
