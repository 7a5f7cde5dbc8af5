"""TCP and Unix streams over real sockets: order, bounds, peers that misbehave, peers that go and come."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
import time
from pathlib import Path

import pytest
from edge_peers import Call, Edges, Listener, eventually, letters_in, pump, received, take

from byteor.edge import EdgeError, stream_source
from byteor.edge.dead_letter import DeadLetters
from byteor.edge.framing import encode
from byteor.errors import Exit


def framed(*messages: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(message)) + message for message in messages)


@pytest.mark.parametrize("framing", ["lines", "u32"])
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_messages_come_in_the_order_of_each_peer(
    edges: Edges, tmp_path: Path, kind: str, framing: str
) -> None:
    place = "127.0.0.1:0" if kind == "tcp" else tmp_path / "sock"
    source = edges.source(f"{kind}:{place}?framing={framing}")
    peers = [edges.dial(source) for _ in range(3)]
    for start in range(0, 100, 20):
        for number, peer in enumerate(peers):
            messages = [b"%d-%03d" % (number, index) for index in range(start, start + 20)]
            peer.sendall(encode(framing, messages))
    got = take(source, 300, batch=7)
    for number, peer in enumerate(peers):
        assert [m for m in got if m.startswith(b"%d-" % number)] == [
            b"%d-%03d" % (number, index) for index in range(100)
        ]
        peer.close()
    assert source.counts()["messages"] == 300


def test_without_a_host_it_listens_on_loopback_only(edges: Edges) -> None:
    source = edges.source("tcp::0")
    assert source.address.host == "127.0.0.1"
    assert "listening on 127.0.0.1:" in source.health().detail


def test_a_unix_socket_is_private_and_goes_with_its_source(edges: Edges, tmp_path: Path) -> None:
    path = tmp_path / "sock"
    before = os.umask(0)
    try:
        source = edges.source(f"unix:{path}")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    edges.close(source)
    assert not path.exists()


def test_a_dead_socket_is_replaced_but_a_live_one_or_a_file_never(edges: Edges, tmp_path: Path) -> None:
    path = tmp_path / "sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    edges.source(f"unix:{path}")
    with pytest.raises(EdgeError, match="EADDRINUSE") as caught:
        edges.source(f"unix:{path}")
    assert caught.value.code == "E_SOURCE_UNREADABLE"
    (tmp_path / "file").write_text("mine")
    with pytest.raises(EdgeError, match="no socket"):
        edges.source(f"unix:{tmp_path / 'file'}")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_taken_port_is_told(edges: Edges, listener: Listener) -> None:
    with pytest.raises(EdgeError, match="EADDRINUSE") as caught:
        edges.source(f"tcp:127.0.0.1:{listener.port}")
    assert (caught.value.code, caught.value.exit) == ("E_SOURCE_UNREADABLE", Exit.UNAVAILABLE)


def test_a_last_line_without_newline_counts_when_the_peer_says_goodbye(edges: Edges) -> None:
    source = edges.source("tcp::0")
    with edges.dial(source) as peer:
        peer.sendall(b"one\ntwo")
    assert take(source, 2) == [b"one", b"two"]


def test_a_peer_that_goes_in_the_middle_of_a_message_leaves_the_rest_whole(edges: Edges) -> None:
    source = edges.source("tcp::0?framing=u32")
    with edges.dial(source) as bad, edges.dial(source) as good:
        bad.sendall(framed(b"whole") + struct.pack(">I", 100) + b"half")
        bad.close()
        good.sendall(framed(b"good"))
        got = pump(source, lambda: source.counts().get("torn") == 1 and source.counts().get("messages") == 2)
    assert sorted(got + source.read(9, 0.01)) == [b"good", b"whole"]


def test_a_reset_is_no_clean_end(edges: Edges) -> None:
    source = edges.source("tcp::0")
    peer = edges.dial(source)
    peer.sendall(b"one\nha")
    assert take(source, 1) == [b"one"]
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    assert pump(source, lambda: source.counts().get("torn") == 1) == []


def test_a_huge_length_ends_that_connection_only(edges: Edges, dead: DeadLetters) -> None:
    source = edges.source("tcp::0?framing=u32&max_bytes=100", dead)
    with edges.dial(source) as bad, edges.dial(source) as good:
        bad.sendall(framed(b"before") + b"\xff\xff\xff\xffGET / HTTP/1.1")
        assert take(source, 1) == [b"before"]
        assert pump(source, lambda: source.counts().get("oversize") == 1) == []
        with contextlib.suppress(ConnectionResetError):
            assert bad.recv(1) == b""
        good.sendall(framed(b"good"))
        assert take(source, 1) == [b"good"]
    assert source.counts()["dead_letters"] == 1
    assert letters_in(dead) == [None]  # only its beginning ever came


def test_a_long_line_is_skipped_and_told_and_the_connection_goes_on(edges: Edges, dead: DeadLetters) -> None:
    source = edges.source("tcp::0?max_bytes=100", dead)
    with edges.dial(source) as peer:
        peer.sendall(b"a\n" + b"x" * 200_000 + b"\nb\n" + b"y" * 101 + b"\nc\n")
        assert take(source, 3) == [b"a", b"b", b"c"]
    assert source.counts()["oversize"] == 2
    assert letters_in(dead) == [None, b"y" * 101]


def test_a_peer_that_never_ends_its_message_is_let_go(edges: Edges, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_source, "MESSAGE_S", 0.1)
    source = edges.source("tcp::0")
    with edges.dial(source) as slow, edges.dial(source) as good:
        pump(source, lambda: source.counts().get("connections") == 2)
        for _ in range(3):
            slow.sendall(b"x")  # one byte now and then does not buy it more time
            source.read(1, 0.02)
        pump(source, lambda: source.counts().get("too_slow") == 1)
        assert slow.recv(1) == b""
        good.sendall(b"alive\n")
        assert take(source, 1) == [b"alive"]


def test_a_run_that_is_slow_itself_does_not_blame_its_peers(
    edges: Edges, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_source, "MESSAGE_S", 0.1)
    source = edges.source("tcp::0")
    with edges.dial(source) as peer:
        peer.sendall(b"begun")
        pump(source, lambda: source.counts().get("connections") == 1)
        source.read(1, 0.01)
        time.sleep(0.3)  # the ring is full: nobody reads
        peer.sendall(b" and ended\n")
        assert take(source, 1) == [b"begun and ended"]


def test_a_silent_peer_is_let_go_when_asked_for(edges: Edges) -> None:
    source = edges.source("tcp::0?idle_s=0.05")
    with edges.dial(source) as peer:
        pump(source, lambda: source.counts().get("idle") == 1)
        assert peer.recv(1) == b""


def test_one_peer_too_many_is_turned_away(edges: Edges) -> None:
    source = edges.source("tcp::0?max_connections=2")
    with edges.dial(source) as one, edges.dial(source), edges.dial(source) as third:
        pump(source, lambda: source.counts().get("refused") == 1)
        assert third.recv(1) == b""
        assert not source.health().ok
        one.close()
        pump(source, lambda: source.health().ok)
        with edges.dial(source) as fourth:
            fourth.sendall(b"in\n")
            assert take(source, 1) == [b"in"]


def test_while_nobody_reads_the_peers_are_held_back(edges: Edges) -> None:
    source = edges.source("tcp::0")
    with edges.dial(source) as peer:
        peer.setblocking(False)
        sent, quiet = 0, 0
        while quiet < 20:
            try:
                sent += peer.send(b"0123456789abcde\n" * 4096)
                quiet = 0
            except BlockingIOError:
                quiet += 1
                time.sleep(0.005)
        assert sent < 64 << 20
        whole = sent // 16
        assert len(take(source, whole, batch=10_000)) == whole


def test_a_source_that_connects_goes_back_to_a_peer_that_went(edges: Edges, listener: Listener) -> None:
    source = edges.source(f"tcp:127.0.0.1:{listener.port}?mode=connect")
    for round in range(3):
        peer = listener.accept()
        peer.sendall(b"round %d\n" % round)
        assert take(source, 1) == [b"round %d" % round]
        peer.close()
        pump(source, lambda: not source.health().ok)
        pump(source, lambda: source.health().ok)
    assert source.counts()["reconnects"] == 3


def test_a_peer_that_stays_away_ends_the_source_in_time(edges: Edges, listener: Listener) -> None:
    source = edges.source(f"tcp:127.0.0.1:{listener.port}?mode=connect&give_up_s=0.3")
    listener.accept().close()
    listener.close()
    with pytest.raises(EdgeError) as caught:
        pump(source, lambda: False)
    assert caught.value.code == "E_SOURCE_READ"


def test_a_peer_that_accepts_and_closes_is_not_called_in_a_loop(edges: Edges, listener: Listener) -> None:
    source = edges.source(f"tcp:127.0.0.1:{listener.port}?mode=connect&give_up_s=0.5")

    def slam() -> int:
        count = 0
        with contextlib.suppress(OSError):
            while True:
                listener.accept().close()
                count += 1
        return count

    door = Call(slam)
    with pytest.raises(EdgeError, match="did not come back"):
        pump(source, lambda: False)
    listener.sock.shutdown(socket.SHUT_RDWR)
    assert door.outcome() < 12


def test_nobody_there_is_told_before_the_run_starts(edges: Edges, listener: Listener) -> None:
    port = listener.port
    listener.close()
    for text in (f"tcp:127.0.0.1:{port}?mode=connect",):
        with pytest.raises(EdgeError, match="ECONNREFUSED") as caught:
            edges.source(text)
        assert caught.value.code == "E_SOURCE_UNREADABLE"
    with pytest.raises(EdgeError, match="ECONNREFUSED") as caught:
        edges.sink(f"tcp:127.0.0.1:{port}")
    assert (caught.value.code, caught.value.exit) == ("E_SINK_UNWRITABLE", Exit.UNAVAILABLE)


def test_a_name_that_nobody_knows_is_told(edges: Edges) -> None:
    with pytest.raises(EdgeError) as caught:
        edges.sink("tcp:nobody.invalid:1")
    assert caught.value.code == "E_SINK_UNWRITABLE"


@pytest.mark.parametrize("framing", ["lines", "u32"])
def test_what_a_sink_sends_a_source_takes(edges: Edges, tmp_path: Path, framing: str) -> None:
    source = edges.source(f"unix:{tmp_path / 'sock'}?framing={framing}")
    sink = edges.sink(f"unix:{tmp_path / 'sock'}?framing={framing}")
    messages = [b"%d" % number for number in range(1000)]
    for at in range(0, 1000, 100):
        sink.write([memoryview(message) for message in messages[at : at + 100]])
    assert take(source, 1000) == messages


def test_a_newline_inside_is_no_two_messages(edges: Edges, listener: Listener, dead: DeadLetters) -> None:
    sink = edges.sink(f"tcp:127.0.0.1:{listener.port}")
    peer = listener.accept()
    with pytest.raises(EdgeError) as caught:
        sink.write([b"one", b"t\nwo"])
    assert caught.value.code == "E_FRAMING"
    sink.dead_letters = dead
    sink.write([b"one", b"t\nwo", b"three"])
    assert received(peer, 10) == b"one\nthree\n"
    assert letters_in(dead) == [b"t\nwo"]
    peer.close()


def test_after_a_disconnect_the_batch_under_way_comes_again_whole(edges: Edges, listener: Listener) -> None:
    sink = edges.sink(f"tcp:127.0.0.1:{listener.port}?framing=u32")
    peer = listener.accept()
    sink.write([b"first"])
    assert received(peer, 9) == framed(b"first")
    big = [bytes([65 + number]) * 1_000_000 for number in range(16)]
    call = Call(lambda: sink.write(big))
    received(peer, 500_000)
    peer.close()  # in the middle of a message
    again = listener.accept()
    assert received(again, len(framed(*big))) == framed(*big)
    call.outcome()
    assert sink.counts()["reconnects"] == 1
    again.close()


def test_a_sink_whose_peer_stays_away_ends_in_time(edges: Edges, listener: Listener) -> None:
    sink = edges.sink(f"tcp:127.0.0.1:{listener.port}?give_up_s=0.3")
    listener.accept().close()
    listener.close()
    with pytest.raises(EdgeError) as caught:
        for _ in range(100):
            sink.write([b"x"])
            time.sleep(0.01)
    assert caught.value.code == "E_SINK_CLOSED"


def test_a_peer_that_takes_nothing_is_told_by_health(
    edges: Edges, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    from byteor.edge import stream_sink

    monkeypatch.setattr(stream_sink, "STALLED_S", 0.02)
    sink = edges.sink(f"tcp:127.0.0.1:{listener.port}")
    peer = listener.accept()
    call = Call(lambda: sink.write([b"x" * (32 << 20)]))
    eventually(lambda: "takes nothing" in sink.health().detail)
    assert not sink.health().ok
    sink.cancel()
    with pytest.raises(EdgeError, match="told to stop"):
        call.outcome()
    peer.close()
