"""HTTP egress: retried until it is taken, the same key for each try, and one bad message stops no other."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from edge_peers import Call, Edges, Listener, eventually, letters_in

from byteor.edge import EdgeError, parse_sink
from byteor.edge.dead_letter import DeadLetters

Answer = Callable[[bytes], tuple[int, dict[str, str]]]


class Peer(http.server.ThreadingHTTPServer):
    """Keeps what was POSTed; ``answer`` decides the status."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[bytes, dict[str, str]]] = []
        self.answer: Answer = lambda body: (202, {})
        self.close_after = False

    def url(self, options: str = "") -> str:
        return f"http://127.0.0.1:{self.server_port}/in{options}"

    def bodies(self) -> list[bytes]:
        return [body for body, _ in self.requests]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        peer: Any = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        peer.requests.append((body, dict(self.headers)))
        status, headers = peer.answer(body)
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = peer.close_after  # without saying so

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def test_a_batch_goes_as_lines_and_a_message_alone_as_it_is(edges: Edges, peer: Peer) -> None:
    sink = edges.sink(peer.url("?batch=2"))
    sink.write([memoryview(b"1"), b"2", b"3", b"4\n5", b"6"])
    assert peer.bodies() == [b"1\n2\n", b"3", b"4\n5", b"6"]
    assert peer.requests[0][1]["Content-Type"] == "application/x-ndjson"
    assert peer.requests[2][1]["Content-Type"] == "application/octet-stream"
    assert len({headers["Idempotency-Key"] for _, headers in peer.requests}) == 4


def test_a_busy_peer_gets_the_same_request_again_with_the_same_key(edges: Edges, peer: Peer) -> None:
    answers = iter([(503, {}), (429, {"Retry-After": "0"}), (500, {}), (202, {})])
    peer.answer = lambda body: next(answers)
    sink = edges.sink(peer.url())
    sink.write([b"a", b"b"])
    assert peer.bodies() == [b"a\nb\n"] * 4
    assert len({headers["Idempotency-Key"] for _, headers in peer.requests}) == 1
    assert sink.counts()["retries"] == 3
    assert sink.health().ok


def test_a_kept_connection_that_was_closed_is_opened_anew(edges: Edges, peer: Peer) -> None:
    peer.close_after = True
    sink = edges.sink(peer.url())
    for number in range(5):
        sink.write([b"%d" % number])
    assert peer.bodies() == [b"0", b"1", b"2", b"3", b"4"]
    assert sink.counts()["reconnects"] == 4
    assert sink.counts().get("retries", 0) == 0


def test_only_the_bad_message_of_a_batch_is_set_aside(edges: Edges, peer: Peer, dead: DeadLetters) -> None:
    taken: list[bytes] = []

    def answer(body: bytes) -> tuple[int, dict[str, str]]:
        if b"bad" in body:
            return 422, {}
        taken.extend(body.split())
        return 202, {}

    peer.answer = answer
    sink = edges.sink(peer.url(), dead)
    sink.write([b"1", b"2", b"bad", b"4", b"5", b"6", b"7"])
    assert taken == [b"1", b"2", b"4", b"5", b"6", b"7"]
    assert letters_in(dead) == [b"bad"]


@pytest.mark.parametrize("status", [301, 401, 404, 422])
def test_a_refusal_ends_the_run_when_nothing_sets_messages_aside(
    edges: Edges, peer: Peer, status: int
) -> None:
    peer.answer = lambda body: (status, {})
    with pytest.raises(EdgeError, match=str(status)) as caught:
        edges.sink(peer.url()).write([b"m"])
    assert caught.value.code == "E_SINK_REFUSED"


def test_a_wrong_url_sets_nothing_aside(edges: Edges, peer: Peer, dead: DeadLetters) -> None:
    peer.answer = lambda body: (404, {})
    with pytest.raises(EdgeError):
        edges.sink(peer.url(), dead).write([b"m"])
    assert letters_in(dead) == []


def test_a_peer_that_stays_busy_ends_the_sink_in_time(edges: Edges, peer: Peer) -> None:
    peer.answer = lambda body: (503, {})
    with pytest.raises(EdgeError, match="answers 503") as caught:
        edges.sink(peer.url("?give_up_s=0.3")).write([b"m"])
    assert caught.value.code == "E_SINK_CLOSED"


def test_who_does_not_speak_http_is_told_so(edges: Edges, listener: Listener) -> None:
    sink = edges.sink(f"http://127.0.0.1:{listener.port}/?give_up_s=0.2")
    call = Call(lambda: sink.write([b"m"]))
    for _ in range(2):
        one = listener.accept()
        one.recv(10_000)
        one.sendall(b"220 smtp ready\r\n")
        one.close()
    listener.close()
    with pytest.raises(EdgeError) as caught:
        call.outcome()
    assert caught.value.code == "E_SINK_CLOSED"


def test_a_source_takes_what_a_sink_posts(edges: Edges) -> None:
    source = edges.source("http://127.0.0.1:0/in")
    sink = edges.sink(f"http://127.0.0.1:{source.address.port}/in?batch=10")
    messages = [b"%d" % number for number in range(95)] + [b"two\nlines", b"end"]
    got: list[bytes] = []
    call = Call(lambda: sink.write(messages))
    while call.is_alive():
        got += source.read(7, 0.01)
    call.outcome()
    assert got == messages


WRONG = ["http:x", "http://", "http://u:p@h/", "http://h:0/", "http://h:99999/", "http://h/a b", "https:///x"]


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_url_is_a_usage_error(text: str) -> None:
    with pytest.raises(EdgeError) as caught:
        parse_sink(text)
    assert caught.value.code == "E_EDGE_ARGUMENT"


def test_a_wait_for_an_answer_can_be_ended(edges: Edges, listener: Listener) -> None:
    sink = edges.sink(f"http://127.0.0.1:{listener.port}/")
    call = Call(lambda: sink.write([b"m"]))
    peer = listener.accept()
    assert b"POST" in peer.recv(10_000)
    sink.cancel()
    with pytest.raises(EdgeError) as caught:
        call.outcome()
    assert caught.value.code == "E_SINK_CANCELLED"
    eventually(lambda: not call.is_alive())
