"""HTTP ingress: 202 means published, nothing else does; and no peer can hurt the others."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from edge_peers import PATIENCE_S, Call, Edges, eventually, pump, take

from byteor.edge import EdgeError, http_source, http_wire, intake


def post(
    source: Any, body: bytes = b"hello", path: str = "/in", method: str = "POST", **headers: str
) -> tuple[int, dict[str, Any], http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", source.address.port, timeout=PATIENCE_S)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): v for name, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()), answer
    finally:
        connection.close()


class Run:
    """A run that publishes what it takes, in a thread of its own."""

    def __init__(self, source: Any) -> None:
        self.messages: list[bytes] = []
        self._source = source
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while not self._stop.is_set():
            self.messages += self._source.read(100, 0.01)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def source(edges: Edges) -> Any:
    return edges.source("http://127.0.0.1:0/in?max_bytes=1000&max_body_bytes=5000")


@pytest.fixture
def run(source: Any) -> Any:
    made = Run(source)
    yield made
    made.stop()


def test_a_body_is_a_message_and_lines_are_many(source: Any, run: Run) -> None:
    assert post(source, b"a\nb")[:2] == (202, {"accepted": 1})
    assert post(source, b"1\n\n2\r\n3", Content_Type="application/x-ndjson")[:2] == (202, {"accepted": 3})
    assert run.messages == [b"a\nb", b"1", b"2\r", b"3"]


REFUSED = [
    (404, {"path": "/other"}),
    (405, {"method": "PUT"}),
    (405, {"method": "GET", "body": b""}),
    (400, {"body": b""}),
    (400, {"body": b"\n\n", "Content_Type": "application/x-ndjson"}),
    (403, {"Origin": "https://example.org"}),
    (413, {"body": b"x" * 1001}),
    (413, {"body": b"fits\n" + b"x" * 1001, "Content_Type": "application/x-ndjson"}),
    (413, {"body": b"x" * 5001}),
    (400, {"Idempotency_Key": "x" * 257}),
]


@pytest.mark.parametrize(("status", "request_"), REFUSED)
def test_what_cannot_be_taken_is_answered_so_and_nothing_of_it_is_taken(
    source: Any, run: Run, status: int, request_: dict[str, Any]
) -> None:
    found, told, _ = post(source, **request_)
    assert found == status
    assert told["error"]
    assert post(source, b"next")[0] == 202
    assert run.messages == [b"next"]
    assert source.counts()[f"answered_{status}"] == 1


def test_202_waits_until_the_run_has_published(source: Any) -> None:
    call = Call(lambda: post(source, b"m"))
    assert take(source, 1) == [b"m"]
    call.join(0.2)
    assert call.is_alive()  # taken, but not published yet
    assert source.read(1, 0.0) == []  # asking for more says that it is
    assert call.outcome()[0] == 202


def test_a_run_that_is_slower_is_told_to_the_peers_and_takes_nothing_twice(
    edges: Edges, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_source, "ACCEPT_S", 0.2)
    source = edges.source("http://127.0.0.1:0/in")
    source._intake = intake.Intake(max_messages=2)
    waiting = [Call(lambda: post(source, b"m")) for _ in range(2)]
    eventually(lambda: source._intake.depth() == 2)
    status, told, answer = post(source, b"m")
    assert status == 429 and "nothing was taken" in told["error"]
    assert answer.getheader("Retry-After") == "1"
    assert [call.outcome()[0] for call in waiting] == [503, 503]
    assert source.read(9, 0.0) == []  # they were taken back


def test_a_run_that_ends_answers_those_who_wait(edges: Edges) -> None:
    source = edges.source("http://127.0.0.1:0/in")
    call = Call(lambda: post(source, b"m"))
    eventually(lambda: source._intake.depth() == 1)
    edges.close(source)
    assert call.outcome()[0] == 503


def test_a_repeated_key_is_taken_once(source: Any, run: Run) -> None:
    assert post(source, b"m", Idempotency_Key="k")[1] == {"accepted": 1}
    assert post(source, b"m", Idempotency_Key="k")[1] == {"accepted": 1, "repeated": True}
    assert run.messages == [b"m"]


def test_a_key_that_was_not_taken_may_come_again(edges: Edges, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_source, "ACCEPT_S", 0.1)
    source = edges.source("http://127.0.0.1:0/in")
    assert post(source, b"m", Idempotency_Key="k")[0] == 503
    call = Call(lambda: post(source, b"m", Idempotency_Key="k"))
    assert pump(source, lambda: not call.is_alive()) == [b"m"]
    assert call.outcome()[0] == 202


def test_without_the_token_nobody_sends(edges: Edges, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    source = edges.source(f"http://127.0.0.1:0/in?token_file={tmp_path / 'token'}")
    run = Run(source)
    assert post(source)[0] == 401
    assert post(source, Authorization="Bearer s3cre")[0] == 401
    assert post(source, Authorization="Bearer s3cret")[0] == 202
    run.stop()
    with pytest.raises(EdgeError) as caught:
        edges.source(f"http://127.0.0.1:0/in?token_file={tmp_path / 'none'}")
    assert caught.value.code == "E_EDGE_TOKEN"


def exchange(source: Any, data: bytes, end: bool = True) -> bytes:
    """What the server answers to raw bytes until it closes."""
    with socket.create_connection(("127.0.0.1", source.address.port)) as sock:
        sock.settimeout(PATIENCE_S)
        sock.sendall(data)
        if end:
            sock.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while chunk := sock.recv(65536):
                answer += chunk
        except ConnectionResetError:
            pass
        return answer


HEAD = b"POST /in HTTP/1.1\r\nHost: x\r\n"
GARBAGE = [
    (b"", b""),
    (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"400"),  # TLS
    (b"POST /in\r\n\r\n", b"400"),
    (b"POST /in HTTP/2.0\r\n\r\n", b"400"),
    (b"post /in HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
    (b"POST /in HTTP/1.1\r\n\r\n", b"400"),
    (HEAD + b" folded: x\r\n\r\n", b"400"),
    (HEAD + b"Content-Length : 1\r\n\r\nx", b"400"),
    (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx", b"400"),
    (HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx", b"400"),
    (HEAD + b"Content-Length: +1\r\n\r\nx", b"400"),
    (HEAD + b"Content-Length: -1\r\n\r\nx", b"400"),
    (HEAD + b"Content-Length: 99999999999999999999\r\n\r\n", b"400"),
    (HEAD + b"Content-Length: 10\r\n\r\nshort", b"400"),
    (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", b"501"),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", b"400"),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\n", b"413"),
    (HEAD + b"X: " + b"y" * 20_000 + b"\r\n\r\n", b"431"),
    (b"x" * 40_000, b"431"),
]


@pytest.mark.parametrize(("data", "status"), GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_refused_and_the_next_peer_is_served(
    source: Any, run: Run, data: bytes, status: bytes
) -> None:
    answer = exchange(source, data)
    assert answer.split(b" ", 2)[1:2] == ([status] if status else [])
    assert post(source)[0] == 202
    assert run.messages == [b"hello"]


def test_chunks_and_pipelined_requests_are_understood(source: Any, run: Run) -> None:
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n"
    plain = HEAD + b"Content-Length: 1\r\nConnection: close\r\n\r\nf"
    answer = exchange(source, chunked + plain, end=False)
    assert answer.count(b"HTTP/1.1 202 ") == 2
    assert run.messages == [b"abcde", b"f"]


def test_a_peer_that_waits_for_100_continue_gets_it(source: Any, run: Run) -> None:
    with socket.create_connection(("127.0.0.1", source.address.port)) as sock:
        sock.settimeout(PATIENCE_S)
        sock.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 100 ")
        sock.sendall(b"ab")
        assert sock.recv(1000).startswith(b"HTTP/1.1 202 ")
    assert run.messages == [b"ab"]


def test_a_slow_peer_is_cut_and_the_others_are_served(
    source: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_wire, "HEAD_S", 0.1)
    monkeypatch.setattr(http_wire, "BODY_S", 0.1)
    for begun in (b"POST /in HT", HEAD + b"Content-Length: 5\r\n\r\nab"):
        slow = Call(lambda begun=begun: exchange(source, begun, end=False))
        assert post(source)[0] == 202
        assert slow.outcome().startswith(b"HTTP/1.1 408 ")


def test_one_connection_too_many_is_answered(edges: Edges) -> None:
    source = edges.source("http://127.0.0.1:0/in?max_connections=1")
    with socket.create_connection(("127.0.0.1", source.address.port)) as sock:
        sock.sendall(b"P")
        eventually(lambda: source._connected == 1)
        assert not source.health().ok
        assert exchange(source, b"", end=True).startswith(b"HTTP/1.1 503 ")
    eventually(lambda: source.health().ok)


def test_keep_alive_serves_many_requests_on_one_connection(source: Any, run: Run) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", source.address.port, timeout=PATIENCE_S)
    for number in range(20):
        connection.request("POST", "/in", b"%d" % number)
        answer = connection.getresponse()
        assert answer.status == 202
        answer.read()
    connection.close()
    assert run.messages == [b"%d" % number for number in range(20)]
    assert source.counts()["connections"] == 1
