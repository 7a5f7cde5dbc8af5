"""``control.sock``: how another process of the same user asks a run to drain or stop. JSON lines.

    -> {"ask": "drain"}        <- {"ok": true, "state": "draining"}

The socket lies in the run's 0700 folder. It is bound and reached through ``/proc/self/fd`` because a
Unix socket's path may have only 107 bytes and a run folder's may have more.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import selectors
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import msgspec

from byteor.errors import Exit
from byteor.runtime.errors import RunError
from byteor.runtime.folders import CONTROL_SOCK

ASKS = ("status", "hold", "resume", "drain", "stop")
_MAX_LINE = 4096
_ANSWER_WITHIN_S = 2.0


class Request(msgspec.Struct):
    """What a version does not know it passes over; the oldest refuse what they do not know.

    ``limit_s``: how long a drain may take at least, where who asks can wait longer than the run would; or
    how long sources are held at most, so that who asked may die meanwhile."""

    ask: str
    limit_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 0.0


class Answer(msgspec.Struct):
    ok: bool
    state: str
    message: str = ""


class ControlServer:
    """Answers asks inside the supervisor's own event loop; ``act`` does what was asked and says the state."""

    def __init__(
        self, run: Path, selector: selectors.BaseSelector, act: Callable[[str, float], Answer]
    ) -> None:
        self._selector = selector
        self._act = act
        self._path = run / CONTROL_SOCK
        self._clients: dict[socket.socket, bytearray] = {}
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        with _short_path(run) as short:
            self._listener.bind(short)
        self._path.chmod(0o600)  # before anybody can connect: a group that may look may not ask
        self._listener.listen(8)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        for client in list(self._clients):
            self._drop(client)
        self._selector.unregister(self._listener)
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            client, _ = self._listener.accept()
            client.setblocking(False)
            self._clients[client] = bytearray()
            self._selector.register(client, selectors.EVENT_READ, lambda: self._read(client))

    def _read(self, client: socket.socket) -> None:
        buffer = self._clients[client]
        try:
            data = client.recv(_MAX_LINE)
        except OSError:
            data = b""
        buffer += data
        if not data or len(buffer) > _MAX_LINE:
            self._drop(client)
            return
        while (end := buffer.find(b"\n")) >= 0:
            line = bytes(buffer[:end])
            del buffer[: end + 1]
            with contextlib.suppress(OSError):  # a client that went away needs no answer
                client.send(msgspec.json.encode(self._answer(line)) + b"\n")

    def _answer(self, line: bytes) -> Answer:
        try:
            request = msgspec.json.decode(line, type=Request)
        except ValueError as error:  # msgspec's too; text that is no UTF-8 is none of those
            return Answer(False, "", f"not a request: {error}")
        if request.ask not in ASKS:
            return Answer(False, "", f"unknown ask {request.ask!r}; known: {', '.join(ASKS)}")
        return self._act(request.ask, request.limit_s)

    def _drop(self, client: socket.socket) -> None:
        del self._clients[client]
        self._selector.unregister(client)
        client.close()


def ask(run: Path, what: str, limit_s: float = 0.0) -> Answer:
    """Ask the live run in the folder ``run``. Raises ``E_RUN_SILENT`` when nobody answers within 2 s,
    ``E_RUN_OWNER`` when it is another user's."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client, _short_path(run) as short:
            client.settimeout(_ANSWER_WITHIN_S)
            client.connect(short)
            request = {"ask": what, "limit_s": limit_s} if limit_s else {"ask": what}
            client.sendall(msgspec.json.encode(request) + b"\n")
            return msgspec.json.decode(client.makefile("rb").readline(_MAX_LINE), type=Answer)
    except PermissionError:
        raise _of_another(run) from None
    except (OSError, ValueError) as error:
        raise RunError(
            "E_RUN_SILENT",
            f"{run.name} does not answer on its control socket: {error}",
            hint="byteor snapshot still works on a hung run; then kill its pid (byteor ps)",
            exit=Exit.TIMEOUT if isinstance(error, TimeoutError) else Exit.UNAVAILABLE,
        ) from None


def demand(run: Path, what: str, limit_s: float = 0.0) -> Answer:
    """Ask for what no run refuses, ``drain`` or ``stop``. Raises as ``ask`` does, and ``E_RUN_VERSION``."""
    answer = ask(run, what, limit_s)
    if not answer.ok and limit_s:
        answer = ask(run, what)  # of a version that knows no limits
    if answer.ok:
        return answer
    raise RunError(
        "E_RUN_VERSION",
        f"{run.name} does not understand that it shall {what}: {answer.message}",
        hint="ask with the byteor that started it (version in its run.json), or kill its pid (byteor ps)",
        exit=Exit.UNAVAILABLE,
    )


def _of_another(run: Path) -> RunError:
    """The group that may look at a run may not end it."""
    owner = "another user"
    with contextlib.suppress(OSError, KeyError):
        uid = run.stat().st_uid
        owner = f"uid {uid}"
        owner = pwd.getpwuid(uid).pw_name
    return RunError(
        "E_RUN_OWNER",
        f"{run.name} belongs to {owner}, and nobody else may ask it for anything",
        hint=f"sudo -u {owner.removeprefix('uid ')} with the same command, or ask its service manager",
        exit=Exit.REFUSED,
    )


@contextlib.contextmanager
def _short_path(run: Path) -> Iterator[str]:
    folder = os.open(run, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{CONTROL_SOCK}"
    finally:
        os.close(folder)
