"""``http://HOST/PATH`` and ``https://`` as a sink: POSTs batches until the peer says that it has them.

Every request has an ``Idempotency-Key`` that its retries keep, so a peer that knows such keys gets each
message once, and another one at least once. A batch goes as lines (``application/x-ndjson``); a batch of one,
and a message with a newline inside, as the body itself.
"""

from __future__ import annotations

import contextlib
import http.client
import secrets
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from byteor.edge.backoff import Backoff
from byteor.edge.base import SinkEdge
from byteor.edge.errors import EdgeError, bad_argument, reason
from byteor.edge.http_source import read_token
from byteor.edge.net import Address, dial
from byteor.edge.spelling import Spelled
from byteor.errors import Exit
from byteor.runtime.adapter import Health

CONNECT_S = 5.0
ANSWER_S = 30.0  # how long one answer may take
ANSWER_BYTES = 64 << 10
BODY_BYTES = 1 << 20  # of a batch; a longer message goes alone
AGAIN = frozenset((408, 425, 429))  # and every 5xx: another time it may be taken
OF_THE_MESSAGE = frozenset((400, 409, 413, 415, 422))  # this body is refused, another one may be taken

Body = Sequence[bytes | memoryview]


class Connection(http.client.HTTPConnection):
    """Connects by ``dial``, so that a wait for the peer can be ended."""

    def __init__(
        self, address: Address, context: ssl.SSLContext | None, cancelled: Callable[[], bool]
    ) -> None:
        super().__init__(address.host, address.port)
        self._address, self._context, self._was_cancelled = address, context, cancelled
        self.default_port = 443 if context else 80
        self.plain: socket.socket | None = None  # what ``cancel`` shuts down

    def connect(self) -> None:
        sock = dial(self._address, CONNECT_S, self._was_cancelled)
        self.plain = sock
        sock.settimeout(ANSWER_S)
        if self._context is not None:
            sock = self._context.wrap_socket(sock, server_hostname=self._address.host)
            self.plain = sock
        self.sock = sock


