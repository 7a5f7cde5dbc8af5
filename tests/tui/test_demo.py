"""The demo: a real run in folders of its own, with and without a terminal; nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from byteor_tui import demo
from byteor_tui.cli import main

Start = Callable[..., Any]
CONSOLE = [sys.executable, "-m", "byteor_tui"]


def leftovers() -> set[str]:
    return {path.name for path in Path("/dev/shm").glob(f"{demo.PREFIX}*")}


def wait_until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.05)


def folder_of(pid: int) -> Path:
    wait_until(lambda: any(name.startswith(f"{demo.PREFIX}{pid}-") for name in leftovers()))
    return next(Path("/dev/shm").glob(f"{demo.PREFIX}{pid}-*"))


def test_without_a_terminal_it_prints_the_document_of_the_run(private: Path) -> None:
    argv = [*CONSOLE, "demo", "--headless", "--seconds", "1", "--json"]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["schema"] == "byteor.run/v1"
    assert document["in"] == document["out"] > 0 and document["errors"] == 0
    assert document["state"] in {"finished", "stopped"} and document["first_failure"] is None
    assert document["messages_per_s"] > 0 and document["duration_ns"] > 10**9
    # Nothing of it is in the user's own folders.
    assert [path for path in private.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("args", "asked"),
    [
        ([], (5.0, False)),
        (["--seconds", "2"], (2.0, False)),
        (["--headless", "--json"], (5.0, True)),
    ],
)
def test_without_a_terminal_it_is_headless_by_itself_for_5_s(
    monkeypatch: pytest.MonkeyPatch, args: list[str], asked: tuple[float, bool]
) -> None:
    seen: list[tuple[float, bool]] = []

    def headless(seconds: float, *, as_json: bool) -> int:
        seen.append((seconds, as_json))
        return 0

    monkeypatch.setattr(demo, "headless", headless)
    monkeypatch.setattr("byteor_tui.terminal.is_terminal", lambda: False)
    assert main(["demo", *args]) == 0
    assert seen == [asked]


def test_leaving_stops_the_run_and_removes_everything(private: Path, terminal: Start) -> None:
    console = terminal("demo")
    console.wait_for("LIVE", "check", "demo: f switches")
    folder = folder_of(console.process.pid)
    assert [path.name for path in (folder / "run").glob("host-telemetry-*")]
    console.press("q")
    assert console.wait() == 0
    assert console.restored and not folder.exists()


def test_a_signal_ends_the_demo_as_q_does(private: Path, terminal: Start) -> None:
    console = terminal("demo")
    console.wait_for("LIVE")
    folder = folder_of(console.process.pid)
    console.process.send_signal(signal.SIGTERM)
    assert console.wait() == 143
    assert console.restored and not folder.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_without_a_terminal_leaves_nothing_behind(private: Path, number: signal.Signals) -> None:
    argv = [*CONSOLE, "demo", "--headless", "--seconds", "60"]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    root = folder_of(process.pid)
    wait_until(lambda: any(root.glob("run/*/run.json")))
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "error[E_INTERRUPTED]" in told
    assert not root.exists()


def test_after_kill_9_the_run_ends_by_itself_and_the_next_demo_cleans_up(
    private: Path, terminal: Start
) -> None:
    console = terminal("demo")
    console.wait_for("LIVE")
    folder = folder_of(console.process.pid)
    (run,) = (folder / "run").glob("host-telemetry-*/run.json")
    pid = json.loads(run.read_bytes())["pid"]
    console.process.kill()
    console.process.wait()
    wait_until(lambda: not Path("/proc", str(pid)).exists())
    assert folder.exists()
    with demo.demo_folder():
        assert not folder.exists()


def test_a_demo_that_is_running_is_nobodys_leftover(private: Path) -> None:
    with demo.demo_folder() as first, demo.demo_folder() as second:
        assert first.exists() and second.exists()
        assert os.environ["BYTEOR_RUNTIME_DIR"] == str(second / "run")
    assert os.environ["BYTEOR_RUNTIME_DIR"] == str(private / "run")
    assert not first.exists() and not second.exists()
