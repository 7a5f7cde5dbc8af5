"""Samples made by hand (input of pure code), and real runs and a real terminal for the rest."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from byteor.errors import ByteorError
from byteor.runtime.sample import RingSample, RunSample, WorkerSample
from byteor_tui.model.run import Run
from tests.tui.waiting import PATIENCE_S, settled

SECOND = 1_000_000_000
NAMES = ("host", "parse", "detect", "annotate", "out")


def make_worker(name: str = "parse", **given: Any) -> WorkerSample:
    fields: dict[str, Any] = {
        "name": name,
        "role": "stage",
        "key": "identity",
        "where": "thread",
        "pid": 4242,
        "alive": True,
        "state": "running",
        "age_ns": 50_000_000,
        "messages_in": 0,
        "messages_out": 0,
        "filtered": 0,
        "errors": 0,
        "lag": 0,
        "busy_ns": 0,
        "idle_ns": 0,
        "p50_ns": 200_000,
        "p99_ns": 1_800_000,
        "last_error": "",
    }
    return WorkerSample(**{**fields, **given})


def make_sample(at_s: float = 0.0, *, rate: float = 1000.0, **given: Any) -> RunSample:
    """A healthy run ``at_s`` seconds old in which every worker has moved ``rate`` messages/s."""
    moved = int(at_s * rate)
    roles = ("source", "stage", "stage", "stage", "sink")
    workers = tuple(
        make_worker(
            name,
            role=role,
            messages_in=0 if role == "source" else moved,
            messages_out=moved,
            busy_ns=int(at_s * 0.6 * SECOND),
            idle_ns=int(at_s * 0.4 * SECOND),
        )
        for name, role in zip(NAMES, roles, strict=True)
    )
    ring = RingSample(
        path="/dev/shm/byteor-0/run/ring-0.region",
        capacity=4096,
        slot_bytes=256,
        cursor=moved,
        gating=(("parse", moved), ("detect", moved - 1000), ("annotate", moved)),
        in_flight=1024,
        consistent=True,
    )
    fields: dict[str, Any] = {
        "run_id": "host-telemetry-20260101T000000-abcd",
        "name": "host-telemetry",
        "state": "running",
        "env": "dev",
        "pid": 4242,
        "spec_hash": "sha256:9f3ac1e" + "0" * 57,
        "started_unix_ns": 1_760_000_000 * SECOND,
        "taken_ns": int(at_s * SECOND) + 10 * SECOND,
        "taken_unix_ns": 1_760_000_000 * SECOND + int(at_s * SECOND),
        "workers": workers,
        "rings": (ring,),
        "first_failure": "",
    }
    return RunSample(**{**fields, **given})


class Played:
    """A source that plays a function of the seconds since it was opened, on the real clock."""

    def __init__(self, play: Callable[[float], RunSample]) -> None:
        self._play = play
        self._start = time.monotonic_ns()
        self.closed = False
        self.taken = 0

    def sample(self) -> RunSample:
        import msgspec

        self.taken += 1
        now = time.monotonic_ns()
        played = self._play((now - self._start) / SECOND)
        return msgspec.structs.replace(played, taken_ns=now, taken_unix_ns=time.time_ns())

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def sample() -> Callable[..., RunSample]:
    return make_sample


@pytest.fixture
def worker() -> Callable[..., WorkerSample]:
    return make_worker


@pytest.fixture
def played() -> type[Played]:
    return Played


@pytest.fixture
def run() -> Run:
    return Run(
        "host-telemetry-20260101T000000-abcd", "host-telemetry", "running", "dev", 4242, True, 0, "/nowhere"
    )


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Runtime, state and shared-memory folders of the test's own, and no theme or colour from outside."""
    for name in ("run", "state", "shm"):
        (tmp_path / name).mkdir(mode=0o700)
    monkeypatch.setenv("BYTEOR_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("BYTEOR_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("BYTEOR_SHM_DIR", str(tmp_path / "shm"))
    for name in ("NO_COLOR", "BYTEOR_THEME", "TEXTUAL_THEME", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    yield tmp_path


class Terminal:
    """A process on a pseudo-terminal of its own. ``text`` is what it wrote without escape sequences."""

    def __init__(self, argv: list[str], size: tuple[int, int] = (80, 24), **environ: str) -> None:
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self.before = termios.tcgetattr(self.slave)
        self.raw = b""
        env = {**os.environ, "TERM": "xterm-256color", **environ}
        for name in ("COLUMNS", "LINES"):  # set by parallel test runs, stronger than the size
            env.pop(name, None)
        self.process = subprocess.Popen(
            argv,
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
            env=env,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )

    def read(self, seconds: float) -> None:
        ready, _, _ = select.select([self.master], [], [], seconds)
        if ready:
            self.raw += os.read(self.master, 1 << 16)

    def wait_for(self, *words: str, seconds: float = PATIENCE_S) -> str:
        """Read until every word has been written since the last call; forget what was read."""
        end = time.monotonic() + seconds
        while not all(word in self.text for word in words):
            assert time.monotonic() < end, f"no {words} in:\n{self.text[-4000:]}"
            assert self.process.poll() is None or select.select([self.master], [], [], 0)[0], self.text[
                -4000:
            ]
            self.read(0.1)
        seen, self.raw = self.text, b""
        return seen

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def wait(self, seconds: float = PATIENCE_S) -> int:
        """Read to the end of the process; returns its exit code."""
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < end, f"still there:\n{self.text[-2000:]}"
            self.read(0.05)
        self.read(0.05)
        return self.process.returncode

    @property
    def text(self) -> str:
        return re.sub(
            r"\x1b(\[[0-9;?<>=]*[ -/]*[@-~]|\][^\x07]*\x07|P[^\x1b]*\x1b\\\\|[@-Z^_])",
            "",
            self.raw.decode(errors="replace"),
        )

    @property
    def restored(self) -> bool:
        """Main screen, cursor on, and the line settings of before."""
        left = self.raw.rfind(b"\x1b[?1049l")
        return (
            left > self.raw.rfind(b"\x1b[?1049h")
            and b"\x1b[?25h" in self.raw[left:]
            and termios.tcgetattr(self.slave) == self.before
        )

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Starts ``byteor-console ARGS`` on a terminal of ``size``; everything is closed at the end."""
    started: list[Terminal] = []

    def start(
        *args: str, size: tuple[int, int] = (80, 24), argv: list[str] | None = None, **environ: str
    ) -> Terminal:
        made = Terminal(argv or [sys.executable, "-m", "byteor_tui", *args], size, **environ)
        started.append(made)
        return made

    yield start
    for made in started:
        made.close()


def moves(run: Run) -> bool:
    """Messages have reached the sink: every worker is up."""
    from byteor_tui.model.runs import open_source

    with contextlib.suppress(ByteorError):
        source = open_source(run)
        try:
            return source.sample().workers[-1].messages_in > 0
        finally:
            source.close()
    return False


class LiveRun:
    """A real ``byteor run`` of the demo plan on this host's counters, 20 samples/s."""

    def __init__(self, folder: Path, *more: str) -> None:
        from byteor_tui.demo_plan import PLAN
        from byteor_tui.model.runs import find_runs

        spec = folder / "plan.kv"
        spec.write_text(PLAN)
        command = [
            sys.executable,
            "-m",
            "byteor",
            "run",
            f"--spec={spec}",
            "--source=host:20",
            "--sink=null:",
        ]
        with (folder / "run.log").open("wb") as log:
            self.process = subprocess.Popen(
                [*command, *more], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        end = time.monotonic() + PATIENCE_S
        while not (live := [run for run in find_runs() if run.alive and moves(run)]):
            assert self.process.poll() is None and time.monotonic() < end, (folder / "run.log").read_text()
            time.sleep(0.02)
        self.run = live[0]

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def live(private: Path) -> Iterator[LiveRun]:
    made = LiveRun(private)
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def settles(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("textual.app", "textual.pilot"):
        monkeypatch.setattr(f"{module}.wait_for_idle", settled)
