"""Running a function in a forked child: what a stage leaves behind in its modules ends with the pass.

A fork is no new program: a replay executes nothing but this one. Call it where no other thread runs.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import time
import traceback
from collections.abc import Callable
from typing import TypeVar

import msgspec

from byteor.errors import ByteorError, Exit
from byteor.incident.errors import IncidentError
from byteor.incident.replay.beat import Beat
from byteor.runtime.folders import region_root

LOOK_S = 0.25

T = TypeVar("T")


class _Said(msgspec.Struct):
    """What the child tells: a result, or the error that it ended with."""

    result: msgspec.Raw = msgspec.Raw(b"")
    code: str | None = None
    message: str = ""
    hint: str | None = None
    exit: int = 11


def isolated(function: Callable[[Beat], T], kind: type[T], stall_s: float) -> T:
    """What ``function`` returns (a msgspec struct ``kind``), computed in a child of this process.

    Raises what it raises when that is a ``ByteorError``, else ``E_REPLAY_DIED`` (exit 11): it ended
    otherwise, as by a signal; ``E_REPLAY_STALLED`` (exit 11) when during a pass its beat stood still for
    ``stall_s`` seconds: the child is killed then.
    """
    beat = Beat()
    read, write = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        os.close(read)
        _child(lambda: function(beat), write)
    os.close(write)
    try:
        data = _heard(read, beat, stall_s)
        _, status = os.waitpid(pid, 0)
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    finally:
        os.close(read)
        for left in region_root().glob(f"replay-{pid}-*"):  # a child that was killed leaves its lanes
            shutil.rmtree(left, ignore_errors=True)
    if status != 0 or not data:
        raise _died(status)
    said = msgspec.msgpack.decode(data, type=_Said)
    if said.code is not None:
        raise IncidentError(said.code, said.message, hint=said.hint, exit=Exit(said.exit))
    return msgspec.msgpack.decode(said.result, type=kind)


def _heard(read: int, beat: Beat, stall_s: float) -> bytes:
    """Everything that the child writes to ``read``. Raises ``E_REPLAY_STALLED``."""
    poll = select.poll()
    poll.register(read, select.POLLIN)
    parts: list[bytes] = []
    seen, since = beat.look(), time.monotonic()
    while True:
        if poll.poll(LOOK_S * 1000):
            part = os.read(read, 1 << 20)
            if not part:
                return b"".join(parts)
            parts.append(part)
        now = beat.look()
        if now is None or now != seen:
            seen, since = now, time.monotonic()
        elif time.monotonic() - since > stall_s:
            raise _stalled(beat.text(), stall_s)


def _stalled(where: str, stall_s: float) -> IncidentError:
    return IncidentError(
        "E_REPLAY_STALLED",
        f"nothing moved for {stall_s:g} s; messages taken: {where or 'none'}",
        hint="a stage waits or never returns; for one that is only slow, --stall SECONDS",
        exit=Exit.RUNTIME,
    )


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
