"""Addresses, listening and connecting: sockets that never make their thread wait uninterruptibly."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import select
import socket
import stat
import threading
import time
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

from byteor.edge.errors import EdgeError, bad_argument, reason
from byteor.edge.spelling import Spelled
from byteor.errors import Exit

LOOPBACK = "127.0.0.1"
SLICE_S = 0.05  # how long a wait may go on before it looks whether it was cancelled
BACKLOG = 128
_ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.%a-z]+)\]|(?P<host>[^:\[\]/\s]*)):(?P<port>[0-9]{1,5})")


class Address(NamedTuple):
    """Where a socket listens or connects to: ``(host, port)``, or a path of a Unix socket."""

    host: str
    port: int
    path: str | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return self.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def inet_address(spelled: Spelled, text: str | None = None, *, listen: bool) -> Address:
    """``HOST:PORT`` or ``[V6]:PORT``; to listen, ``:PORT`` is loopback and port 0 any free one."""
    text = spelled.argument if text is None else text
    found = _ADDRESS.fullmatch(text)
    if not found or int(found["port"]) > 65535:
        raise bad_argument(spelled.kind, spelled.usage, f"no address: {text!r} (HOST:PORT or [V6]:PORT)")
    host, port = found["v6"] or found["host"], int(found["port"])
    if not listen and port == 0:
        raise bad_argument(spelled.kind, spelled.usage, "port 0 is nobody's")
    return Address(host or LOOPBACK, port)


def listen_url(spelled: Spelled) -> tuple[Address, str]:
    """Address and path of ``//HOST:PORT/PATH``. Raises ``E_EDGE_ARGUMENT``."""
    try:
        parts = urlsplit(spelled.argument)
        more = parts.username or parts.query or parts.fragment
    except ValueError as error:
        raise bad_argument(spelled.kind, spelled.usage, f"no URL: {error}") from None
    if more or not spelled.argument.startswith("//"):
        raise bad_argument(spelled.kind, spelled.usage, "to listen, it is HOST:PORT and a path alone")
    return inet_address(spelled, parts.netloc, listen=True), parts.path or "/"


def unix_address(spelled: Spelled) -> Address:
    if not spelled.argument:
        raise bad_argument(spelled.kind, spelled.usage, "the path is missing")
    if len(os.fsencode(spelled.argument)) > 107:  # sun_path of unix(7)
        raise bad_argument(spelled.kind, spelled.usage, "a socket's path has at most 107 bytes")
    return Address("", 0, spelled.argument)


def resolve(address: Address, kind: socket.SocketKind) -> list[tuple[socket.AddressFamily, object]]:
    """Families and addresses to try, in order. Raises ``OSError`` (``gaierror``)."""
    if address.path is not None:
        return [(socket.AF_UNIX, address.path)]
    found = socket.getaddrinfo(address.host, address.port, type=kind)
    return [(family, place) for family, _, _, _, place in found]


def listening(name: str, address: Address, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """A non-blocking socket bound to ``address`` (a stream listens).

    A Unix socket is private (0600); one that a dead process left behind is replaced, a live one and a file of
    another kind never. Raises ``E_SOURCE_UNREADABLE``.
    """
    try:
        family, place = resolve(address, kind)[0]
        if address.path is not None:
            _clear_dead_socket(address.path, kind)
        sock = socket.socket(family, kind)
        try:
            sock.setblocking(False)
            if family != socket.AF_UNIX and kind == socket.SOCK_STREAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_UNIX:
                os.fchmod(sock.fileno(), 0o600)  # the file that bind makes takes this mode over
            sock.bind(place)  # type: ignore[arg-type]
            if kind == socket.SOCK_STREAM:
                sock.listen(BACKLOG)
        except BaseException:
            sock.close()
            raise
    except OSError as error:
        raise EdgeError(
            "E_SOURCE_UNREADABLE",
            f"{name}: cannot listen on {address}: {reason(error)}",
            hint="name an address of this host and a port that is free (0 takes any)",
            exit=Exit.UNAVAILABLE,
        ) from error
    return sock


def _clear_dead_socket(path: str, kind: socket.SocketKind) -> None:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise OSError(errno.EEXIST, "something that is no socket has this name")
        with socket.socket(socket.AF_UNIX, kind) as probe:
            probe.setblocking(False)
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                os.unlink(path)  # noqa: PTH108  (may be any bytes)
                return
            except BlockingIOError:  # its backlog is full: somebody lives there
                pass
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def bound_address(sock: socket.socket, address: Address) -> Address:
    """``address`` with the port that the kernel chose."""
    return address if address.path is not None else Address(address.host, int(sock.getsockname()[1]))


def wait_for(sock: socket.socket, events: int, seconds: float, cancelled: Callable[[], bool]) -> bool:
    """Whether ``sock`` has ``events`` within ``seconds``; False too when cancelled."""
    poll = select.poll()
    poll.register(sock, events)
    deadline = time.monotonic() + seconds
    while not cancelled():
        left = deadline - time.monotonic()
        if poll.poll(max(0.0, min(left, SLICE_S)) * 1000):
            return True
        if left <= 0:
            return False
    return False


def dial(address: Address, seconds: float, cancelled: Callable[[], bool]) -> socket.socket:
    """A connected non-blocking stream. Raises ``OSError``; ``TimeoutError`` too when cancelled."""
    deadline = time.monotonic() + seconds
    last: OSError = TimeoutError(errno.ETIMEDOUT, "no answer in time")
    for family, place in _resolve_within(address, deadline, cancelled):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            _connect(sock, place, deadline, cancelled)
        except OSError as error:
            sock.close()
            last = error
            continue
        if family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
    raise last


def _connect(sock: socket.socket, place: object, deadline: float, cancelled: Callable[[], bool]) -> None:
    code = sock.connect_ex(place)  # type: ignore[arg-type]
    if code == errno.EINPROGRESS:
        if not wait_for(sock, select.POLLOUT, deadline - time.monotonic(), cancelled):
            raise TimeoutError(errno.ETIMEDOUT, "no answer in time")
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def _resolve_within(
    address: Address, deadline: float, cancelled: Callable[[], bool]
) -> list[tuple[socket.AddressFamily, object]]:
    """``resolve``, whose wait for a name server nothing else can end: it goes on in a thread of its own."""
    if address.path is not None or _is_literal(address.host):
        return resolve(address, socket.SOCK_STREAM)
    done = threading.Event()
    found: list[tuple[socket.AddressFamily, object]] = []
    failed: list[OSError] = []

    def look_up() -> None:
        try:
            found.extend(resolve(address, socket.SOCK_STREAM))
        except OSError as error:
            failed.append(error)
        done.set()

    threading.Thread(target=look_up, name="byteor-resolve", daemon=True).start()
    while not done.wait(min(SLICE_S, max(0.0, deadline - time.monotonic()))):
        if cancelled() or time.monotonic() >= deadline:
            raise TimeoutError(errno.ETIMEDOUT, "the name server gave no answer in time")
    if failed:
        raise failed[0]
    return found


def _is_literal(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):
            socket.inet_pton(family, host.partition("%")[0])
            return True
    return False
