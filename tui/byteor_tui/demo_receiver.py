"""The demo's receiver: takes what the governed action posts, on loopback, and counts it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MAX_BODY = 1 << 20


class Receiver(ThreadingHTTPServer):
    """``taken`` counts posts by their idempotency keys: a repeated one counts once."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.keys: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/alert"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        size = min(int(self.headers.get("Content-Length") or 0), MAX_BODY)
        body = self.rfile.read(size)
        self.server.keys.add(self.headers.get("Idempotency-Key") or str(hash(body)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: the terminal belongs to the console."""


@contextlib.contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver on a port of its own for as long as the block lasts."""
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, args=(0.2,), name="demo-receiver", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=2)
