"""Sinks of byte streams: ``tcp:`` and ``unix:``, connected to one peer that reads.

A stream has no acknowledgements: what lay in the kernel's buffers when the peer went away is lost, and the
batch that was being written then is written again from its first message.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Sequence

from byteor.edge.backoff import Backoff
from byteor.edge.base import SinkEdge
from byteor.edge.errors import EdgeError, reason
from byteor.edge.framing import LINES, encode
from byteor.edge.net import Address, dial, inet_address, unix_address, wait_for
from byteor.edge.spelling import Spelled
from byteor.errors import Exit
from byteor.runtime.adapter import Health

CONNECT_S = 5.0
STALLED_S = 1.0  # a peer that has taken nothing for this long is told by health


class StreamSink(SinkEdge):
    """Writes each batch as one piece; a slow peer holds the run back, one that goes is called again."""

    def __init__(self, name: str, address: Address, framing: str, backoff: Backoff) -> None:
        super().__init__(name)
        self._address, self._framing, self._backoff = address, framing, backoff
        self._sock: socket.socket | None = None
        self._stalled_since_s: float | None = None
        self._why = ""

    def open(self) -> None:
        """Connects once. Raises ``E_SINK_UNWRITABLE``."""
        try:
            self._sock = dial(self._address, CONNECT_S, self._cancelled.is_set)
        except OSError as error:
            raise EdgeError(
                "E_SINK_UNWRITABLE",
                f"{self.name}: cannot connect to {self._address}: {reason(error)}",
                hint="start the peer first, or check the address",
                exit=Exit.UNAVAILABLE,
            ) from error

    def write(self, messages: Sequence[bytes | memoryview]) -> None:
        """Raises ``E_SINK_CLOSED`` when the peer stays away, ``E_FRAMING``, ``E_SINK_CANCELLED``."""
        if not messages:
            return
        encoded = encode(self._framing, messages)
        if self._framing == LINES and encoded.count(b"\n") != len(messages):
            messages = self.one_line_each(messages)
            encoded = encode(self._framing, messages) if messages else b""
        data = memoryview(encoded)
        while True:
            self.check_cancelled()
            try:
                if self._sock is None:
                    self._sock = dial(self._address, CONNECT_S, self._cancelled.is_set)
                    self._counted["reconnects"] += 1
                self._check_open(self._sock)
                self._send(self._sock, data)
                break
            except OSError as error:
                self._lost(error)
        self._backoff.reset()
        self._counted["messages"] += len(messages)

    def _check_open(self, sock: socket.socket) -> None:
        """Notice a peer that has closed before a batch is lost on it; what it says is thrown away."""
        try:
            if not sock.recv(4096, socket.MSG_DONTWAIT):
                raise ConnectionResetError("the peer has closed the connection")
        except BlockingIOError:
            pass

    def _send(self, sock: socket.socket, data: memoryview) -> None:
        while data:
            try:
                data = data[sock.send(data) :]
                self._stalled_since_s = None
            except BlockingIOError:
                if self._stalled_since_s is None:
                    self._stalled_since_s = time.monotonic()
                wait_for(sock, select.POLLOUT, 1.0, self._cancelled.is_set)
                self.check_cancelled()

    def _lost(self, error: OSError) -> None:
        if self._sock is not None:
            self._sock.close()
        self._sock, self._why = None, reason(error)
        wait = self._backoff.wait_s()
        if wait is None:
            raise EdgeError(
                "E_SINK_CLOSED",
                f"{self.name}: the peer went away and did not come back: {self._why}",
                hint="start the peer and run again, or raise give_up_s (0: never give up)",
            ) from error
        self._counted["retries"] += 1
        if self._cancelled.wait(wait):
            self.give_up_cancelled()

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
        self._sock = None

    def health(self) -> Health:
        stalled = self._stalled_since_s
        if self._sock is None:
            return Health(ok=False, detail=self.told(f"away: {self._why}"))
        if stalled is not None and time.monotonic() - stalled > STALLED_S:
            return Health(ok=False, detail=self.told("the peer takes nothing"))
        return Health(ok=True, detail=self.told("connected"))


def tcp_sink(spelled: Spelled) -> StreamSink:
    return _stream_sink(spelled, inet_address(spelled, listen=False))


def unix_sink(spelled: Spelled) -> StreamSink:
    return _stream_sink(spelled, unix_address(spelled))


def _stream_sink(spelled: Spelled, address: Address) -> StreamSink:
    return StreamSink(spelled.text, address, spelled.string("framing"), Backoff(spelled.seconds("give_up_s")))
