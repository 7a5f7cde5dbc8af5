"""HTTP/1.1 requests as a server that trusts nobody reads them (RFC 9112): bounded, strict, no guessing.

The standard library's server blocks a thread for each peer and reads headers without a deadline, so the few
rules that a POST needs are kept here. Whatever two readers could understand differently is refused.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple

HEAD_BYTES = 16 << 10
HEAD_S = 10.0  # from a request's first byte to the end of its head
BODY_S = 30.0
IDLE_S = 75.0  # between two requests of a connection

_REQUEST = re.compile(rb"([A-Z]{1,16}) ([!-~]{1,4096}) HTTP/1\.([01])")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[^\r\n]*)?\r\n")


class Request(NamedTuple):
    """A request's head. Names of headers are lower case; ``body_bytes`` is None when it is chunked."""

    method: str
    target: str
    headers: dict[str, str]
    keep_alive: bool
    body_bytes: int | None


class Refused(Exception):
    """The request cannot be taken: answer ``status`` and close, for what follows cannot be trusted."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


async def read_head(reader: asyncio.StreamReader) -> Request | None:
    """The next request's head; ``None`` when the peer has nothing more. Raises ``Refused``."""
    try:
        async with asyncio.timeout(IDLE_S):
            first = await reader.readexactly(1)
    except (TimeoutError, asyncio.IncompleteReadError, OSError):
        return None
    try:
        async with asyncio.timeout(HEAD_S):
            head = first + await reader.readuntil(b"\r\n\r\n")
    except TimeoutError:
        raise Refused(408, f"the head took longer than {HEAD_S:g} s") from None
    except asyncio.LimitOverrunError:
        raise Refused(431, f"the head is longer than {HEAD_BYTES:,} bytes") from None
    except (asyncio.IncompleteReadError, OSError):
        return None
    return parse_head(head)


def parse_head(head: bytes) -> Request:
    """A head with its empty line. Raises ``Refused``."""
    request_line, *lines = head[:-4].split(b"\r\n")
    found = _REQUEST.fullmatch(request_line)
    if not found:
        raise Refused(400, "this is no HTTP/1.1 request")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not _NAME.fullmatch(name) or b"\r" in value or b"\n" in value or b"\0" in value:
            raise Refused(400, "a header has not the form Name: value")
        key = name.decode("ascii").lower()
        if key in headers:
            if key in ("content-length", "transfer-encoding", "host", "authorization", "idempotency-key"):
                raise Refused(400, f"the header {key} stands twice")
            headers[key] += ", " + value.strip(b" \t").decode("latin-1")
        else:
            headers[key] = value.strip(b" \t").decode("latin-1")
    method, target, minor = found[1].decode(), found[2].decode(), found[3]
    closing = headers.get("connection", "").lower()
    keep_alive = "close" not in closing if minor == b"1" else "keep-alive" in closing
    if minor == b"1" and "host" not in headers:
        raise Refused(400, "the header host is missing")
    return Request(method, target, headers, keep_alive, _body_bytes(headers))


def _body_bytes(headers: dict[str, str]) -> int | None:
    length, encoding = headers.get("content-length"), headers.get("transfer-encoding")
    if encoding is not None:
        if length is not None:
            raise Refused(400, "content-length and transfer-encoding exclude each other")
        if encoding.lower() != "chunked":
            raise Refused(501, "the only transfer-encoding here is chunked")
        return None
    if length is None:
        return 0
    if not (length.isascii() and length.isdigit() and len(length) < 16):
        raise Refused(400, "content-length is no number")
    return int(length)


async def read_body(
    reader: asyncio.StreamReader, request: Request, max_bytes: int, go_on: Callable[[], Awaitable[None]]
) -> bytes:
    """The whole body; ``go_on`` is called when the peer waits for a ``100 Continue``. Raises ``Refused``."""
    if request.body_bytes is not None and request.body_bytes > max_bytes:
        raise Refused(413, f"the body is longer than {max_bytes:,} bytes")
    if request.headers.get("expect", "").lower() == "100-continue":
        await go_on()
    try:
        async with asyncio.timeout(BODY_S):
            if request.body_bytes is not None:
                return await reader.readexactly(request.body_bytes)
            return await _read_chunks(reader, max_bytes)
    except TimeoutError:
        raise Refused(408, f"the body took longer than {BODY_S:g} s") from None
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
        raise Refused(400, "the body ends before its end, or a chunk is none") from None


async def _read_chunks(reader: asyncio.StreamReader, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    total = 0
    while True:
        found = _CHUNK.fullmatch(await reader.readuntil(b"\r\n"))
        if not found:
            raise Refused(400, "a chunk has no length")
        size = int(found[1], 16)
        if size == 0:
            break
        total += size
        if total > max_bytes:
            raise Refused(413, f"the body is longer than {max_bytes:,} bytes")
        parts.append(await reader.readexactly(size))
        if await reader.readexactly(2) != b"\r\n":
            raise Refused(400, "a chunk is longer than its length")
    trailer_bytes = 0
    while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
        trailer_bytes += len(line)
        if trailer_bytes > HEAD_BYTES:
            raise Refused(431, "the trailer is too long")
    return b"".join(parts)
