"""Running a function in a forked child: what a stage leaves behind in its modules ends with the pass.

A fork is no new program: a replay executes nothing but this one. Call it where no other thread runs.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from typing import TypeVar

import msgspec

from byteor.errors import ByteorError, Exit
from byteor.incident.errors import IncidentError

T = TypeVar("T")


class _Said(msgspec.Struct):
    """What the child tells: a result, or the error that it ended with."""

    result: msgspec.Raw = msgspec.Raw(b"")
    code: str | None = None
    message: str = ""
    hint: str | None = None
    exit: int = 11


def isolated(function: Callable[[], T], kind: type[T]) -> T:
    """What ``function`` returns (a msgspec struct ``kind``), computed in a child of this process.

    Raises what it raises when that is a ``ByteorError``, else ``E_REPLAY_DIED`` (exit 11): it ended
    otherwise, as by a signal.
    """
    read, write = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        os.close(read)
        _child(function, write)
    os.close(write)
    try:
        with open(read, "rb") as pipe:  # noqa: PTH123  (a descriptor)
            data = pipe.read()
        _, status = os.waitpid(pid, 0)
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    if status != 0 or not data:
        raise _died(status)
    said = msgspec.msgpack.decode(data, type=_Said)
    if said.code is not None:
        raise IncidentError(said.code, said.message, hint=said.hint, exit=Exit(said.exit))
    return msgspec.msgpack.decode(said.result, type=kind)


def _child(function: Callable[[], object], write: int) -> None:
    """Never returns: the child must not go on with its parent's work."""
    try:
        try:
            said = _Said(result=msgspec.Raw(msgspec.msgpack.encode(function())))
        except ByteorError as error:
            said = _Said(code=error.code, message=error.message, hint=error.hint, exit=int(error.exit))
        with open(write, "wb") as pipe:
            pipe.write(msgspec.msgpack.encode(said))
    except BaseException:  # noqa: BLE001
        if os.environ.get("BYTEOR_DEBUG"):
            traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _died(status: int) -> IncidentError:
    how = (
        f"was killed by {signal.Signals(os.WTERMSIG(status)).name}"
        if os.WIFSIGNALED(status)
        else f"exited with code {os.waitstatus_to_exitcode(status)}"
    )
    return IncidentError(
        "E_REPLAY_DIED",
        f"the process of the replay {how}",
        hint="a stage ended it; BYTEOR_DEBUG=1 shows where, when it was an exception",
        exit=Exit.RUNTIME,
    )
