"""The stage ``exec:<program>|<argument>|...``: a program run for each message, which it reads on stdin."""

from __future__ import annotations

import ctypes
import hashlib
import os
import selectors
import signal
import stat
import subprocess
import time
from pathlib import Path
from typing import IO

from byteor.actions.acting import Acting
from byteor.actions.attempt import ATTEMPT_S, Attempt
from byteor.actions.effects import Effects
from byteor.governance.allow_list import exec_listed
from byteor.runtime.stages import Context, batch_stage
from byteor.spec.keys import StageKeyError, exec_program, exec_words

MAX_OUTPUT_BYTES = 1 << 20
CHUNK_BYTES = 1 << 16
TRY_AGAIN = 75  # EX_TEMPFAIL of sysexits.h: the program says that it did nothing and may be asked again
PR_SET_PDEATHSIG = 1
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
_libc = ctypes.CDLL(None)


@batch_stage("exec", kind="external", writes=False, parameters="PROGRAM|ARGUMENT|...", required=True)
def run_program(parameters: str, context: Context) -> Acting:
    """Runs PROGRAM once for each message, which it reads on stdin, and passes the message on unchanged.

    As in exec:/usr/bin/notify|--urgent. Needs the capability exec:<program>, and the environment must list
    the program. No shell; working directory /; PATH, LANG, BYTEOR_RUN_ID and BYTEOR_IDEMPOTENCY_KEY alone in
    its environment; 10 s; 1 MiB of output at most, of which only length and digest are kept. Exit 0 is
    success, 75 is tried again up to 4 times, another stops the pipeline.
    """
    try:
        exec_program(parameters)
    except StageKeyError as error:
        raise ValueError(error.message) from None
    doer = RunProgram(exec_words(parameters))
    return Acting(doer, context, lambda effects: doer.prepare(effects))


class RunProgram:
    """Runs one program with fixed arguments."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self._words = words
        self._environment = dict(ENVIRONMENT)
        self.capability = f"exec:{words[0]}"
        self.target = words[0]

    def prepare(self, effects: Effects) -> str | None:
        """Why the program may not run, if so: not listed, not there, or open to others' hands."""
        self._environment["BYTEOR_RUN_ID"] = effects.run_id
        program = self._words[0]
        if not exec_listed(program, effects.allowed):
            return f"{program} is not among the programs that {effects.environment_id} lists"
        if effects.mode == "dry_run":
            return None
        try:
            status = Path(program).stat()
        except OSError as error:
            return f"{program}: {error.strerror}"
        if not stat.S_ISREG(status.st_mode) or not os.access(program, os.X_OK):
            return f"{program} is no program that we may run"
        if status.st_mode & stat.S_IWOTH:
            return f"{program} can be rewritten by everybody"
        return None

    def attempt(self, message: bytes, idempotency_key: str) -> Attempt:
        try:
            process = subprocess.Popen(
                self._words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=self._environment | {"BYTEOR_IDEMPOTENCY_KEY": idempotency_key},
                process_group=0,  # a time limit ends whatever it started, too
                preexec_fn=_die_with_us,
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            return Attempt(
                "failed", f"cannot start: {getattr(error, 'strerror', None) or type(error).__name__}"
            )
        try:
            return _judged(process, message)
        finally:
            _end(process)

    def close(self) -> None:
        """Nothing outlives an attempt."""


def _die_with_us() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _judged(process: subprocess.Popen[bytes], message: bytes) -> Attempt:
    deadline = time.monotonic() + ATTEMPT_S
    size, digest, why = _talk(process, message, deadline)
    if why is None:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            why = f"it took longer than {ATTEMPT_S:g} s"
    said = f"output {size:,} bytes, sha256:{digest}" if size else "no output"
    if why is not None:
        return Attempt("unknown", f"{why} ({said})")
    code = process.returncode
    if code == 0:
        return Attempt("done", f"exit 0 ({said})")
    if code == TRY_AGAIN:
        return Attempt("failed", f"exit {code} ({said})", again=True)
    ended = f"exit {code}" if code > 0 else f"killed by signal {-code}"
    return Attempt("unknown", f"{ended} ({said})")


def _talk(process: subprocess.Popen[bytes], message: bytes, deadline: float) -> tuple[int, str, str | None]:
    """Feed the message and read the output until both ends; (bytes read, their digest, why it was cut)."""
    assert process.stdin is not None
    assert process.stdout is not None
    left, size, digest = memoryview(message), 0, hashlib.sha256()
    with selectors.DefaultSelector() as selector:
        for pipe, event in ((process.stdin, selectors.EVENT_WRITE), (process.stdout, selectors.EVENT_READ)):
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, event)
        if not message:
            _hang_up(selector, process.stdin)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready and time.monotonic() >= deadline:
                return size, digest.hexdigest(), f"it took longer than {ATTEMPT_S:g} s"
            for key, _ in ready:
                if key.fileobj is process.stdin:
                    try:
                        left = left[os.write(key.fd, left[:CHUNK_BYTES]) :]
                    except (
                        BrokenPipeError
                    ):  # it does not want more; its exit code tells whether it is content
                        left = left[:0]
                    if not left:
                        _hang_up(selector, process.stdin)
                    continue
                data = os.read(key.fd, CHUNK_BYTES)
                if not data:
                    selector.unregister(process.stdout)
                size += len(data)
                digest.update(data)
                if size > MAX_OUTPUT_BYTES:
                    return size, digest.hexdigest(), f"it wrote over {MAX_OUTPUT_BYTES:,} bytes"
    return size, digest.hexdigest(), None


def _hang_up(selector: selectors.BaseSelector, pipe: IO[bytes]) -> None:
    selector.unregister(pipe)
    try:
        pipe.close()
    except BrokenPipeError:
        pass


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of its process group, and reap it. Until then the group's number is its own."""
    if process.returncode is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except BrokenPipeError:
                pass
