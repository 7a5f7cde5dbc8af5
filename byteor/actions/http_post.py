"""The stage ``http_post:<url>``: each message is the body of one POST; what comes in goes on unchanged."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable

import msgspec

from byteor._version import __version__
from byteor.actions.acting import Acting
from byteor.actions.attempt import ATTEMPT_S, LONGEST_PAUSE_S, Attempt
from byteor.actions.effects import Effects
from byteor.governance.allow_list import http_listed, http_target
from byteor.runtime.stages import Context, batch_stage

MAX_ANSWER_BYTES = 64 << 10
NOT_DONE = (408, 425, 429, 503)  # the server says that it has not acted, and that another try may help
IN_DOUBT = (502, 504)  # somebody in between lost the answer


@batch_stage("http_post", kind="external", writes=False, parameters="URL", required=True)
def http_post(parameters: str, context: Context) -> Acting:
    """POSTs each message to URL and passes it on unchanged, as in http_post:https://alerts.example/hook.

    Needs the capability http_post:<origin>. Header Idempotency-Key: sha256:<hex of the message>; 10 s an
    attempt; tried up to 4 times where the server may be asked again (no connection, 408, 425, 429, 503, and
    with the same key after a lost answer, 502, 504). Another answer than 2xx stops the pipeline; redirects
    and proxies are not followed.
    """
    http_target(parameters)
    return Acting(HttpPost(parameters), context, lambda effects: _not_listed(parameters, effects))


def _not_listed(url: str, effects: Effects) -> str | None:
    if http_listed(url, effects.allowed):
        return None
    return f"{_without_query(url)} is not among the URLs that {effects.environment_id} lists"


def _without_query(url: str) -> str:
    """A query may carry a token: it is nobody's business in a log."""
    target = http_target(url)
    return target.origin + target.path


class HttpPost:
    """Posts to one URL over one connection that is kept while it lasts."""

    def __init__(self, url: str) -> None:
        target = http_target(url)
        self.capability = f"http_post:{target.origin}"
        self.target = target.origin + target.path
        self._request = target.request
        scheme, _, authority = target.origin.partition("://")
        host, _, port = authority.rpartition(":") if authority[-1] != "]" else (authority, "", "")
        self._tls = scheme == "https"
        self._host = (host or authority).strip("[]")
        self._port = int(port) if host and port else 443 if self._tls else 80
        self._connection: http.client.HTTPConnection | None = None

    def attempt(self, message: bytes, idempotency_key: str) -> Attempt:
        with _Deadline(ATTEMPT_S) as deadline:
            try:
                connection = self._connected(deadline.watch)
            except ssl.SSLCertVerificationError as error:
                return Attempt("failed", f"its certificate is not trusted: {error.verify_message}")
            except (OSError, UnicodeError) as error:
                return Attempt("failed", f"cannot connect: {_words(error, deadline)}", again=True)
            try:
                connection.request("POST", self._request, message, _headers(message, idempotency_key))
                response = connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                self.close()
                return Attempt("unknown", f"no answer: {_words(error, deadline)}", again=True)
            if not _read_to_end(response) or response.will_close or deadline.passed:
                self.close()
        return _judged(response)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self, watch: Callable[[http.client.HTTPConnection], None]) -> http.client.HTTPConnection:
        if self._connection is None:
            connection = (
                http.client.HTTPSConnection(
                    self._host, self._port, timeout=ATTEMPT_S, context=ssl.create_default_context()
                )
                if self._tls
                else http.client.HTTPConnection(self._host, self._port, timeout=ATTEMPT_S)
            )
            watch(connection)
            try:
                connection.connect()
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        else:
            watch(self._connection)
        return self._connection


def _read_to_end(response: http.client.HTTPResponse) -> bool:
    """Whether the connection may be used again. The status says what happened, whatever comes after it."""
    try:
        return len(response.read(MAX_ANSWER_BYTES + 1)) <= MAX_ANSWER_BYTES
    except (OSError, http.client.HTTPException):
        return False


class _Deadline:
    """Cuts a connection off after a time: a peer that sends a byte now and then beats every read timeout."""

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._connection: http.client.HTTPConnection | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def watch(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection

    def _cut(self) -> None:
        self.passed = True
        sock = self._connection.sock if self._connection is not None else None
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it went by itself

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._timer.cancel()


def _words(error: Exception, deadline: _Deadline) -> str:
    """What went wrong, without what the peer sent: a library's text may quote it."""
    if deadline.passed or isinstance(error, TimeoutError):
        return f"it took longer than {ATTEMPT_S:g} s"
    if isinstance(error, socket.gaierror):
        return "its name is not known"
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


def _headers(message: bytes, idempotency_key: str) -> dict[str, str]:
    try:
        msgspec.json.decode(message, type=msgspec.Raw)
        kind = "application/json"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        kind = "application/octet-stream"
    return {
        "Content-Type": kind,
        "Idempotency-Key": idempotency_key,
        "User-Agent": f"byteor/{__version__}",
    }


def _judged(response: http.client.HTTPResponse) -> Attempt:
    status = response.status
    detail = f"HTTP {status}"
    if 200 <= status < 300:
        return Attempt("done", detail)
    if status in NOT_DONE:
        return Attempt("failed", detail, again=True, after_s=_retry_after(response))
    if status in IN_DOUBT:
        return Attempt("unknown", detail, again=True, after_s=_retry_after(response))
    if status >= 500:
        return Attempt("unknown", detail)
    return Attempt("failed", detail + (" (a redirect is not followed)" if 300 <= status < 400 else ""))


def _retry_after(response: http.client.HTTPResponse) -> float:
    """Seconds that the server asks for, as far as a stage may wait; its date form is passed over."""
    text = (response.getheader("Retry-After") or "").strip()
    return min(float(text), LONGEST_PAUSE_S) if text.isascii() and text.isdigit() and len(text) < 8 else 0.0
