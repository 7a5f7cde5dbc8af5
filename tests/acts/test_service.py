"""What systemd hears of a run, on a real datagram socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from byteor.acts.service import Service


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.setblocking(False)
        yield heard


def said(systemd: socket.socket) -> list[str]:
    lines = []
    while True:
        try:
            lines += systemd.recv(4096).decode().split("\n")
        except BlockingIOError:
            return lines


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": str(tmp_path / "notify"), **more}


def test_ready_and_stopping_are_said_once_each(tmp_path: Path, systemd: socket.socket) -> None:
    service = Service(environment(tmp_path))
    service.ready("pipe-1")
    for state in ("running", "running", "draining", "draining", "aborting"):
        service.tick(state)
    assert said(systemd) == [
        "READY=1",
        "STATUS=pipe-1 runs",
        f"MAINPID={os.getpid()}",
        "STOPPING=1",
        "STATUS=draining",
    ]
    service.close()


def test_the_watchdog_is_fed_at_half_its_limit(
    tmp_path: Path, systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("byteor.acts.service.time.monotonic", lambda: now)
    pid = str(os.getpid())
    service = Service(environment(tmp_path, WATCHDOG_USEC="4000000", WATCHDOG_PID=pid))
    for passed in (0.0, 0.5, 1.9, 2.0, 2.1, 4.1):
        now = 100.0 + passed
        service.tick("running")
    assert said(systemd) == ["WATCHDOG=1"] * 3  # at 0, 2.0 and 4.1
    service.close()


@pytest.mark.parametrize(
    "more", [{}, {"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "x"}]
)
def test_somebody_elses_watchdog_is_not_fed(
    tmp_path: Path, systemd: socket.socket, more: dict[str, str]
) -> None:
    service = Service(environment(tmp_path, **more))
    service.tick("running")
    assert said(systemd) == []
    service.close()


def test_stage_processes_do_not_inherit_the_voice(tmp_path: Path) -> None:
    variables = environment(tmp_path, WATCHDOG_USEC="1", WATCHDOG_PID="1", PATH="/bin")
    Service(variables).close()
    assert variables == {"PATH": "/bin"}


def test_an_abstract_socket_is_reached_and_a_missing_one_harms_nobody(tmp_path: Path) -> None:
    name = f"byteor-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(f"\0{name}")
        service = Service({"NOTIFY_SOCKET": f"@{name}"})
        service.ready("x")
        assert heard.recv(100).startswith(b"READY=1")
        service.close()
    for gone in ({"NOTIFY_SOCKET": str(tmp_path / "nobody")}, {}):
        service = Service(gone)
        service.ready("x")
        service.tick("draining")
        service.close()
