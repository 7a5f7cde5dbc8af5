"""The supervisor's end of a worker process: spawn it, hear what it says, notice when it dies."""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

import msgspec

from byteor.runtime.errors import RunError
from byteor.runtime.folders import Failure
from byteor.runtime.tuning import Problem
from byteor.runtime.worker_config import WorkerConfig, WorkerEvent

EXIT_WITHIN_S = 0.3
MAX_EVENT_BYTES = 1 << 16
READY_WITHIN_S = 20.0  # a cold interpreter on a busy machine; a stage's own set-up counts too


class WorkerProcess:
    """One child. ``events`` is the descriptor to select on; ``pidfd`` becomes readable when it exits."""

    def __init__(self, config: WorkerConfig) -> None:
        self.name = config.name
        self.events, theirs = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(theirs, True)
        try:
            # -P: a file in the working directory must not shadow a library; sys_path comes with the config.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "byteor.runtime.worker_main"],
                stdin=subprocess.PIPE,
                stdout=sys.__stderr__.fileno() if sys.__stderr__ else subprocess.DEVNULL,
                pass_fds=(theirs,),
                start_new_session=True,  # Ctrl-C at the terminal reaches the supervisor alone, which drains
            )
        finally:
            os.close(theirs)
        self.pid = self._process.pid
        self.pidfd = os.pidfd_open(self.pid)
        self.problems: tuple[Problem, ...] = ()  # of its tuning, once it is ready
        self._buffer = bytearray()
        self.unheard: list[WorkerEvent] = []  # read, but for somebody else to hear
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died already: the pidfd tells
            self._process.stdin.write(
                msgspec.json.encode(msgspec.structs.replace(config, event_fd=theirs)) + b"\n"
            )
            self._process.stdin.flush()

    def read_events(self) -> list[WorkerEvent]:
        """Whole events that have arrived since the last call."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.events, 65536):
                self._buffer += data
        *lines, rest = bytes(self._buffer).split(b"\n")
        self._buffer = bytearray(rest)
        early, self.unheard = self.unheard, []
        try:
            if len(rest) > MAX_EVENT_BYTES:
                raise ValueError("no end of line")
            return early + [msgspec.json.decode(line, type=WorkerEvent) for line in lines]
        except ValueError:
            # Its own code wrote to descriptors that it does not own.
            why = "it wrote into the pipe to its supervisor"
            return [*early, WorkerEvent("failed", Failure(self.name, None, why, "E_WORKER_PROTOCOL"))]

    def exit_text(self) -> str | None:
        """How it ended, in words; None while it runs. Does not reap it."""
        ended = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        if ended.si_code == os.CLD_EXITED:
            return f"exited with code {ended.si_status}"
        return f"was killed by {signal.Signals(ended.si_status).name}"

    def kill(self) -> None:
        """Kill it with everything that it started: it leads a process group of its own."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Make sure that it and its children are gone, and reap it.

        One that said its last word may take a moment. Until it is reaped its pid, and so its group's
        number, belongs to nobody else.
        """
        select.select([self.pidfd], [], [], EXIT_WITHIN_S)
        self.kill()
        self._process.wait()
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        os.close(self.events)
        os.close(self.pidfd)


def await_ready(processes: Sequence[WorkerProcess]) -> None:
    """Return when every process said ready. Raises ``E_STAGE_START`` naming the first that will not."""
    waiting = list(processes)
    deadline = time.monotonic() + READY_WITHIN_S
    with selectors.DefaultSelector() as selector:
        for process in waiting:
            selector.register(process.events, selectors.EVENT_READ, process)
            selector.register(process.pidfd, selectors.EVENT_READ, process)
        while waiting:
            left = deadline - time.monotonic()
            if left <= 0:
                raise _not_ready(waiting[0], f"was not ready within {READY_WITHIN_S:.0f} s")
            for process in {key.data for key, _ in selector.select(left)}:
                if _said_ready(process):
                    waiting.remove(process)
                    selector.unregister(process.events)
                    selector.unregister(process.pidfd)


def _said_ready(process: WorkerProcess) -> bool:
    """True when it is; False when it said nothing yet. Raises when it never will be."""
    heard = process.read_events()
    for place, event in enumerate(heard):
        if event.event == "ready":
            process.problems = event.problems
            process.unheard = heard[place + 1 :]
            return True
        if event.failure is not None:
            raise _not_ready(process, event.failure.error)
    if (text := process.exit_text()) is not None:
        raise _not_ready(process, f"its process {text} before it was ready")
    return False


def _not_ready(process: WorkerProcess, why: str) -> RunError:
    hint = "what it printed is above; byteor run --dry-run checks keys and parameters alone"
    return RunError("E_STAGE_START", f"stage {process.name} did not start: {why}", hint=hint)
