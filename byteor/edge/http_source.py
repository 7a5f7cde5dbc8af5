"""``http://HOST:PORT/PATH`` as a source: a small server that takes messages by POST.

A body is one message, or lines of them with ``Content-Type: application/x-ndjson``. The answer is 202 when
the run has published all of them, and nothing but an error before: 413 too large, 429 while the run is slower
than its peers, 503 when it ends or did not take them in time; after both nothing was taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import socket
from collections import OrderedDict
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

from byteor.edge.base import SourceEdge
from byteor.edge.errors import EdgeError, reason
from byteor.edge.http_wire import HEAD_BYTES, Refused, Request, read_body, read_head
from byteor.edge.intake import Intake
from byteor.edge.loop import LoopThread
from byteor.edge.net import Address, bound_address, listen_url, listening
from byteor.edge.spelling import Spelled
from byteor.errors import Exit
from byteor.runtime.adapter import Health

LINES_TYPES = ("application/x-ndjson", "application/jsonl", "application/jsonlines")
ACCEPT_S = 5.0  # how long a request waits for the run before it is taken back and answered 503
LINGER_S = 1.0  # how long a refused peer may go on sending before the connection is cut
KEYS = 10_000  # Idempotency-Keys remembered
KEY_CHARACTERS = 256


class HttpSource(SourceEdge):
    """``token``: what ``Authorization: Bearer`` must say. Requests of web pages (``Origin``) are refused."""

    def __init__(
        self,
        name: str,
        address: Address,
        path: str,
        *,
        max_bytes: int,
        max_body_bytes: int,
        max_connections: int,
        token_file: str | None = None,
    ) -> None:
        super().__init__(name)
        self.address = address  #: after ``open`` with the port that the kernel chose
        self._path = path
        self._max_bytes, self._max_body_bytes = max_bytes, max_body_bytes
        self._max_connections = max_connections
        self._token_file = token_file
        self._token: str | None = None
        self._intake = Intake()
        self._keys: OrderedDict[str, int | None] = OrderedDict()  # None: under way
        self._connected = 0
        self._thread: LoopThread | None = None
        self._server: asyncio.Server | None = None

    # -- the run's side

    def open(self) -> None:
        """Raises ``E_SOURCE_UNREADABLE``."""
        if self._token_file is not None:
            self._token = read_token(self._token_file)
        sock = listening(self.name, self.address)
        self.address = bound_address(sock, self.address)
        self._thread = LoopThread("byteor-http")
        self._thread.start()
        self._server = self._thread.call(self._listen(sock))

    async def _listen(self, sock: socket.socket) -> asyncio.Server:
        return await asyncio.start_server(self._serve, sock=sock, limit=HEAD_BYTES)

    def read(self, max_messages: int, timeout_s: float) -> Sequence[bytes] | None:
        batch = self._intake.take(max_messages, timeout_s)
        self._counted["messages"] += len(batch)
        return batch

    def close(self) -> None:
        """Answers 503 to those who wait, then cuts every connection."""
        self._intake.close()
        if self._thread is not None:
            with contextlib.suppress(TimeoutError):
                self._thread.call(self._leave(), 1.0)
            self._thread.stop()
        self._thread = None

    async def _leave(self) -> None:
        if self._server is not None:
            self._server.close()
        await asyncio.sleep(0.05)  # the answers of those who wait go out

    def health(self) -> Health:
        depth = self._intake.depth()
        told = self.told(
            f"listening on {self.address}{self._path}, {self._connected} connected, {depth} queued"
        )
        return Health(ok=self._connected < self._max_connections, detail=told)

    # -- the peers' side, in the loop's thread

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._counted["connections"] += 1
        self._connected += 1
        try:
            if self._connected > self._max_connections:
                self._counted["refused"] += 1
                await self._refuse(reader, writer, Refused(503, "too many connections"))
                return
            while await self._one(reader, writer):
                pass
        except OSError:  # the peer went away
            pass
        finally:
            self._connected -= 1
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether another may follow on this connection."""
        try:
            request = await read_head(reader)
            if request is None:
                return False
            self._counted["requests"] += 1
            self._check(request)
            body = await read_body(reader, request, self._max_body_bytes, lambda: _continue(writer))
        except Refused as refused:
            await self._refuse(reader, writer, refused)
            return False
        try:
            taken, repeated = await self._accept(request, self._messages(request, body))
        except Refused as refused:  # the request itself was read to its end: the connection is sound
            self._counted[f"answered_{refused.status}"] += 1
            await _answer(writer, refused.status, {"error": str(refused)}, request.keep_alive)
            return request.keep_alive
        told: dict[str, object] = {"accepted": taken}
        if repeated:
            told["repeated"] = True
        await _answer(writer, 202, told, request.keep_alive)
        return request.keep_alive

    def _check(self, request: Request) -> None:
        if self._token is not None:
            given = request.headers.get("authorization", "").encode("latin-1")
            if not hmac.compare_digest(given, f"Bearer {self._token}".encode()):
                raise Refused(401, "the bearer token is missing or wrong")
        if "origin" in request.headers:  # a web page in somebody's browser reaches loopback, too
            raise Refused(403, "requests of web pages are not taken")
        if request.target.partition("?")[0] != self._path:
            raise Refused(404, f"messages go to {self._path}")
        if request.method != "POST":
            raise Refused(405, "messages come by POST")

    def _messages(self, request: Request, body: bytes) -> list[bytes]:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in LINES_TYPES:
            messages = [line for line in body.split(b"\n") if line.strip()]
        else:
            messages = [body] if body else []
        if not messages:
            raise Refused(400, "the body is empty")
        for index, message in enumerate(messages):
            if len(message) > self._max_bytes:
                self._counted["oversize"] += 1
                raise Refused(
                    413, f"message {index + 1} is longer than {self._max_bytes:,} bytes; none was taken"
                )
        return messages

    async def _accept(self, request: Request, messages: list[bytes]) -> tuple[int, bool]:
        """How many messages the run has published, and whether it had done so before."""
        key = request.headers.get("idempotency-key")
        if key is None:
            return await self._publish(messages), False
        if len(key) > KEY_CHARACTERS:
            raise Refused(400, "the idempotency-key is too long")
        if key in self._keys:
            known = self._keys[key]
            if known is None:
                raise Refused(409, "a request with this idempotency-key is under way")
            self._counted["repeated"] += 1
            return known, True
        self._keys[key] = None
        try:
            taken = await self._publish(messages)
        except BaseException:
            del self._keys[key]
            raise
        self._keys[key] = taken
        while len(self._keys) > KEYS:
            self._keys.popitem(last=False)
        return taken, False

    async def _publish(self, messages: list[bytes]) -> int:
        loop = asyncio.get_running_loop()
        published: asyncio.Future[bool] = loop.create_future()
        thread = self._thread

        def settle(ok: bool) -> None:
            if thread is not None:
                thread.soon(_set, published, ok)

        receipt = self._intake.offer(messages, settle)
        if receipt is None:
            raise Refused(429, "the run is slower than its peers; nothing was taken")
        try:
            ok = await asyncio.wait_for(asyncio.shield(published), ACCEPT_S)
        except TimeoutError:
            if self._intake.withdraw(receipt):
                raise Refused(503, "the run did not take it in time; nothing was taken") from None
            ok = await published  # it is being published
        if not ok:
            raise Refused(503, "the run has ended; nothing or a part was taken")
        return len(messages)

    async def _refuse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, refused: Refused
    ) -> None:
        """Answer, then let the peer finish for a moment: a cut connection would take the answer with it."""
        self._counted[f"answered_{refused.status}"] += 1
        await _answer(writer, refused.status, {"error": str(refused)}, False)
        writer.write_eof()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while await reader.read(HEAD_BYTES):
                    pass


