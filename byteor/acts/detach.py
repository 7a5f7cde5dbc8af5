"""Start a run that outlives its terminal: ``byteor run --detach``.

We fork the keeper, which leads a session of its own and writes what comes out of a pipe to the run's log; the
keeper forks the supervisor, whose stdout and stderr are that pipe. The supervisor says over a second pipe
that the run is up, or why it is not, and only then do we return.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import msgspec

from byteor.acts.attend import OnRunning
from byteor.acts.run import EndedRun, RunOrder, run
from byteor.atomic import private_folder
from byteor.errors import ByteorError, Exit, Where, from_os_error
from byteor.runtime.errors import RunError
from byteor.runtime.folders import RunIdentity, runtime_dir
from byteor.runtime.runlog import RUN_LOG, STARTING, LogWriter
from byteor.runtime.signals import CAUGHT, Signals, exit_after

KEPT_FDS = 3
Tell = Callable[[EndedRun], tuple[str, int]]  # how an end is put into words, and the exit code


class Detached(msgspec.Struct, frozen=True):
    """A run that is up. ``log`` is the path of its log."""

    run_id: str
    name: str
    spec_hash: str
    pid: int
    metrics: str
    log: str


class _NotUp(msgspec.Struct, frozen=True):
    """An error on its way to the process that asked."""

    code: str
    message: str
    hint: str | None
    exit: int
    where: tuple[str | None, int | None, int | None, str | None] | None


class _Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line from the supervisor: its pid first, then either of the others."""

    pid: int = 0
    up: Detached | None = None
    error: _NotUp | None = None


class DetachError(ByteorError):
    """What kept the run from starting, as the supervisor told it, with what its processes had ``printed``."""

    def __init__(self, told: _NotUp, printed: str) -> None:
        where = None if told.where is None else Where(*told.where)
        super().__init__(told.code, told.message, hint=told.hint, where=where, exit=Exit(told.exit))
        self.printed = printed


def run_detached(order: RunOrder, tell: Tell) -> Detached:
    """Start ``order`` in the background and return when its workers run.

    Raises ``DetachError`` with the code and exit of whatever kept it from starting; nothing is left then.
    """
    _check_streams(order)
    handle, name = tempfile.mkstemp(prefix=STARTING, suffix=".log", dir=private_folder(runtime_dir()))
    hear, say = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    passed_on = _PassedOn()
    keeper = os.fork()
    if keeper == 0:
        os.close(hear)
        _keep(order, tell, handle, Path(name), say)
    os.close(say)
    os.close(handle)
    try:
        return _hear_out(hear, passed_on)
    except DetachError as error:
        os.waitpid(keeper, 0)  # everything that it was told is in the file now
        error.printed = Path(name).read_text(errors="replace")
        raise
    finally:
        passed_on.end()
        os.close(hear)
        Path(name).unlink(missing_ok=True)  # of a run that is up it has moved into the run folder


class _PassedOn:
    """Signals to the process that asked, which end the start: a run must not come up behind the back of
    somebody who broke it off. They go on to the supervisor, in its session of its own, as soon as its pid is
    known. Ignored ones (nohup) stay ignored."""

    def __init__(self) -> None:
        self.came: int | None = None
        self._pid = 0
        caught = [number for number in CAUGHT if signal.getsignal(number) != signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._note) for number in caught}

    def to(self, pid: int) -> None:
        self._pid = pid
        if self.came is not None:
            self._note(self.came)

    def end(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: object = None) -> None:
        self.came = number
        if self._pid:
            with contextlib.suppress(ProcessLookupError):  # it said its last word: we are about to read it
                os.kill(self._pid, number)


def _check_streams(order: RunOrder) -> None:
    ends = [("--source", text, "read") for text in order.sources or (() if order.replace else ("stdin:",))]
    ends += [("--sink", text, "write") for text in order.sinks or (() if order.replace else ("stdout:",))]
    for option, text, verb in ends:
        if text.endswith(("stdin:", "stdout:")):
            raise RunError(
                "E_DETACHED_STREAM",
                f"a detached run has no terminal to {verb}: {option} {text}",
                hint=f"name another, for example {option}=file:PATH",
                exit=Exit.USAGE,
            )


