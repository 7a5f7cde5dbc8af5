"""Samples made by hand (input of pure code) and an app that reads them instead of shared memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from byteor.runtime.sample import RingSample, RunSample, WorkerSample
from byteor_tui.model.runs import Run

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