def _set(future: asyncio.Future[bool], ok: bool) -> None:
    if not future.done():  # its connection may have been cut
        future.set_result(ok)


async def _continue(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    await writer.drain()


async def _answer(
    writer: asyncio.StreamWriter, status: int, document: dict[str, object], keep_alive: bool
) -> None:
    body = json.dumps(document).encode() + b"\n"
    head = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"Connection: {'keep-alive' if keep_alive else 'close'}",
    ]
    if status in (429, 503):
        head.append("Retry-After: 1")
    if status == 401:
        head.append("WWW-Authenticate: Bearer")
    if status == 405:
        head.append("Allow: POST")
    writer.write("\r\n".join([*head, "", ""]).encode() + body)
    async with asyncio.timeout(LINGER_S):
        await writer.drain()


def read_token(path: str) -> str:
    """The first line of a token file. Raises ``E_EDGE_TOKEN``."""
    try:
        token = Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = reason(error) if isinstance(error, OSError) else "it is no text"
        raise _bad_token(path, why) from error
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise _bad_token(path, "it holds no token: one line of printable characters")
    return token


def _bad_token(path: str, why: str) -> EdgeError:
    return EdgeError(
        "E_EDGE_TOKEN",
        f"cannot take the token from {path}: {why}",
        hint="name a file with the token alone, readable by this user only",
        exit=Exit.UNAVAILABLE,
    )


def http_source(spelled: Spelled) -> HttpSource:
    address, path = listen_url(spelled)
    return HttpSource(
        spelled.text,
        address,
        path,
        max_bytes=spelled.whole("max_bytes"),
        max_body_bytes=spelled.whole("max_body_bytes"),
        max_connections=spelled.whole("max_connections"),
        token_file=spelled.string_or_none("token_file"),
    )