def _hear_out(hear: int, passed_on: _PassedOn) -> Detached:
    """Wait for the word of the supervisor. A signal here ends its start too, and it says so."""
    with os.fdopen(os.dup(hear), "rb") as reports:
        for line in reports:
            report = msgspec.json.decode(line, type=_Report)
            if report.error is not None:
                raise DetachError(report.error, "")
            if report.up is not None:
                if passed_on.came is not None:
                    name = signal.Signals(passed_on.came).name
                    why = f"{name} when {report.up.run_id} had just come up: it drains"
                    raise RunError("E_INTERRUPTED", why, exit=exit_after(passed_on.came))
                return report.up
            passed_on.to(report.pid)
    raise DetachError(
        _NotUp("E_DETACH", "the supervisor ended without a word", "what it printed is above", 11, None), ""
    )


def _keep(order: RunOrder, tell: Tell, handle: int, log: Path, say: int) -> None:
    """The life of the keeper. Never returns."""
    code = 1
    with contextlib.suppress(BaseException):
        os.setsid()
        words, speak = os.pipe()
        supervisor = os.fork()
        if supervisor == 0:
            os.close(words)
            _supervise(order, tell, speak, log, say)
        for number in CAUGHT:
            signal.signal(number, signal.SIG_IGN)
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in range(KEPT_FDS):  # the terminal is free to go
            os.dup2(nothing, standard)
        for descriptor in _open_descriptors():
            if descriptor >= KEPT_FDS and descriptor not in (handle, words):
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        writer = LogWriter(handle)
        while data := os.read(words, 1 << 16):
            writer.feed(data)
        _, status = os.waitpid(supervisor, 0)
        if os.WIFSIGNALED(status):
            name = signal.Signals(os.WTERMSIG(status)).name
            writer.feed(f"the supervisor (pid {supervisor}) was killed by {name}\n".encode())
        writer.close()
        code = 0
    os._exit(code)


def _supervise(order: RunOrder, tell: Tell, speak: int, log: Path, say: int) -> None:
    """The life of the supervisor. Never returns."""
    code = 1
    with contextlib.suppress(BaseException):
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(speak, 1)
        os.dup2(speak, 2)
        os.close(speak)

        def up(identity: RunIdentity, folder: Path) -> None:
            with contextlib.suppress(OSError):  # somebody removed it: that must not keep us from saying so
                log.rename(folder / RUN_LOG)
            found = Detached(
                identity.run_id,
                identity.name,
                identity.spec_hash,
                identity.pid,
                identity.metrics,
                str(folder / RUN_LOG),
            )
            print(f"{identity.run_id}: up, spec {identity.spec_hash}", file=sys.stderr)  # noqa: T201  (the log)
            _report(say, _Report(up=found))

        code = _run_and_tell(order, tell, up, log, say)
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _run_and_tell(order: RunOrder, tell: Tell, up: OnRunning, log: Path, say: int) -> int:
    """Run to the end; its words go to the log, an error to whoever waits for the start.

    Who asked may pass a signal on as soon as it knows our pid: it breaks the start off wherever that is.
    """
    try:
        with Signals() as signals:
            _report(say, _Report(pid=os.getpid()))

            def running(identity: RunIdentity, folder: Path) -> None:
                signals.pass_over()  # from here on the run's own signals drain it; afterwards it has ended
                up(identity, folder)

            words, code = tell(run(order, running))
    except ByteorError as error:
        told = _not_up(error)
    except OSError as error:
        told = _not_up(from_os_error(error))
    except BaseException as error:  # noqa: BLE001  (a defect must not look like a silent death)
        traceback.print_exc()
        told = _NotUp(
            "E_INTERNAL", f"{type(error).__name__}: {error}", "this is a defect; report it", 11, None
        )
    else:
        print(words, file=sys.stderr)  # noqa: T201  (the log)
        return code
    if not log.exists():  # it was up: nobody waits for an answer any more
        print(f"error[{told.code}]: {told.message}", file=sys.stderr)  # noqa: T201  (the log)
    _report(say, _Report(error=told))
    return told.exit


def _not_up(error: ByteorError) -> _NotUp:
    where = error.where
    place = None if where is None else (where.file, where.line, where.column, where.key)
    return _NotUp(error.code, error.message, error.hint, int(error.exit), place)


def _report(say: int, report: _Report) -> None:
    with contextlib.suppress(OSError):  # whoever asked has gone; the run goes on
        os.write(say, msgspec.json.encode(report) + b"\n")


def _open_descriptors() -> list[int]:
    return [int(name) for name in os.listdir("/proc/self/fd")]  # noqa: PTH208