class HttpSink(SinkEdge):
    """One connection, kept open. ``batch`` messages a request at most."""

    def __init__(
        self,
        name: str,
        address: Address,
        target: str,
        *,
        tls: bool,
        batch: int,
        content_type: str,
        backoff: Backoff,
        token_file: str | None = None,
        ca_file: str | None = None,
    ) -> None:
        super().__init__(name)
        self._address, self._target, self._tls = address, target, tls
        self._batch, self._content_type, self._backoff = batch, content_type, backoff
        self._token_file, self._ca_file = token_file, ca_file
        self._headers = {"User-Agent": "byteor"}
        self._connection: Connection | None = None
        self._guard = threading.Lock()
        self._run_key = secrets.token_hex(8)
        self._number = 0
        self._trouble = ""

    def open(self) -> None:
        """Connects once, without a request. Raises ``E_SINK_UNWRITABLE``, ``E_EDGE_TOKEN``."""
        if self._token_file is not None:
            self._headers["Authorization"] = f"Bearer {read_token(self._token_file)}"
        try:
            context = ssl.create_default_context(cafile=self._ca_file) if self._tls else None
            self._connection = Connection(self._address, context, self._cancelled.is_set)
            self._connection.connect()
        except OSError as error:
            raise EdgeError(
                "E_SINK_UNWRITABLE",
                f"{self.name}: cannot connect to {self._address}: {reason(error)}",
                hint="start the peer first, or check the address (ca_file= for a certificate of your own)",
                exit=Exit.UNAVAILABLE,
            ) from error

    def cancel(self) -> None:
        super().cancel()
        with self._guard:
            sock = None if self._connection is None else self._connection.plain
            if sock is not None:
                with contextlib.suppress(
                    OSError
                ):  # TLS's own shutdown would pull its state from under the writer
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def write(self, messages: Sequence[bytes | memoryview]) -> None:
        """Raises ``E_SINK_CLOSED`` (away for too long), ``E_SINK_REFUSED``, ``E_SINK_CANCELLED``."""
        for batch in self._batches(messages):
            self._deliver(batch)

    def _batches(self, messages: Body) -> list[list[bytes | memoryview]]:
        batches: list[list[bytes | memoryview]] = []
        size = 0
        alone = True
        for message in messages:
            inside = b"\n" in bytes(message)
            if alone or inside or len(batches[-1]) >= self._batch or size + len(message) > BODY_BYTES:
                batches.append([])
                size = 0
            batches[-1].append(message)
            size += len(message) + 1
            alone = inside
        return batches

    def _deliver(self, batch: Body) -> None:
        """Until it is taken; a batch of which something is refused is halved until that one stands alone."""
        status = self._post(batch)
        if 200 <= status < 300:
            self._counted["messages"] += len(batch)
            return
        if status not in OF_THE_MESSAGE:
            raise EdgeError(
                "E_SINK_REFUSED",
                f"{self.name}: the peer answers {status} ({http.client.responses.get(status, 'unknown')})",
                hint="check the URL and token_file=; redirections are not followed",
            )
        if len(batch) > 1:
            self._counted["halved"] += 1
            self._deliver(batch[: len(batch) // 2])
            self._deliver(batch[len(batch) // 2 :])
        elif not self.set_aside("E_SINK_REFUSED", f"the peer answers {status}", batch[0]):
            raise EdgeError(
                "E_SINK_REFUSED",
                f"{self.name}: the peer refuses a message of {len(batch[0]):,} bytes with {status}",
                hint="set such messages aside with --dead-letters PATH",
            )

    def _post(self, batch: Body) -> int:
        """The answer's status, which is final: not one of ``AGAIN`` and no 5xx."""
        self._number += 1
        lines = len(batch) > 1
        headers = self._headers | {
            "Idempotency-Key": f"{self._run_key}-{self._number}",
            "Content-Type": "application/x-ndjson" if lines else self._content_type,
        }
        body = b"\n".join([*batch, b""]) if lines else bytes(batch[0])
        while True:
            self.check_cancelled()
            try:
                status, after_s = self._exchange(body, headers)
            except (OSError, http.client.HTTPException) as error:
                self._drop()
                self._wait(_why(error), 0.0)
            else:
                if status not in AGAIN and status < 500:
                    self._backoff.reset()
                    self._trouble = ""
                    return status
                self._wait(f"it answers {status}", after_s)

    def _exchange(self, body: bytes, headers: dict[str, str]) -> tuple[int, float]:
        """``(status, Retry-After in seconds)``. A kept connection that the peer has closed is opened anew."""
        connection = self._connection
        assert connection is not None
        kept = connection.sock is not None
        try:
            return self._once(connection, body, headers)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            if not kept:
                raise
            self.check_cancelled()
            self._drop()
            self._counted["reconnects"] += 1
            return self._once(connection, body, headers)

    def _once(self, connection: Connection, body: bytes, headers: dict[str, str]) -> tuple[int, float]:
        connection.request("POST", self._target, body, headers)
        if self._cancelled.is_set():  # cancelled while it connected: then nothing was shut down
            self.give_up_cancelled()
        answer = connection.getresponse()
        if len(answer.read(ANSWER_BYTES)) == ANSWER_BYTES:
            self._drop()  # the rest is not wanted
        after = answer.getheader("Retry-After", "")
        return answer.status, float(after) if after.isascii() and after.isdigit() else 0.0

    def _wait(self, why: str, after_s: float) -> None:
        self.check_cancelled()
        self._trouble = why
        self._counted["retries"] += 1
        wait_s = self._backoff.wait_s(after_s)
        if wait_s is None:
            raise EdgeError(
                "E_SINK_CLOSED",
                f"{self.name}: not taken for too long: {why}",
                hint="see the peer and run again, or raise give_up_s (0: never give up)",
            )
        if self._cancelled.wait(wait_s):
            self.give_up_cancelled()

    def _drop(self) -> None:
        if self._connection is not None:
            with self._guard:
                self._connection.close()
                self._connection.plain = None

    def close(self) -> None:
        self._drop()
        self._connection = None

    def health(self) -> Health:
        return Health(ok=not self._trouble, detail=self.told(self._trouble or "connected"))


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return reason(error)
    return f"it does not speak HTTP ({type(error).__name__})"


def http_sink(spelled: Spelled) -> HttpSink:
    try:
        parts = urlsplit(f"{spelled.kind}:{spelled.argument}")
        port = parts.port
    except ValueError as error:
        raise bad_argument(spelled.kind, spelled.usage, f"no URL: {error}") from None
    tls = spelled.kind == "https"
    if parts.username or parts.password:
        raise bad_argument(
            spelled.kind, spelled.usage, "a password would be seen by everybody: use token_file="
        )
    if not parts.hostname or not spelled.argument.startswith("//") or port == 0:
        raise bad_argument(spelled.kind, spelled.usage, "the URL names no host")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.isascii() or not target.isprintable() or " " in target:
        raise bad_argument(spelled.kind, spelled.usage, "the path holds characters that a URL writes as %XX")
    return HttpSink(
        spelled.text,
        Address(parts.hostname, port or (443 if tls else 80)),
        target,
        tls=tls,
        batch=spelled.whole("batch"),
        content_type=spelled.string("content_type"),
        backoff=Backoff(spelled.seconds("give_up_s")),
        token_file=spelled.string_or_none("token_file"),
        ca_file=spelled.string_or_none("ca_file"),
    )
