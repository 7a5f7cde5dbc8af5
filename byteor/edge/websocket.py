"""What the WebSocket source and sink share: the library, the URL, the connection.

``websockets`` speaks the protocol; it is an extra (``pip install 'byteor[ws]'``) and loaded when it is named.
"""

from __future__ import annotations

import importlib.util
import ssl
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from byteor.edge.errors import EdgeError, bad_argument, reason
from byteor.edge.spelling import Spelled
from byteor.errors import Exit

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

OPEN_S = 5.0
CLOSE_S = 1.0


class Target(NamedTuple):
    """Where to connect to."""

    url: str
    context: ssl.SSLContext | None


def need_library(kind: str) -> None:
    """Raises ``E_UNAVAILABLE`` without the library."""
    if importlib.util.find_spec("websockets") is None:
        raise EdgeError(
            "E_UNAVAILABLE",
            f"{kind}: needs the package websockets, which is not installed",
            hint="pip install 'byteor[ws]'",
            exit=Exit.UNAVAILABLE,
        )


def target(spelled: Spelled) -> Target:
    """Raises ``E_EDGE_ARGUMENT``, ``E_SOURCE_UNREADABLE`` for certificates that cannot be read."""
    url = f"{spelled.kind}:{spelled.argument}"
    try:
        parts = urlsplit(url)
        named = parts.hostname and parts.port != 0
    except ValueError as error:
        raise bad_argument(spelled.kind, spelled.usage, f"no URL: {error}") from None
    if not named or not spelled.argument.startswith("//") or parts.fragment or not url.isascii():
        raise bad_argument(spelled.kind, spelled.usage, "the URL names no host, or has a fragment")
    if parts.username or parts.password:
        raise bad_argument(spelled.kind, spelled.usage, "a password would be seen by everybody")
    if spelled.kind == "ws":
        return Target(url, None)
    try:
        return Target(url, ssl.create_default_context(cafile=spelled.string_or_none("ca_file")))
    except OSError as error:
        raise bad_argument(spelled.kind, spelled.usage, f"ca_file=: {reason(error)}") from None


async def connect(place: Target, max_bytes: int, ping_timeout_s: float | None) -> ClientConnection:
    """An open connection. Raises ``OSError`` or ``websockets.exceptions.WebSocketException``."""
    from websockets.asyncio.client import connect as call

    return await call(
        place.url,
        ssl=place.context,
        max_size=max_bytes,
        max_queue=16,
        open_timeout=OPEN_S,
        close_timeout=CLOSE_S,
        ping_timeout=ping_timeout_s,
        compression=None,
        proxy=None,
    )


async def leave(peer: ClientConnection) -> None:
    """Close the connection, with a farewell when the peer still listens; its socket is closed in any case."""
    try:
        await peer.close()
    finally:
        peer.transport.abort()


def why(error: BaseException) -> str:
    """An error of the connection in an operator's words."""
    if isinstance(error, OSError):
        return reason(error)
    return str(error) or type(error).__name__
