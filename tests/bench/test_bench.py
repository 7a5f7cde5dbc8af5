"""The bench ends what it starts, tells what breaks, and the pages show its results."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bench.transport.measure import bounded, elsewhere, in_processes

ROOT = Path(__file__).parents[2]


def gone(pid: int) -> bool:
    """Whether the process has ended, or will never run again."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def until_gone(pid: int) -> bool:
    return any(gone(pid) or time.sleep(0.01) for _ in range(500))


def hang_with_a_child(told: Path) -> None:
    told.write_text(str(subprocess.Popen(["sleep", "100"]).pid))
    time.sleep(100)


def test_a_call_that_hangs_ends_at_its_deadline_with_what_it_started(tmp_path: Path) -> None:
    told = tmp_path / "child"
    with pytest.raises(TimeoutError, match="no result within"):
        bounded(partial(hang_with_a_child, told), 0.5)
    assert until_gone(int(told.read_text()))


def test_a_bench_that_is_killed_leaves_no_call_behind(tmp_path: Path) -> None:
    told = tmp_path / "call"
    code = (
        "import os, sys, time; from pathlib import Path; from bench.transport.measure import bounded\n"
        f"bounded(lambda: (Path({str(told)!r}).write_text(str(os.getpid())), time.sleep(100)), 100)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) as bench:
        while not told.exists() or not told.read_text():
            assert bench.poll() is None
            time.sleep(0.01)
        bench.kill()
    assert until_gone(int(told.read_text()))


def test_a_role_that_breaks_is_told_and_ends_the_others() -> None:
    def breaks() -> Iterator[None]:
        yield
        raise ValueError("no room on the moon")

    def waits() -> Iterator[None]:
        yield
        time.sleep(100)

    def run() -> float:
        return in_processes([breaks, waits], waits)

    with pytest.raises(RuntimeError, match="no room on the moon"):
        bounded(run, 20)


def test_no_role_goes_on_before_all_are_ready(tmp_path: Path) -> None:
    log = os.open(tmp_path / "log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def role() -> Iterator[None]:
        for phase in (b"0", b"1"):
            os.write(log, phase)
            yield
        os.write(log, b"2")

    assert in_processes([role, role, role], role, 2) > 0
    assert (tmp_path / "log").read_bytes() == b"000011112222"


@pytest.mark.parametrize("shape", ["1 to 1", "chain of 3", "diamond", "1 to 4", "4 to 1"])
def test_a_peer_does_each_shape_in_another_interpreter(shape: str, tmp_path: Path) -> None:
    request: dict[str, Any] = {"peer": "OS pipe", "shape": shape, "size": 64, "calls": "single"}
    request |= {"repeats": 2, "budget_s": 0.001, "folder": str(tmp_path)}
    found = bounded(partial(elsewhere, sys.executable, "bench.transport.peers", request), 30)
    assert len(found["rates"]) == 2 and min(found["rates"]) > 0


def test_a_peer_that_is_not_there_is_told_as_missing(tmp_path: Path) -> None:
    (tmp_path / "pyaeron.py").write_text("raise ImportError('no pyaeron today')")
    request = {"peer": "pyaeron", "shape": "1 to 1", "folder": str(tmp_path)}

    def ask() -> Any:
        os.environ["PYTHONPATH"] = str(tmp_path)
        return elsewhere(sys.executable, "bench.transport.peers", request)

    with pytest.raises(ImportError, match="no pyaeron today"):
        bounded(ask, 30)


def test_pages_show_the_figures_of_the_result_files() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.docs", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
