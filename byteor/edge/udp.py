"""``udp:``: one datagram, one message, without any promise; what the kernel threw away is counted."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections import deque
from collections.abc import Sequence
from itertools import islice

from byteor.edge.base import SinkEdge, SourceEdge
from byteor.edge.errors import EdgeError, reason
from byteor.edge.framing import LINES, LinesDecoder
from byteor.edge.net import Address, bound_address, inet_address, listening, resolve, wait_for
from byteor.edge.spelling import Spelled
from byteor.errors import Exit
from byteor.runtime.adapter import Health

MAX_DATAGRAM_BYTES = 65_507  # 65,535 without the headers of IPv4 and UDP
BUFFER_BYTES = 4 << 20  # asked for; the kernel gives at most net.core.rmem_max
SO_RXQ_OVFL = 40  # socket(7); Python has no name for it
LATELY_S = 5.0
_U32 = struct.Struct("=I")


class UdpSource(SourceEdge):
    """Receives on one address. ``dropped_by_kernel`` counts what came while the run was slower."""

    def __init__(self, name: str, address: Address, framing: str, max_bytes: int) -> None:
        super().__init__(name)
        self.address = address  #: after ``open`` with the port that the kernel chose
        self._framing, self._max_bytes = framing, max_bytes
        self._sock: socket.socket | None = None
        self._ready: deque[bytes] = deque()

    def open(self) -> None:
        """Raises ``E_SOURCE_UNREADABLE``."""
        self._sock = listening(self.name, self.address, socket.SOCK_DGRAM)
        self.address = bound_address(self._sock, self.address)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self._sock.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)

    def read(self, max_messages: int, timeout_s: float) -> Sequence[bytes] | None:
        sock = self._sock
        assert sock is not None
        if not self._ready and wait_for(sock, select.POLLIN, timeout_s, lambda: False):
            while len(self._ready) < max_messages and self._receive(sock):
                pass
        batch = list(islice(self._ready, max_messages))
        for _ in batch:
            self._ready.popleft()
        return batch

    def _receive(self, sock: socket.socket) -> bool:
        try:
            data, extras, _, _ = sock.recvmsg(MAX_DATAGRAM_BYTES + 1, 64)
        except BlockingIOError:
            return False
        except OSError as error:
            raise EdgeError("E_SOURCE_READ", f"{self.name}: receiving failed: {reason(error)}") from error
        for level, kind, value in extras:
            if level == socket.SOL_SOCKET and kind == SO_RXQ_OVFL:
                self._counted["dropped_by_kernel"] = _U32.unpack(value)[0]
        messages = self._split(data) if self._framing == LINES else [data]
        for message in messages:
            if len(message) > self._max_bytes:
                self._too_long(message, len(message))
            else:
                self._counted["messages"] += 1
                self._ready.append(message)
        return True

    def _split(self, data: bytes) -> list[bytes]:
        lines = LinesDecoder(self._max_bytes, self._too_long)
        messages = lines.feed(data)
        last = lines.finish()
        return messages if last is None else [*messages, last]

    def _too_long(self, first: bytes, length: int) -> None:
        self._counted["oversize"] += 1
        self.set_aside("E_OVERSIZE", f"over {self._max_bytes:,} bytes", first, length)

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
        self._sock = None

    def health(self) -> Health:
        lost = self._counted["dropped_by_kernel"]
        return Health(ok=not lost, detail=self.told(f"listening on {self.address}"))


class UdpSink(SinkEdge):
    """Sends to one address. ``refused`` counts how often the host there said that nobody listens."""

    def __init__(self, name: str, address: Address) -> None:
        super().__init__(name)
        self._address = address
        self._sock: socket.socket | None = None
        self._refused_s = -LATELY_S

    def open(self) -> None:
        """Raises ``E_SINK_UNWRITABLE`` when there is no such address or no way to it."""
        try:
            family, place = resolve(self._address, socket.SOCK_DGRAM)[0]
            sock = socket.socket(family, socket.SOCK_DGRAM)
            try:
                sock.setblocking(False)
                sock.connect(place)  # type: ignore[arg-type]
            except BaseException:
                sock.close()
                raise
        except OSError as error:
            raise EdgeError(
                "E_SINK_UNWRITABLE",
                f"{self.name}: cannot send to {self._address}: {reason(error)}",
                hint="check the address",
                exit=Exit.UNAVAILABLE,
            ) from error
        self._sock = sock

    def write(self, messages: Sequence[bytes | memoryview]) -> None:
        """Raises ``E_OVERSIZE`` for a message that no datagram holds, ``E_SINK_WRITE``."""
        for message in messages:
            if len(message) <= MAX_DATAGRAM_BYTES:
                self._send(message)
            elif not self.set_aside("E_OVERSIZE", "no datagram holds it", message):
                raise EdgeError(
                    "E_OVERSIZE",
                    f"{self.name}: a message has {len(message):,} bytes, a datagram {MAX_DATAGRAM_BYTES:,}",
                    hint="send it over tcp:, or set such messages aside with --dead-letters PATH",
                )

    def _send(self, message: bytes | memoryview) -> None:
        assert self._sock is not None
        while True:
            self.check_cancelled()
            try:
                self._sock.send(message)
            except ConnectionRefusedError:  # tells of an earlier datagram; this one was not sent
                self._counted["refused"] += 1
                self._refused_s = time.monotonic()
                continue
            except BlockingIOError:
                wait_for(self._sock, select.POLLOUT, 1.0, self._cancelled.is_set)
                continue
            except OSError as error:
                raise EdgeError("E_SINK_WRITE", f"{self.name}: sending failed: {reason(error)}") from error
            self._counted["messages"] += 1
            return

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
        self._sock = None

    def health(self) -> Health:
        lately = time.monotonic() - self._refused_s < LATELY_S
        return Health(ok=not lately, detail=self.told("nobody listens there" if lately else "sending"))


def udp_source(spelled: Spelled) -> UdpSource:
    address = inet_address(spelled, listen=True)
    return UdpSource(spelled.text, address, spelled.string("framing"), spelled.whole("max_bytes"))


def udp_sink(spelled: Spelled) -> UdpSink:
    return UdpSink(spelled.text, inet_address(spelled, listen=False))
