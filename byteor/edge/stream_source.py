"""Sources of byte streams: ``tcp:`` and ``unix:``, listening for many peers or connected to one.

All of it runs inside ``read``: while the run is slower than its peers nobody reads from the sockets, and the
kernel holds the peers back. Peers are not trusted: their number, their message's size and the time that a
message may take are bounded, and none of them ends the run.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Sequence
from itertools import islice

from byteor.edge.backoff import Backoff
from byteor.edge.base import SourceEdge
from byteor.edge.errors import EdgeError, reason
from byteor.edge.framing import Decoder, Untrusted, decoder
from byteor.edge.net import Address, bound_address, dial, inet_address, listening, unix_address
from byteor.edge.spelling import Spelled
from byteor.errors import Exit
from byteor.runtime.adapter import Health

CHUNK_BYTES = 1 << 16
MESSAGE_S = 30.0  # a message that has begun must end within this time of reading
CONNECT_S = 5.0
READY_LIMIT = 1 << 14  # messages read ahead, give or take one chunk's
STEADY_S = 10.0  # a connection that lasted this long was no failure


class _Peer:
    """One connection: its socket, its decoder and since when it owes the rest of a message."""

    def __init__(self, sock: socket.socket, messages: Decoder, now: float) -> None:
        self.sock = sock
        self.messages = messages
        self.begun_s: float | None = None  # on the source's own clock
        self.heard_s = now


class StreamSource(SourceEdge):
    """Reads from the connections it has; subclasses say how connections come about."""

    def __init__(self, name: str, framing: str, max_bytes: int, idle_s: float = 0.0) -> None:
        super().__init__(name)
        self._framing, self._max_bytes, self._idle_s = framing, max_bytes, idle_s
        self._selector = selectors.DefaultSelector()
        self._peers: set[_Peer] = set()
        self._ready: deque[bytes] = deque()
        self._clock_s = 0.0  # runs only inside read: a run that is slow itself must not blame its peers

    def read(self, max_messages: int, timeout_s: float) -> Sequence[bytes] | None:
        """Never raises because of a peer. What came before a peer failed is kept."""
        began = time.monotonic()
        left = timeout_s
        while not self._ready and left >= 0:
            self._between(left)
            for key, _ in self._selector.select(max(0.0, self._patience_s(left))):
                if isinstance(key.data, _Peer):
                    self._hear(key.data)
                else:
                    self._accept()
                if len(self._ready) >= READY_LIMIT:  # the others stay ready, and are next
                    break
            now = time.monotonic()
            self._clock_s += now - began
            began, left = now, left - (now - began)
            self._expire()
        batch = list(islice(self._ready, max_messages))
        for _ in batch:
            self._ready.popleft()
        return batch

    def _between(self, left: float) -> None:
        """Something to do before each wait."""

    def _patience_s(self, left: float) -> float:
        return left

    def _accept(self) -> None:
        raise AssertionError("only a listener accepts")

    def _add(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        peer = _Peer(sock, decoder(self._framing, self._max_bytes, self._too_long), self._clock_s)
        self._peers.add(peer)
        self._selector.register(sock, selectors.EVENT_READ, peer)
        self._counted["connections"] += 1

    def _too_long(self, first: bytes, length: int) -> None:
        self._counted["oversize"] += 1
        self.set_aside("E_OVERSIZE", f"over {self._max_bytes:,} bytes", first, length)

    def _hear(self, peer: _Peer) -> None:
        try:
            chunk = peer.sock.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:  # it was reset
            self._drop(peer, "torn" if peer.messages.partial else None)
            return
        if not chunk:
            last = peer.messages.finish()
            if last is not None:
                self._take([last])
            self._drop(peer, "torn" if peer.messages.partial else None)
            return
        peer.heard_s = self._clock_s
        try:
            messages = peer.messages.feed(chunk)
        except Untrusted as error:
            self._take(error.messages)
            self._drop(peer, None)
            return
        if not peer.messages.partial:
            peer.begun_s = None
        elif messages or peer.begun_s is None:
            peer.begun_s = self._clock_s
        self._take(messages)

    def _take(self, messages: list[bytes]) -> None:
        self._ready.extend(messages)
        self._counted["messages"] += len(messages)

    def _expire(self) -> None:
        for peer in list(self._peers):
            if peer.begun_s is not None and self._clock_s - peer.begun_s > MESSAGE_S:
                self._drop(peer, "too_slow")
            elif self._idle_s and self._clock_s - peer.heard_s > self._idle_s:
                self._drop(peer, "idle")

    def _drop(self, peer: _Peer, why: str | None) -> None:
        if why is not None:
            self._counted[why] += 1
        self._peers.discard(peer)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(peer.sock)
        peer.sock.close()

    def close(self) -> None:
        for peer in list(self._peers):
            self._drop(peer, None)
        self._selector.close()

    def health(self) -> Health:
        return Health(ok=True, detail=self.told(f"{len(self._peers)} connected"))


class ListeningSource(StreamSource):
    """Many peers at once, up to ``max_connections``; one more is turned away and counted (``refused``)."""

    def __init__(
        self, name: str, address: Address, framing: str, max_bytes: int, max_connections: int, idle_s: float
    ) -> None:
        super().__init__(name, framing, max_bytes, idle_s)
        self.address = address  #: after ``open`` with the port that the kernel chose
        self._max_connections = max_connections
        self._listener: socket.socket | None = None

    def open(self) -> None:
        """Raises ``E_SOURCE_UNREADABLE``."""
        self._listener = listening(self.name, self.address)
        self.address = bound_address(self._listener, self.address)
        self._selector.register(self._listener, selectors.EVENT_READ, None)

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            sock, _ = self._listener.accept()
        except OSError:  # gone again, or no descriptor is free: the next one may do better
            self._counted["accept_errors"] += 1
            time.sleep(0.01)  # without a free descriptor it stays ready: no spinning
            return
        if len(self._peers) >= self._max_connections:
            self._counted["refused"] += 1
            sock.close()
            return
        if self.address.path is None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._add(sock)

    def close(self) -> None:
        super().close()
        if self._listener is not None:
            self._listener.close()
            if self.address.path is not None:
                with contextlib.suppress(OSError):
                    os.unlink(self.address.path)  # noqa: PTH108
        self._listener = None

    def health(self) -> Health:
        full = len(self._peers) >= self._max_connections
        told = f"listening on {self.address}, {len(self._peers)} connected"
        return Health(ok=not full, detail=self.told(told + (" (no more are taken)" if full else "")))


class ConnectedSource(StreamSource):
    """One peer that is called, and called again when it goes; at most ``give_up_s`` without it."""

    def __init__(self, name: str, address: Address, framing: str, max_bytes: int, backoff: Backoff) -> None:
        super().__init__(name, framing, max_bytes)
        self._address = address
        self._backoff = backoff
        self._next_s = 0.0
        self._since_s = 0.0
        self._gave_up = False
        self._why = ""

    def open(self) -> None:
        """Connects once. Raises ``E_SOURCE_UNREADABLE``."""
        try:
            self._call(CONNECT_S)
        except OSError as error:
            raise EdgeError(
                "E_SOURCE_UNREADABLE",
                f"{self.name}: cannot connect to {self._address}: {reason(error)}",
                hint="start the peer first, or check the address",
                exit=Exit.UNAVAILABLE,
            ) from error

    def _call(self, seconds: float) -> None:
        self._add(dial(self._address, seconds, lambda: False))
        self._since_s = time.monotonic()

    def _between(self, left: float) -> None:
        if self._peers or time.monotonic() < self._next_s:
            return
        if self._gave_up:
            raise EdgeError(
                "E_SOURCE_READ",
                f"{self.name}: the peer went away and did not come back: {self._why}",
                hint="start the peer and run again, or raise give_up_s (0: never give up)",
            )
        try:
            self._call(max(0.01, min(left, CONNECT_S)))
        except OSError as error:
            self._failed(reason(error))
        else:
            self._counted["reconnects"] += 1

    def _failed(self, why: str) -> None:
        wait = self._backoff.wait_s()
        self._gave_up = wait is None
        self._why = why
        self._next_s = time.monotonic() + (wait or 0.0)

    def _patience_s(self, left: float) -> float:
        if self._peers:
            return left
        return min(left, max(0.0, self._next_s - time.monotonic()))

    def _take(self, messages: list[bytes]) -> None:
        super()._take(messages)
        if messages:
            self._backoff.reset()

    def _drop(self, peer: _Peer, why: str | None) -> None:
        super()._drop(peer, why)
        if time.monotonic() - self._since_s >= STEADY_S:
            self._backoff.reset()
        self._failed(
            "it closed the connection"
        )  # one that accepts and closes at once is not called in a loop

    def health(self) -> Health:
        told = "connected" if self._peers else f"away: {self._why}"
        return Health(ok=bool(self._peers), detail=self.told(told))


def tcp_source(spelled: Spelled) -> StreamSource:
    listen = spelled.string("mode") == "listen"
    return _stream_source(spelled, inet_address(spelled, listen=listen))


def unix_source(spelled: Spelled) -> StreamSource:
    return _stream_source(spelled, unix_address(spelled))


def _stream_source(spelled: Spelled, address: Address) -> StreamSource:
    framing, max_bytes = spelled.string("framing"), spelled.whole("max_bytes")
    if spelled.string("mode") == "connect":
        return ConnectedSource(
            spelled.text, address, framing, max_bytes, Backoff(spelled.seconds("give_up_s"))
        )
    return ListeningSource(
        spelled.text, address, framing, max_bytes, spelled.whole("max_connections"), spelled.seconds("idle_s")
    )
