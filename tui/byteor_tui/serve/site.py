"""The site: textual-serve's page and socket behind the door. One console process a visitor."""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from aiohttp.web_runner import GracefulExit
from textual_serve.server import Server

from byteor.errors import ByteorError, Exit
from byteor_tui.serve.door import SHORTEST_TOKEN, Door, new_token

MAX_VISITORS = 8
LOOPBACK = "127.0.0.1"
# textual-serve's page asks a host of fonts; nothing of ours leaves for anywhere else.
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self' {socket}; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'"
)


class Site(Server):
    """``command`` is what each visitor's process runs; ``door`` judges every request."""

    def __init__(self, command: str, door: Door) -> None:
        super().__init__(command, host=LOOPBACK, title="byteor-console", public_url=door.url)
        self.visitors = 0
        self._door = door

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._guard)
        app.on_response_prepare.append(self._headers)
        return app

    async def on_startup(self, app: web.Application) -> None:
        """Textual's banner goes to stdout; ours is the address, and it was printed."""

    @property
    def _guard(self) -> Middleware:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            door = self._door
            refusal = door.refusal(request.headers, request.cookies, request.query)
            if refusal is not None:
                return web.Response(status=refusal.status, text=refusal.why + "\n")
            if request.path == "/" and "token" in request.query:
                answer: web.StreamResponse = web.Response(status=303, headers={"Location": "/"})
                answer.set_cookie(
                    door.cookie, door.pass_, httponly=True, samesite="Lax", secure=door.secure, path="/"
                )
                return answer
            return await handler(request)

        return guard

    async def _headers(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(HEADERS)
        socket_url = "ws" + self._door.url.removeprefix("http")
        response.headers["Content-Security-Policy"] = POLICY.format(socket=socket_url)

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        if self.visitors >= MAX_VISITORS:
            raise web.HTTPServiceUnavailable(text=f"{MAX_VISITORS} consoles are open already\n")
        self.visitors += 1
        try:
            return await super().handle_websocket(request)
        finally:
            self.visitors -= 1


def serve(
    console: Sequence[str],
    say: Callable[[str], None],
    *,
    port: int = 0,
    public_url: str | None = None,
    token_file: Path | None = None,
    acts: bool = False,
) -> int:
    """Serve ``byteor-console CONSOLE`` until a signal; returns the exit code.

    Raises ``E_SERVE_TOKEN`` for a token file that others can read or that is too short, ``E_SERVE_PORT``.
    """
    token = new_token() if token_file is None else read_token(token_file)
    with listen(port) as listener:
        url = public_url or f"http://{LOOPBACK}:{listener.getsockname()[1]}"
        door = Door(url, token)
        mode = () if acts else ("--read-only",)
        site = Site(shlex.join([sys.executable, "-m", "byteor_tui", *mode, *console]), door)
        logging.getLogger("textual-serve").setLevel(logging.CRITICAL)
        say(door.invitation if token_file is None else f"{url}/?token=...")
        return _run(site, listener)


def _run(site: Site, listener: socket.socket) -> int:
    ended: list[int] = []

    def leave(code: Exit) -> None:
        ended.append(code)
        raise GracefulExit()

    loop = asyncio.new_event_loop()
    loop.add_signal_handler(signal.SIGINT, leave, Exit.INTERRUPTED)
    loop.add_signal_handler(signal.SIGTERM, leave, Exit.TERMINATED)
    web.run_app(
        site._make_app(),
        sock=listener,
        handle_signals=False,
        access_log=None,
        loop=loop,
        shutdown_timeout=2.0,
        print=lambda *_: None,
    )
    return ended[0] if ended else Exit.OK


def listen(port: int) -> socket.socket:
    """A listening socket of the loopback. Raises ``E_SERVE_PORT``."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
        listener.listen()  # before its address is told
    except OSError as error:
        listener.close()
        hint = "--port 0 takes a free one"
        message = f"port {port} of {LOOPBACK}: {error.strerror}"
        raise ByteorError("E_SERVE_PORT", message, hint=hint, exit=Exit.UNAVAILABLE) from None
    return listener


def read_token(path: Path) -> str:
    """The token in a private file. Raises ``E_SERVE_TOKEN``."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_mode & 0o077:
            raise _token_error(path, "others can read it", f"chmod 600 {path}")
        text = file.read(4096).decode("utf-8", "replace").strip()
    if len(text) < SHORTEST_TOKEN or not text.isascii() or not text.isprintable() or " " in text:
        hint = "head -c 32 /dev/urandom | base64 | tr +/ -_ | tr -d =  makes one"
        raise _token_error(path, f"a token is {SHORTEST_TOKEN} or more letters and digits on one line", hint)
    return text


def _token_error(path: Path, what: str, hint: str) -> ByteorError:
    return ByteorError("E_SERVE_TOKEN", f"{path}: {what}", hint=hint, exit=Exit.REFUSED)
