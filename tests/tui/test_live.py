"""The console on real runs in a real terminal: opening, snapshot, dying runs, every way out."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from byteor_tui.model.runs import open_source

Start = Callable[..., Any]


def test_it_opens_the_only_live_run_takes_a_snapshot_survives_resizing_and_gives_the_terminal_back(
    private: Path, live: Any, terminal: Start
) -> None:
    console = terminal(size=(120, 40))
    console.wait_for("LIVE", "parse", "detect", "annotate", "ring-0", "Needs you", "? help")
    console.press("s")
    console.wait_for("$ byteor snapshot", "ok  audit #")
    (file,) = (private / "state" / "snapshots").iterdir()
    assert json.loads(file.read_bytes())["run_id"] == live.run.run_id
    assert file.stat().st_mode & 0o077 == 0
    for columns, rows in ((10, 3), (250, 80), (20, 5)):
        fcntl.ioctl(console.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        console.process.send_signal(signal.SIGWINCH)
        console.wait_for("LIVE")
    console.press("q")
    assert console.wait() == 0
    assert console.restored
    assert live.process.poll() is None


def test_it_holds_nothing_writable_of_the_run_and_kill_9_of_it_changes_nothing(
    private: Path, live: Any, terminal: Start
) -> None:
    console = terminal()
    console.wait_for("LIVE", "parse")
    proc = Path("/proc", str(console.process.pid))
    mapped = [line for line in (proc / "maps").read_text().splitlines() if str(private) in line]
    assert [line for line in mapped if "w" in line.split()[1] and not line.endswith("-shm")] == []
    opened = [link for link in (proc / "fd").iterdir() if str(private) in str(link.readlink())]
    assert opened or mapped, "it looks at the run's regions"
    for link in opened:
        if str(link.readlink()).endswith(("-wal", "-shm")):  # SQLite's own, also of a reader
            continue
        flags = int((proc / "fdinfo" / link.name).read_text().split("flags:")[1].split()[0], 8)
        assert flags & (os.O_WRONLY | os.O_RDWR) == 0, link.readlink()
    console.process.kill()
    console.process.wait()
    source = open_source(live.run)
    before = source.sample()
    time.sleep(0.3)
    after = source.sample()
    source.close()
    assert after.state == "running" and after.workers[-1].messages_in > before.workers[-1].messages_in


def test_a_killed_run_shows_its_last_state_and_needs_somebody(
    private: Path, live: Any, terminal: Start
) -> None:
    console = terminal(size=(120, 40))
    console.wait_for("LIVE", "parse")
    live.process.kill()
    live.process.wait()
    console.wait_for("DEAD", "is gone; this is the last state", seconds=10)
    console.press("q")
    assert console.wait() == 0 and console.restored


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_the_terminal_is_given_back_on_signals(
    private: Path, terminal: Start, number: signal.Signals, code: int
) -> None:
    console = terminal(size=(20, 5))
    console.wait_for("0 live")
    console.process.send_signal(number)
    assert console.wait() == code
    assert console.restored


def test_the_terminal_is_given_back_after_a_defect_and_no_traceback_is_shown(
    private: Path, terminal: Start
) -> None:
    broken = (
        "import sys, byteor_tui.launch as launch\n"
        "from byteor_tui.screens.runs import RunsScreen\n"
        "def draw(self, view, actions): raise RuntimeError('a screen broke')\n"
        "RunsScreen.draw = draw\n"
        "sys.exit(launch.open_console(None))\n"
    )
    console = terminal(argv=[sys.executable, "-c", broken])
    assert console.wait() == 11
    assert console.restored
    assert "error[E_CONSOLE]: the console broke: RuntimeError: a screen broke" in console.text
    assert "Traceback" not in console.text


def test_a_dumb_terminal_gets_lines_and_the_ended_run_can_be_opened_by_name(
    private: Path, live: Any, terminal: Start
) -> None:
    console = terminal(TERM="dumb")
    console.wait_for(f"run {live.run.run_id}", "stage parse run", "run running")
    assert b"\x1b" not in console.raw
    live.stop()
    console.wait_for("stage parse done")
    assert console.wait() == 0
    again = terminal("--run", live.run.name)
    seen = again.wait_for("ago", "parse", "done")
    assert "STOPPED" in seen or "FINISHED" in seen
    again.press("q")
    assert again.wait() == 0


@pytest.mark.campaign
def test_a_terminal_that_takes_nothing_does_not_hold_up_sigterm(
    private: Path, live: Any, terminal: Start
) -> None:
    console = terminal(size=(200, 60))
    console.wait_for("LIVE", "parse")
    time.sleep(5)  # nobody reads: the line's buffer is full, the writer thread hangs
    console.process.send_signal(signal.SIGTERM)
    assert console.process.wait(timeout=10) == 143
