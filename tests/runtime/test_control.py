"""The control socket: asks, answers, and hostile clients."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from byteor.errors import Exit
from byteor.runtime.control import Answer, ControlServer, ask
from byteor.runtime.errors import RunError


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder whose path is longer than a Unix socket's may be."""
    folder = tmp_path / ("long-name-" * 12)
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def asked(run: Path) -> Iterator[list[str]]:
    """A server in a thread of its own; the list fills with what it was asked."""
    heard: list[str] = []
    selector = selectors.DefaultSelector()

    def act(what: str, limit_s: float) -> Answer:
        heard.append(what)
        return Answer(True, "draining")

    server = ControlServer(run, selector, act)
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            for key, _ in selector.select(0.02):
                key.data()

    thread = threading.Thread(target=serve)
    thread.start()
    yield heard
    ended.set()
    thread.join()
    server.close()
    selector.close()


def raw(run: Path, data: bytes) -> bytes:
    import os

    folder = os.open(run, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(f"/proc/self/fd/{folder}/control.sock")
        os.close(folder)
        client.sendall(data)
        return client.recv(4096)


def test_an_ask_reaches_the_run_and_its_answer_comes_back(run: Path, asked: list[str]) -> None:
    assert ask(run, "drain") == Answer(True, "draining")
    assert asked == ["drain"]


@pytest.mark.parametrize(
    "line",
    [b"{}\n", b"nonsense\n", b'{"ask": 7}\n', b'{"ask": "rm"}\n', b"\xff\xfe\n", b'{"ask": "\xff"}\n'],
)
def test_what_is_no_request_is_answered_with_a_refusal(run: Path, asked: list[str], line: bytes) -> None:
    assert b'"ok":false' in raw(run, line)
    assert asked == []


def test_a_client_that_sends_without_end_is_dropped(run: Path, asked: list[str]) -> None:
    try:
        assert raw(run, b"x" * 100_000) == b""
    except (BrokenPipeError, ConnectionResetError):
        pass  # dropped while it was still sending
    assert ask(run, "status").ok


def test_two_requests_in_one_packet_are_both_done(run: Path, asked: list[str]) -> None:
    raw(run, b'{"ask": "status"}\n{"ask": "stop"}\n')
    assert ask(run, "status").ok
    assert asked == ["status", "stop", "status"]


def test_no_server_is_told_as_such(run: Path) -> None:
    with pytest.raises(RunError) as silent:
        ask(run, "drain")
    assert (silent.value.code, silent.value.exit) == ("E_RUN_SILENT", Exit.UNAVAILABLE)
