"""The control socket: asks, answers, and hostile clients."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from byteor.errors import Exit
from byteor.runtime.control import Answer, ControlServer, ask, demand
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


@pytest.fixture
def oldest(run: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The server decodes as the first version did: it knows ``ask`` and refuses whatever else it is told."""

    class OldestRequest(msgspec.Struct, forbid_unknown_fields=True):
        ask: str
        limit_s: ClassVar[float] = 0.0

    def answer(server: ControlServer, line: bytes) -> Answer:
        try:
            request = msgspec.json.decode(line, type=OldestRequest)
        except msgspec.DecodeError as error:
            return Answer(False, "", f"not a request: {error}")
        known = request.ask in ("status", "drain", "stop")
        return server._act(request.ask, 0.0) if known else Answer(False, "", "unknown ask")

    monkeypatch.setattr(ControlServer, "_answer", answer)


@pytest.mark.parametrize(("what", "limit_s"), [("drain", 0.0), ("drain", 5.0), ("stop", 0.0)])
def test_a_run_of_the_oldest_version_is_ended(
    run: Path, asked: list[str], oldest: None, what: str, limit_s: float
) -> None:
    assert demand(run, what, limit_s) == Answer(True, "draining")
    assert asked == [what]
    assert not ask(run, "hold", 1.0).ok


def test_a_run_that_does_not_understand_is_no_success(run: Path, asked: list[str], oldest: None) -> None:
    with pytest.raises(RunError) as refused:
        demand(run, "leave")
    assert (refused.value.code, refused.value.exit, asked) == ("E_RUN_VERSION", Exit.UNAVAILABLE, [])


def test_what_a_later_version_adds_is_passed_over(run: Path, asked: list[str]) -> None:
    assert b'"ok":true' in raw(run, b'{"ask": "drain", "because": "upgrade"}\n')
    assert asked == ["drain"]
