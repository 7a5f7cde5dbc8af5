"""Sources and sinks under test, and their peers on the other side of real sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from byteor.edge import parse_sink, parse_source
from byteor.edge.dead_letter import DeadLetters, message_of

PATIENCE_S = 10.0


class Edges:
    """Parses, opens and at the end closes what a test names."""

    def __init__(self) -> None:
        self._open: list[Any] = []

    def source(self, text: str, dead_letters: DeadLetters | None = None) -> Any:
        return self._add(parse_source(text), dead_letters)

    def sink(self, text: str, dead_letters: DeadLetters | None = None) -> Any:
        return self._add(parse_sink(text), dead_letters)

    def _add(self, adapter: Any, dead_letters: DeadLetters | None) -> Any:
        adapter.dead_letters = dead_letters
        adapter.open()
        self._open.append(adapter)
        return adapter

    def dial(self, source: Any) -> socket.socket:
        """A blocking client of a listening source."""
        address = source.address
        if address.path is not None:
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(address.path)
        else:
            sock = socket.create_connection((address.host, address.port))
        sock.settimeout(PATIENCE_S)
        self._open.append(sock)
        return sock

    def close(self, adapter: Any) -> None:
        self._open.remove(adapter)
        adapter.close()

    def close_all(self) -> None:
        while self._open:
            self._open.pop().close()


def letters_in(dead: DeadLetters) -> list[bytes | None]:
    with open(dead.path, "rb") as file:  # noqa: PTH123
        return [message_of(line) for line in file]


def take(source: Any, count: int, batch: int = 1000) -> list[bytes]:
    """Reads until there are ``count`` messages; fails when they do not come."""
    messages: list[bytes] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(messages) < count and time.monotonic() < deadline:
        part = source.read(batch, 0.02)
        assert part is not None and len(part) <= batch
        messages += part
    assert len(messages) >= count, f"only {len(messages)} of {count}: {source.health()}"
    return messages


def pump(source: Any, until: Callable[[], bool]) -> list[bytes]:
    """Reads until ``until()`` holds; fails when it never does."""
    messages: list[bytes] = []
    deadline = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < deadline, source.health()
        messages += source.read(1000, 0.01) or []
    return messages


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Call(threading.Thread):
    """A call in a thread of its own, and what became of it."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self.result: Any = None
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self.result = self._work()
        except BaseException as error:  # noqa: BLE001
            self.error = error

    def outcome(self) -> Any:
        self.join(PATIENCE_S)
        assert not self.is_alive(), "it hangs"
        if self.error is not None:
            raise self.error
        return self.result


class Listener:
    """A peer that takes one connection after the other; the test reads from them."""

    def __init__(self, sock: socket.socket | None = None) -> None:
        self.sock = sock or socket.create_server(("127.0.0.1", 0))
        self.sock.settimeout(PATIENCE_S)
        self._peers: list[socket.socket] = []

    @property
    def port(self) -> int:
        return int(self.sock.getsockname()[1])

    def accept(self) -> socket.socket:
        peer, _ = self.sock.accept()
        peer.settimeout(PATIENCE_S)
        self._peers.append(peer)
        return peer

    def close(self) -> None:
        self.sock.close()
        for peer in self._peers:
            peer.close()


def received(peer: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (chunk := peer.recv(65536)):
        data += chunk
    return data
