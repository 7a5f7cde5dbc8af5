"""Serve a run's metrics over HTTP from a thread of the supervisor: GET and HEAD, bounded in every way.

It reads the metrics region as any other reader does. Whatever a client does, the run does not notice: at
most ``MAX_CLIENTS`` at once, each within ``CLIENT_S``, one request a connection.
"""

from __future__ import annotations

import contextlib
import http.server
import os
import selectors
import socket
import socketserver
import threading
from pathlib import Path

from byteor.closing import Closing
from byteor.errors import ByteorError, Exit
from byteor.runtime.errors import RunError
from byteor.runtime.reading import Readings
from byteor.runtime.telemetry import CONTENT_TYPE

MAX_CLIENTS = 8
CLIENT_S = 5.0
LOOPBACK = "127.0.0.1"


def parse_address(text: str) -> tuple[str, int]:
    """``PORT``, ``:PORT``, ``HOST:PORT`` or ``[IPv6]:PORT``; loopback unless a host is named.

    Raises ``E_METRICS_ADDR`` (exit 2).
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or LOOPBACK
    if not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        hint = "write PORT or HOST:PORT; port 0 takes a free one"
        raise RunError("E_METRICS_ADDR", f"{text!r} is no address", hint=hint, exit=Exit.USAGE)
    return host, int(port)


class TelemetryServer(Closing):
    """Listens from construction on, so that a taken port keeps the run from starting; answers once it serves.

    Raises ``E_METRICS_ADDR`` (exit 69) when the address cannot be had.
    """

    def __init__(self, address: str) -> None:
        host, port = parse_address(address)
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            self._http = _Server((host, port), family)
        except OSError as error:
            raise RunError(
                "E_METRICS_ADDR",
                f"cannot serve metrics at {address}: {error.strerror or error}",
                hint="another process has this port? --metrics-addr 0 takes a free one",
                exit=Exit.UNAVAILABLE,
            ) from None
        self._closing = os.eventfd(0, os.EFD_CLOEXEC)
        self._thread: threading.Thread | None = None
        self._readings: Readings | None = None

    @property
    def address(self) -> str:
        """``HOST:PORT`` with the port that was given."""
        host, port = self._http.server_address[:2]
        return f"[{host!s}]:{port}" if self._http.address_family == socket.AF_INET6 else f"{host!s}:{port}"

    def serve(self, run: Path) -> None:
        """Answer from now on with the metrics of the run in the folder ``run``."""
        self._readings = self._http.readings = Readings(run)
        self._thread = threading.Thread(target=self._answer, name="telemetry", daemon=True)
        self._thread.start()

    def _answer(self) -> None:
        """Hand each client to a thread of its own until ``close``. Sleeps meanwhile: ``serve_forever`` would
        look around ten times a second to be stopped in good time."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._http, selectors.EVENT_READ, self._http)
            selector.register(self._closing, selectors.EVENT_READ)
            while all(key.data is not None for key, _ in selector.select()):
                self._http.handle_request()

    def close(self) -> None:
        os.eventfd_write(self._closing, 1)
        if self._thread is not None:
            self._thread.join()
        os.close(self._closing)
        self._http.server_close()
        if self._readings is not None:
            self._readings.close()


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    timeout = CLIENT_S  # of a client that hung up between being seen and being accepted
    block_on_close = False
    request_queue_size = MAX_CLIENTS
    readings: Readings

    def __init__(self, address: tuple[str, int], family: socket.AddressFamily) -> None:
        self.address_family = family
        self._room = threading.BoundedSemaphore(MAX_CLIENTS)
        super().__init__(address, _Handler)

    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        # Its own timeouts are per read: a client that sends a byte a second would never end.
        limit = threading.Timer(CLIENT_S, _hang_up, (request,))
        limit.daemon = True
        limit.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            limit.cancel()
            self._room.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is nobody's error."""


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "byteor", ""
    timeout = CLIENT_S

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._metrics()
        elif path == "/healthz":
            live = self.server.readings.state() == "running"
            self._answer(200 if live else 503, "live\n" if live else "ended\n")
        elif path == "/":
            self._answer(200, "byteor run: /metrics, /healthz\n")
        else:
            self._answer(404, "try /metrics\n")

    def do_HEAD(self) -> None:
        self.do_GET()

    def _metrics(self) -> None:
        try:
            text = self.server.readings.exposition()
        except (ByteorError, OSError) as error:
            self._answer(503, f"{error}\n")
        else:
            self._answer(200, text, CONTENT_TYPE)

    def _answer(self, status: int, text: str, kind: str = "text/plain; charset=utf-8") -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Scrapes are not news."""
