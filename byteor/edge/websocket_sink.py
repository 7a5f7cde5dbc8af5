"""WebSocket messages as a sink: to one peer that is connected to.

The protocol has no acknowledgement, but answers come in order: a batch counts as taken when the ping behind
it is answered, and is sent again on a new connection when that does not happen.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from byteor.edge.backoff import Backoff
from byteor.edge.base import SinkEdge
from byteor.edge.errors import EdgeError
from byteor.edge.loop import LoopThread
from byteor.edge.net import SLICE_S
from byteor.edge.spelling import Spelled
from byteor.edge.websocket import Target, connect, leave, need_library, target, why
from byteor.errors import Exit
from byteor.runtime.adapter import Health

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

ANSWER_S = 30.0  # how long the answer to a ping may take
HEARD_BYTES = 1 << 21  # what the peer may say at once; it is thrown away

Result = TypeVar("Result")


class WebSocketSink(SinkEdge):
    """``text``: messages that are UTF-8 go as text, others and with False all as binary."""

    def __init__(self, name: str, place: Target, text: bool, backoff: Backoff) -> None:
        super().__init__(name)
        self._place, self._text, self._backoff = place, text, backoff
        self._thread = LoopThread("byteor-ws")
        self._peer: ClientConnection | None = None
        self._deaf: asyncio.Task[None] | None = None
        self._trouble = ""

    def open(self) -> None:
        """Connects once. Raises ``E_SINK_UNWRITABLE``."""
        from websockets.exceptions import WebSocketException

        self._thread.start()
        try:
            self._wait(self._connect())
        except (OSError, WebSocketException) as error:
            self._thread.stop()
            raise EdgeError(
                "E_SINK_UNWRITABLE",
                f"{self.name}: cannot connect: {why(error)}",
                hint="start the peer first, or check the URL",
                exit=Exit.UNAVAILABLE,
            ) from error

    async def _connect(self) -> None:
        self._peer = await connect(self._place, HEARD_BYTES, 20.0)
        self._deaf = asyncio.get_running_loop().create_task(_ignore(self._peer))

    def write(self, messages: Sequence[bytes | memoryview]) -> None:
        """Raises ``E_SINK_CLOSED`` when the peer stays away, ``E_SINK_CANCELLED``."""
        from websockets.exceptions import WebSocketException

        if not messages:
            return
        batch = [self._message(bytes(message)) for message in messages]
        while True:
            self.check_cancelled()
            try:
                if self._peer is None:
                    self._wait(self._connect())
                    self._counted["reconnects"] += 1
                self._wait(self._send(batch))
                break
            except (OSError, WebSocketException) as error:
                self._lost(error)
        self._backoff.reset()
        self._trouble = ""
        self._counted["messages"] += len(batch)

    def _message(self, message: bytes) -> str | bytes:
        if not self._text:
            return message
        try:
            return message.decode()
        except UnicodeDecodeError:
            return message

    async def _send(self, batch: list[str | bytes]) -> None:
        assert self._peer is not None
        async with asyncio.timeout(ANSWER_S):
            for message in batch:
                await self._peer.send(message)
            await (await self._peer.ping())

    def _wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        """``work``'s result; a cancelled sink does not wait for it."""
        future = self._thread.submit(work)
        while True:
            try:
                return future.result(SLICE_S)
            except concurrent.futures.TimeoutError:
                if future.done():  # its own
                    raise
                if self._cancelled.is_set():
                    future.cancel()
                    self.give_up_cancelled()

    def _lost(self, error: Exception) -> None:
        self._trouble = why(error)
        if self._peer is not None:
            self._thread.soon(self._peer.transport.abort)  # it may be open and only silent
        self._peer = None
        wait_s = self._backoff.wait_s()
        if wait_s is None:
            raise EdgeError(
                "E_SINK_CLOSED",
                f"{self.name}: the peer went away and did not come back: {self._trouble}",
                hint="start the peer and run again, or raise give_up_s (0: never give up)",
            ) from error
        self._counted["retries"] += 1
        if self._cancelled.wait(wait_s):
            self.give_up_cancelled()

    def close(self) -> None:
        if self._peer is not None:
            with contextlib.suppress(EdgeError):  # cancelled: nobody waits for a farewell
                self._wait(leave(self._peer))
        self._peer = None
        self._thread.stop()

    def health(self) -> Health:
        return Health(ok=not self._trouble, detail=self.told(self._trouble or "connected"))


async def _ignore(peer: ClientConnection) -> None:
    """What the peer says is nobody's, but must be read for its answers to come."""
    from websockets.exceptions import ConnectionClosed

    try:
        async for _ in peer:
            pass
    except ConnectionClosed:
        pass


def ws_sink(spelled: Spelled) -> WebSocketSink:
    need_library(spelled.kind)
    return WebSocketSink(
        spelled.text, target(spelled), spelled.flag("text"), Backoff(spelled.seconds("give_up_s"))
    )
