"""Datagrams: one message each, and what is lost is counted where it can be."""

from __future__ import annotations

import socket

import pytest
from edge_peers import Edges, letters_in, pump, take

from byteor.edge import EdgeError
from byteor.edge.dead_letter import DeadLetters


def test_a_datagram_is_a_message_also_an_empty_one(edges: Edges) -> None:
    source = edges.source("udp::0")
    sink = edges.sink(f"udp:127.0.0.1:{source.address.port}")
    sink.write([b"one", memoryview(b""), b"t\nwo", b"x" * 65_507])
    assert take(source, 4) == [b"one", b"", b"t\nwo", b"x" * 65_507]
    assert source.read(1, 0.0) == []


def test_a_datagram_of_lines_is_many_messages(edges: Edges) -> None:
    source = edges.source("udp::0?framing=lines")
    sink = edges.sink(f"udp:127.0.0.1:{source.address.port}")
    sink.write([b"a\n\nb", b"c\n"])
    assert take(source, 4, batch=3) == [b"a", b"", b"b", b"c"]


def test_what_no_datagram_holds_is_an_error_or_a_dead_letter(edges: Edges, dead: DeadLetters) -> None:
    source = edges.source("udp::0")
    sink = edges.sink(f"udp:127.0.0.1:{source.address.port}")
    with pytest.raises(EdgeError) as caught:
        sink.write([b"x" * 65_508])
    assert caught.value.code == "E_OVERSIZE"
    sink.dead_letters = dead
    sink.write([b"x" * 65_508, b"small"])
    assert take(source, 1) == [b"small"]
    assert letters_in(dead) == [b"x" * 65_508]


def test_a_datagram_over_the_bound_is_refused_and_told(edges: Edges, dead: DeadLetters) -> None:
    source = edges.source("udp::0?max_bytes=10", dead)
    sink = edges.sink(f"udp:127.0.0.1:{source.address.port}")
    sink.write([b"x" * 11, b"fits"])
    assert take(source, 1) == [b"fits"]
    assert letters_in(dead) == [b"x" * 11]
    assert source.counts()["oversize"] == 1


def test_what_the_kernel_dropped_is_counted(edges: Edges) -> None:
    source = edges.source("udp::0")
    source._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sink = edges.sink(f"udp:127.0.0.1:{source.address.port}")
    sink.write([b"x" * 1000] * 100)
    got = pump(source, lambda: not source.read(0, 0.0) and source.counts().get("messages", 0) > 0)
    sink.write([b"after"])  # the count comes with the next datagram
    got += take(source, 1)
    assert source.counts()["dropped_by_kernel"] + len(got) == 101
    assert source.counts()["dropped_by_kernel"] > 0
    assert not source.health().ok


def test_nobody_there_is_counted_and_ends_nothing(edges: Edges) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    sink = edges.sink(f"udp:127.0.0.1:{port}")
    for _ in range(10):
        sink.write([b"x"])
    assert sink.counts()["refused"] > 0
    assert not sink.health().ok
