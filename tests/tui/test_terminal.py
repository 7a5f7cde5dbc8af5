"""A terminal that stalls, answers late or goes away: what is sent to it, and how it is left."""

from __future__ import annotations

import os
import select
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Start = Callable[..., Any]
ASK, ANSWER = b"\x1b[6n", b"\x1b[12;1R"


def settle(console: Any, frames: int, seconds: float = 20.0) -> None:
    """Read, and answer as a terminal does, until ``frames`` frames were shown."""
    end = time.monotonic() + seconds
    shown = 0
    while shown < frames:
        assert time.monotonic() < end, console.text[-2000:]
        before = len(console.raw)
        console.read(0.1)
        asks = console.raw[before:].count(ASK)
        os.write(console.master, ANSWER * asks)
        shown += asks


def test_a_stalled_terminal_is_sent_two_frames_and_then_nothing(
    private: Path, live: Any, terminal: Start
) -> None:
    console = terminal(size=(120, 40))
    settle(console, 5)
    console.raw = b""
    while console.raw.count(ASK) < 2:  # the frames are read, but nobody answers
        console.read(1.0)
    while select.select([console.master], [], [], 1.0)[0]:
        console.read(0)
    assert console.raw.count(ASK) == 2
    console.press("j")  # a key is answered all the same
    console.wait_for(">", seconds=5)
    os.write(console.master, ANSWER * 2)
    settle(console, 3)
    console.press("q")
    console.wait()


def test_an_answer_that_comes_after_the_end_is_awaited_and_not_typed_into_the_shell(
    private: Path, live: Any, terminal: Start
) -> None:
    console = terminal()
    settle(console, 3)
    while console.raw.count(ASK) < 5:
        console.read(1.0)
    console.press("q")
    time.sleep(0.4)  # the way there and back, over a bad link
    os.write(console.master, ANSWER * 2)
    assert console.wait() == 0 and console.restored
    os.set_blocking(console.slave, False)
    line = termios.tcgetattr(console.slave)
    line[3] &= ~termios.ICANON
    termios.tcsetattr(console.slave, termios.TCSANOW, line)
    with pytest.raises(BlockingIOError):
        os.read(console.slave, 100)
