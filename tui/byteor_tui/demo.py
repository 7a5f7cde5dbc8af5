"""The demo: the host's own counters through a real run in folders of its own, gone when it ends."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from byteor.errors import ByteorError, Exit
from byteor_tui.demo_people import People, make_people
from byteor_tui.demo_plan import PLAN, faulty_plan
from byteor_tui.demo_receiver import receiver
from byteor_tui.model.run import Run
from byteor_tui.model.runs import find_runs
from byteor_tui.model.session import Session

HEADLESS_S = 5.0
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 10.0
PREFIX = "byteor-demo-"
SPEC_NAME = "host-telemetry.plan.kv"
VARIABLE = "BYTEOR_DEMO_FAULT"
NOTE = "demo: f switches a fault on; everything here, snapshots too, goes when you leave (q)"
TOUR_NOTE = "demo: follow the line over the log; everything here goes when you leave (q)"
RATE = 20
_PR_SET_PDEATHSIG = 1


@contextlib.contextmanager
def demo_folder() -> Iterator[Path]:
    """A private folder that ``BYTEOR_*_DIR`` point into for as long as the demo lasts; removed at the end.

    It lies in shared memory where there is some, since regions must. Folders of demos that were killed
    (their pid is in the name) are removed first.
    """
    base = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())
    _remove_leftovers(base)
    root = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=base))
    ours = {
        "BYTEOR_RUNTIME_DIR": root / "run",
        "BYTEOR_STATE_DIR": root / "state",
        "BYTEOR_SHM_DIR": root / "shm",
    }
    for folder in ours.values():
        folder.mkdir(mode=0o700)
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update({name: str(folder) for name, folder in ours.items()})
    try:
        with _signals_unwind():
            yield root
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        shutil.rmtree(root, ignore_errors=True)


@contextlib.contextmanager
def _signals_unwind() -> Iterator[None]:
    """SIGTERM and SIGHUP are an exception here, so that nothing stays behind. The screen has its own way."""

    def leave(*_: object) -> None:
        raise ByteorError("E_INTERRUPTED", "interrupted", exit=Exit.TERMINATED)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def demo_run() -> Iterator[Run]:
    """A live run of the demo plan. It is stopped at the end: SIGTERM, a wait, then kill.

    Raises ``E_DEMO`` with the run's own words when it does not start.
    """
    with demo_folder() as root:
        process = _start(root, [], own_session=True)
        try:
            yield _wait_until_live(root, process)
        finally:
            _stop(process)


class Demo(msgspec.Struct, frozen=True):
    """A throw-away environment: a live run, people with keys, and the file that switches the fault on."""

    run: Run
    root: Path
    people: People
    fault: Path


@contextlib.contextmanager
def demo() -> Iterator[Demo]:
    """All of it in a folder of its own, which is also the working folder meanwhile; nothing is left.

    Raises ``E_DEMO`` with the run's own words when it does not start.
    """
    before = Path.cwd()
    with demo_folder() as root, receiver() as server:
        os.chdir(root)
        fault = root / "fault"
        os.environ[VARIABLE] = str(fault)
        process = None
        try:
            people = make_people(root, server.url)
            more = ["--stages=byteor_tui.demo_stage", "--env=prod", "--dry-effects"]
            process = _start(root, more, own_session=True, plan=faulty_plan(server.url))
            yield Demo(_wait_until_live(root, process), root, people, fault)
        finally:
            if process is not None:
                _stop(process)
            os.environ.pop(VARIABLE, None)
            os.chdir(before)


def session_in(found: Demo, given: Session) -> Session:
    """``given`` with the demo's people, environment and spec where it says nothing else."""
    return msgspec.structs.replace(
        given,
        env=given.env or "prod",
        identities=given.identities or found.people.identities,
        half="",
        spec=given.spec or found.root / SPEC_NAME,
        fault=found.fault,
        stages=given.stages or ("byteor_tui.demo_stage",),
    )


def headless(seconds: float, *, as_json: bool) -> int:
    """The demo without a terminal: run ``seconds``, print the run's document, return its exit code."""
    with demo_folder() as root:
        process = _start(root, [f"--for={seconds}"], own_session=False)
        try:
            code = process.wait(timeout=seconds + START_TIMEOUT_S + STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            hint = "byteor run says more: see specs/"
            raise ByteorError("E_DEMO", "the demo run did not end", hint=hint, exit=Exit.TIMEOUT) from None
        finally:
            _stop(process)
        document = _document(root, code)
    if as_json:
        sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
    else:
        sys.stdout.write(_summary(document) + "\n")
    sys.stdout.flush()
    return code


def _start(root: Path, more: list[str], *, own_session: bool, plan: str = PLAN) -> subprocess.Popen[bytes]:
    spec = root / SPEC_NAME
    spec.write_text(plan)
    rate = "max" if plan is PLAN else str(RATE)
    command = [sys.executable, "-m", "byteor", "run", f"--spec={spec}", f"--source=host:{rate}"]
    command.append("--sink=null:")
    with (root / "out.json").open("wb") as out, (root / "err.log").open("wb") as err:
        return subprocess.Popen(
            [*command, "--json", *more],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=own_session,
            preexec_fn=_end_with_parent(),
        )


def _end_with_parent() -> Any:
    """What the child does before exec: ask for SIGTERM at our death: kill -9 leaves no run."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _wait_until_live(root: Path, process: subprocess.Popen[bytes]) -> Run:
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end:
        live = [run for run in find_runs() if run.alive]
        if live:
            return live[0]
        if process.poll() is not None:
            raise _failure(root, process.returncode)
        time.sleep(0.02)
    raise ByteorError("E_DEMO", "the demo run did not start in time", exit=Exit.TIMEOUT)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(timeout=STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _document(root: Path, code: int) -> dict[str, Any]:
    try:
        document = msgspec.json.decode((root / "out.json").read_bytes(), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _failure(root, code) from None
    if document.get("schema") != "byteor.run/v1":
        raise _failure(root, code)
    return document


def _failure(root: Path, code: int) -> ByteorError:
    """The run's own words: its error document, else the last line it wrote to stderr."""
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError, OSError):
        said = msgspec.json.decode((root / "out.json").read_bytes(), type=dict[str, Any])
        if said.get("schema") == "byteor.error/v1":
            return ByteorError(
                str(said["code"]), str(said["message"]), hint=said.get("hint"), exit=_as_exit(code)
            )
    lines = (root / "err.log").read_text(errors="replace").strip().splitlines()
    reason = lines[-1] if lines else f"exit {code}"
    return ByteorError("E_DEMO", f"the demo run failed: {reason}", exit=_as_exit(code))


def _as_exit(code: int) -> Exit:
    return Exit(code) if code in set(Exit) and code != Exit.OK else Exit.RUNTIME


def _summary(document: dict[str, Any]) -> str:
    seconds = document["duration_ns"] / 1e9
    return (
        f"{document['run_id']}: {document['state']} after {seconds:.1f} s\n"
        f"  in {document['in']:,}  out {document['out']:,}  errors {document['errors']:,}"
        f"  {document['messages_per_s']:,.0f} messages/s"
    )


def _remove_leftovers(base: Path) -> None:
    for path in base.glob(f"{PREFIX}*"):
        pid = path.name.removeprefix(PREFIX).partition("-")[0]
        with contextlib.suppress(OSError):
            if pid.isdigit() and path.stat().st_uid == os.geteuid() and not Path("/proc", pid).exists():
                shutil.rmtree(path)
