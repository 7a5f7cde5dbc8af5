"""WebSocket messages as a source: from a peer that is connected to, or from many that connect here."""

from __future__ import annotations

import asyncio
import http
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from byteor.edge.backoff import Backoff
from byteor.edge.base import SourceEdge
from byteor.edge.errors import EdgeError
from byteor.edge.intake import Intake
from byteor.edge.loop import LoopThread
from byteor.edge.net import Address, bound_address, listen_url, listening
from byteor.edge.spelling import Spelled
from byteor.edge.websocket import OPEN_S, Target, connect, leave, need_library, target, why
from byteor.errors import Exit
from byteor.runtime.adapter import Health

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection
    from websockets.asyncio.server import Server, ServerConnection
    from websockets.http11 import Request, Response

FULL_S = 0.01  # between two tries while the run is slower: meanwhile nothing is read from the peer
TOO_BIG = 1009  # RFC 6455, 7.4.1


class WebSocketSource(SourceEdge):
    """Takes messages in a thread of its own; what the run has not taken yet is bounded."""

    def __init__(self, name: str, max_bytes: int) -> None:
        super().__init__(name)
        self._max_bytes = max_bytes
        self._intake = Intake()
        self._thread = LoopThread("byteor-ws")
        self._failure: EdgeError | None = None

    def read(self, max_messages: int, timeout_s: float) -> Sequence[bytes] | None:
        batch = self._intake.take(max_messages, timeout_s)
        if not batch and self._failure is not None:
            raise self._failure
        self._counted["messages"] += len(batch)
        return batch

    async def _hear(self, peer: ClientConnection | ServerConnection) -> str:
        """Until the connection ends, and why it did."""
        from websockets.exceptions import ConnectionClosed

        try:
            async for message in peer:
                data = message.encode() if isinstance(message, str) else bytes(message)
                while self._intake.offer([data]) is None:
                    await asyncio.sleep(FULL_S)
        except ConnectionClosed as closed:
            if closed.sent is not None and closed.sent.code == TOO_BIG:
                self._counted["oversize"] += 1
            else:
                self._counted["torn"] += 1
            return why(closed)
        return "it closed the connection"

    def close(self) -> None:
        self._intake.close()
        self._thread.stop()


class ConnectedWebSocket(WebSocketSource):
    """One peer that is called, and called again when it goes; at most ``give_up_s`` without it."""

    def __init__(self, name: str, place: Target, max_bytes: int, backoff: Backoff) -> None:
        super().__init__(name, max_bytes)
        self._place, self._backoff = place, backoff
        self._trouble = ""

    def open(self) -> None:
        """Connects once. Raises ``E_SOURCE_UNREADABLE``."""
        from websockets.exceptions import WebSocketException

        self._thread.start()
        try:
            peer = self._thread.call(connect(self._place, self._max_bytes, None), OPEN_S + 1)
        except (OSError, WebSocketException) as error:
            self._thread.stop()
            raise EdgeError(
                "E_SOURCE_UNREADABLE",
                f"{self.name}: cannot connect: {why(error)}",
                hint="start the peer first, or check the URL; mode=listen waits for peers",
                exit=Exit.UNAVAILABLE,
            ) from error
        self._thread.submit(self._stay(peer))

    async def _stay(self, peer: ClientConnection | None) -> None:
        from websockets.exceptions import WebSocketException

        while True:
            try:
                if peer is None:
                    peer = await connect(self._place, self._max_bytes, None)
                    self._counted["reconnects"] += 1
                before = self._counted["messages"]
                self._trouble = ""
                self._trouble = await self._hear(peer)
                if self._counted["messages"] > before:
                    self._backoff.reset()
            except (OSError, WebSocketException) as error:
                self._trouble = why(error)
            finally:  # this side goes away: the peer is told so
                if peer is not None:
                    await leave(peer)
            peer = None
            wait_s = self._backoff.wait_s()
            if wait_s is None:
                self._failure = EdgeError(
                    "E_SOURCE_READ",
                    f"{self.name}: the peer went away and did not come back: {self._trouble}",
                    hint="start the peer and run again, or raise give_up_s (0: never give up)",
                )
                return
            await asyncio.sleep(wait_s)

    def health(self) -> Health:
        told = f"away: {self._trouble}" if self._trouble else "connected"
        return Health(ok=not self._trouble, detail=self.told(told))


class ListeningWebSocket(WebSocketSource):
    """Many peers, up to ``max_connections``. Requests of web pages (``Origin``) are refused."""

    def __init__(self, name: str, address: Address, path: str, max_bytes: int, max_connections: int) -> None:
        super().__init__(name, max_bytes)
        self.address = address  #: after ``open`` with the port that the kernel chose
        self._path, self._max_connections = path, max_connections
        self._peers: set[ServerConnection] = set()
        self._server: Server | None = None

    def open(self) -> None:
        """Raises ``E_SOURCE_UNREADABLE``."""
        sock = listening(self.name, self.address)
        self.address = bound_address(sock, self.address)
        self._thread.start()
        self._server = self._thread.call(self._listen(sock))

    async def _listen(self, sock: socket.socket) -> Server:
        from websockets.asyncio.server import serve

        return await serve(
            self._serve,
            sock=sock,
            process_request=self._check,
            origins=[None],
            max_size=self._max_bytes,
            max_queue=16,
            open_timeout=OPEN_S,
            ping_timeout=None,  # while the run is slower the answers lie unread behind the messages
            compression=None,
            server_header=None,
        )

    def _check(self, peer: ServerConnection, request: Request) -> Response | None:
        if request.path.partition("?")[0] != self._path:
            return peer.respond(http.HTTPStatus.NOT_FOUND, f"messages go to {self._path}\n")
        if len(self._peers) >= self._max_connections:
            self._counted["refused"] += 1
            return peer.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "too many connections\n")
        return None

    async def _serve(self, peer: ServerConnection) -> None:
        self._counted["connections"] += 1
        self._peers.add(peer)
        try:
            await self._hear(peer)
        finally:
            self._peers.discard(peer)

    def close(self) -> None:
        """Tells every peer that this side goes away (1001)."""
        self._intake.close()
        if self._server is not None:
            try:
                self._thread.call(self._leave(self._server), 1.0)
            except TimeoutError:
                for peer in tuple(self._peers):
                    self._thread.soon(peer.transport.abort)
        super().close()

    async def _leave(self, server: Server) -> None:
        server.close()
        await server.wait_closed()

    def health(self) -> Health:
        told = f"listening on {self.address}{self._path}, {len(self._peers)} connected"
        return Health(ok=len(self._peers) < self._max_connections, detail=self.told(told))


def ws_source(spelled: Spelled) -> WebSocketSource:
    need_library(spelled.kind)
    max_bytes = spelled.whole("max_bytes")
    if spelled.options.get("mode") == "listen":
        address, path = listen_url(spelled)
        return ListeningWebSocket(spelled.text, address, path, max_bytes, spelled.whole("max_connections"))
    return ConnectedWebSocket(spelled.text, target(spelled), max_bytes, Backoff(spelled.seconds("give_up_s")))
