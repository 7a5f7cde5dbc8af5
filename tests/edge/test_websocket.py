"""WebSockets over real sockets: both sides, both directions, peers that go and peers that misbehave."""

from __future__ import annotations

import contextlib
import gc
from typing import Any

import pytest
from edge_peers import Call, Edges, Listener, pump, take
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from byteor.edge import EdgeError, parse_source
from byteor.edge import websocket as shared


@pytest.fixture
def source(edges: Edges) -> Any:
    return edges.source("ws://127.0.0.1:0/in?mode=listen&max_bytes=1000&max_connections=2")


def url(source: Any, path: str = "/in") -> str:
    return f"ws://127.0.0.1:{source.address.port}{path}"


def test_what_a_sink_sends_a_source_takes(edges: Edges, source: Any) -> None:
    sink = edges.sink(url(source))
    messages = [b"%d" % number for number in range(200)] + [b"\xff\x00", b"", b"two\nlines"]
    sink.write([memoryview(message) for message in messages])
    assert take(source, len(messages), batch=7) == messages


def test_a_message_that_is_too_long_ends_that_connection_only(source: Any) -> None:
    with connect(url(source), proxy=None) as bad, connect(url(source), proxy=None) as good:
        bad.send("before")
        bad.send("x" * 1001)
        good.send("good")
        assert sorted(take(source, 2)) == [b"before", b"good"]
        pump(source, lambda: source.counts().get("oversize") == 1)
        good.send("still")
        assert take(source, 1) == [b"still"]


def test_strangers_are_refused(source: Any) -> None:
    for path, headers, status in (("/other", None, 404), ("/in", {"Origin": "https://example.org"}, 403)):
        with pytest.raises(InvalidStatus) as caught:
            connect(url(source, path), additional_headers=headers, proxy=None)
        assert caught.value.response.status_code == status
    with connect(url(source), proxy=None), connect(url(source), proxy=None):
        with pytest.raises(InvalidStatus) as caught:
            connect(url(source), proxy=None)
        assert caught.value.response.status_code == 503
        assert not source.health().ok


def test_a_source_that_connects_comes_back_to_its_peer(edges: Edges) -> None:
    from websockets.sync.server import serve

    def feed(peer: Any) -> None:
        peer.send("hello")  # and closes

    with serve(feed, "127.0.0.1", 0) as server:
        serving = Call(server.serve_forever)
        source = edges.source(f"ws://127.0.0.1:{server.socket.getsockname()[1]}/")
        assert take(source, 3) == [b"hello"] * 3
        assert source.counts()["reconnects"] >= 2
        edges.close(source)
        server.shutdown()
    serving.outcome()


def test_a_source_that_is_closed_says_so_to_its_peer_and_leaves_no_socket(edges: Edges) -> None:
    from websockets.sync.server import serve

    codes: list[int | None] = []

    def feed(peer: Any) -> None:
        peer.send("hello")
        with contextlib.suppress(ConnectionClosed):
            peer.recv()
        codes.append(peer.close_code)

    with serve(feed, "127.0.0.1", 0) as server:
        serving = Call(server.serve_forever)
        source = edges.source(f"ws://127.0.0.1:{server.socket.getsockname()[1]}/")
        assert take(source, 1) == [b"hello"]
        edges.close(source)
        server.shutdown()
    serving.outcome()
    del source
    gc.collect()  # a socket that was left would warn now, and a warning is an error
    assert codes == [1000]


def test_a_sink_sends_the_batch_again_when_nothing_answers_for_it(edges: Edges) -> None:
    first = edges.source("ws://127.0.0.1:0/in?mode=listen")
    port = first.address.port
    sink = edges.sink(f"ws://127.0.0.1:{port}/in")
    sink.write([b"one"])
    assert take(first, 1) == [b"one"]
    edges.close(first)
    call = Call(lambda: sink.write([b"two", b"three"]))
    second = edges.source(f"ws://127.0.0.1:{port}/in?mode=listen")
    assert take(second, 2) == [b"two", b"three"]
    call.outcome()
    assert sink.counts()["reconnects"] >= 1


def test_nobody_there_is_told_before_the_run_starts(edges: Edges, listener: Listener) -> None:
    port = listener.port
    listener.close()
    with pytest.raises(EdgeError) as caught:
        edges.source(f"ws://127.0.0.1:{port}/")
    assert caught.value.code == "E_SOURCE_UNREADABLE"
    with pytest.raises(EdgeError) as caught:
        edges.sink(f"ws://127.0.0.1:{port}/")
    assert caught.value.code == "E_SINK_UNWRITABLE"


def test_a_peer_that_stays_away_ends_both_in_time(edges: Edges) -> None:
    peer = edges.source("ws://127.0.0.1:0/in?mode=listen")
    place = f"ws://127.0.0.1:{peer.address.port}/in?give_up_s=0.3"
    source, sink = edges.source(place), edges.sink(place)
    edges.close(peer)
    with pytest.raises(EdgeError) as caught:
        pump(source, lambda: False)
    assert caught.value.code == "E_SOURCE_READ"
    with pytest.raises(EdgeError) as caught:
        sink.write([b"m"])
    assert caught.value.code == "E_SINK_CLOSED"


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EdgeError, match="websockets") as caught:
        parse_source("ws://127.0.0.1:1/")
    assert caught.value.code == "E_UNAVAILABLE"
    assert caught.value.hint == "pip install 'byteor[ws]'"
