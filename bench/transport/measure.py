"""How a row is measured: roles in forked processes or threads, a deadline around everything.

Only the standard library: peers run this file in interpreters that have no ``byteor``.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

Role = Callable[[], Iterator[None]]
"""A generator function. Up to each ``yield`` it gets ready (opens its ends); behind the last one it works."""

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Whoever starts a process for the bench takes it along, even when killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def in_processes(roles: Sequence[Role], main: Role, phases: int = 1) -> float:
    """Seconds from the common start until ``main`` here and every forked role have done their work.

    All are ready up to a ``yield`` before any goes on. Closing down is not measured.
    """
    children = [_fork(role, phases) for role in roles]
    own = main()
    for _ in range(phases):
        for _, line in children:
            line.send(b"+")
        next(own)
        for _, line in children:
            if line.recv(1) != b"+":
                raise RuntimeError("a role could not start")
    for _, line in children:
        line.send(b"+")
    start = end = time.perf_counter_ns()
    for _ in own:
        pass
    end = time.perf_counter_ns()
    for _, line in children:
        told = line.recv(8)
        if len(told) != 8:
            raise RuntimeError("a role failed")
        end = max(end, struct.unpack("q", told)[0])  # CLOCK_MONOTONIC is one for all processes
    for _, line in children:
        line.send(b"+")
        line.close()
    for pid, _ in children:
        os.waitpid(pid, 0)
    return (end - start) / 1e9


def _fork(role: Role, phases: int) -> tuple[int, socket.socket]:
    mine, its = socket.socketpair()
    pid = os.fork()
    if pid:
        its.close()
        return pid, mine
    die_with_parent()
    mine.close()
    try:
        work = role()
        for _ in range(phases):
            its.recv(1)
            next(work)
            its.send(b"+")
        its.recv(1)
        for _ in work:
            pass
        its.send(struct.pack("q", time.perf_counter_ns()))
        its.recv(1)  # threads of a peer may still have messages of ours to send
        os._exit(0)
    except BaseException:  # noqa: BLE001  (also an exit out of a peer's code)
        traceback.print_exc()
        # The others would wait for this one until the deadline.
        os.kill(os.getppid(), signal.SIGTERM)
        os._exit(1)


def in_threads(roles: Sequence[Role], main: Role, phases: int = 1) -> float:
    """The same with threads of this process."""
    ready = threading.Barrier(len(roles) + 1)

    def run(role: Role) -> None:
        work = role()
        for _ in range(phases):
            next(work)
            ready.wait()
        for _ in work:
            pass

    threads = [threading.Thread(target=run, args=(role,), daemon=True) for role in roles]
    for thread in threads:
        thread.start()
    own = main()
    for _ in range(phases):
        next(own)
        ready.wait()
    start = time.perf_counter_ns()
    for _ in own:
        pass
    for thread in threads:
        thread.join()
    return (time.perf_counter_ns() - start) / 1e9


def enough(run: Callable[[int], float], budget_s: float, least: int, most: int = 1 << 27) -> int:
    """How many messages, a multiple of ``least``, take about ``budget_s``."""
    messages = least
    while (took := run(messages)) < budget_s / 4 and messages < most:
        messages *= 4 if took < budget_s / 16 else 2
    return max(least, int(messages * budget_s / took) // least * least)


def quantiles_ns(samples: list[int]) -> dict[str, int]:
    ordered = sorted(samples)
    return {
        name: ordered[int(len(ordered) * q)] for name, q in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))
    }


def round_trips(
    send: Callable[[bytes], object], receive: Callable[[], object], rounds: int, payload: bytes
) -> dict[str, int]:
    """Round-trip quantiles in ns as seen by the asking side."""
    clock = time.perf_counter_ns
    samples = []
    for _ in range(rounds):
        start = clock()
        send(payload)
        receive()
        samples.append(clock() - start)
    return quantiles_ns(samples[rounds // 10 :])


def bounded(call: Callable[[], Any], seconds: float) -> Any:
    """``call()`` in a process group of its own, ended after ``seconds``. The result goes through JSON.

    Whatever the call started is ended with it, on every way out. Raises ``ImportError`` or
    ``RuntimeError`` with what the call said, ``TimeoutError``.
    """
    read, write = os.pipe()
    said = tempfile.TemporaryFile()  # noqa: SIM115
    # A bench that is told to end takes the call with it, which would hold its terminal or pipe for ever.
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        die_with_parent()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.dup2(said.fileno(), 2)
        sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
        try:
            answer: dict[str, Any] = {"value": call()}
        except ImportError as error:
            answer = {"missing": str(error)}
        except BaseException as error:  # noqa: BLE001
            answer = {"error": f"{type(error).__name__}: {error}"}
        with open(write, "wb") as out:  # noqa: PTH123
            out.write(json.dumps(answer).encode())
        os._exit(0)
    os.close(write)
    try:
        text = _read_until(read, time.monotonic() + seconds)
    finally:
        os.close(read)
        _end_group(pid)
        signal.signal(signal.SIGTERM, before)
        said.seek(0)
        last = said.read()[-4000:].decode(errors="replace").strip().rpartition("\n")[2]
        said.close()
    if text is None:
        raise TimeoutError(f"no result within {seconds:.0f} s")
    if not text:
        raise RuntimeError(last or "it ended without a word")
    answer = json.loads(text)
    if "missing" in answer:
        raise ImportError(answer["missing"])
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return answer["value"]


def _read_until(fd: int, deadline: float) -> bytes | None:
    """All that comes until the other side closes; ``None`` when it has not by then."""
    found = b""
    while True:
        ready, _, _ = select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return None
        part = os.read(fd, 1 << 16)
        if not part:
            return found
        found += part


def _end_group(pid: int) -> None:
    """Kill the group and wait until nobody is left in it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    for _ in range(20):
        try:
            os.killpg(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return
        time.sleep(0.005)


def elsewhere(python: str, module: str, request: dict[str, Any]) -> Any:
    """``python -m module``, with the request as JSON in its argument and the answer on its stdout.

    Only inside ``bounded``. Raises ``ImportError`` or ``RuntimeError`` with what it said.
    """
    done = subprocess.run(
        [python, "-m", module, json.dumps(request)],
        cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, preexec_fn=die_with_parent, check=False,
    )  # fmt: skip
    if done.returncode:
        os._exit(1)  # what it said stands on stderr, which ``bounded`` reads
    answer = json.loads(done.stdout)
    if "missing" in answer:
        raise ImportError(answer["missing"])
    return answer["value"]


@contextlib.contextmanager
def clean_folder(prefix: str, parent: Path) -> Iterator[Path]:
    """A folder that is gone afterwards. It names its process: the next run clears up after a killed one."""
    _clear(prefix, parent)
    owner = os.getpid()
    made = Path(tempfile.mkdtemp(prefix=f"{prefix}{owner}-", dir=parent))
    try:
        yield made
    finally:
        if os.getpid() == owner:  # not in a forked role that ends by an exception
            _remove(made)


@contextlib.contextmanager
def peer_folder() -> Iterator[Path]:
    """Where a peer may write. Peers name their shared memory after it; who was killed has left some."""
    shm, prefix = Path("/dev/shm"), "byteor-peer-"
    _clear(prefix, shm)
    with clean_folder(prefix, Path("/tmp")) as made:
        try:
            yield made
        finally:
            for left in shm.glob(f"{made.name}*"):
                _remove(left)


def _clear(prefix: str, parent: Path) -> None:
    for left in parent.glob(f"{prefix}*-*"):
        pid = left.name.removeprefix(prefix).partition("-")[0]
        if pid.isdecimal() and not Path("/proc", pid).exists():
            _remove(left)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def busy() -> float:
    """The share of all processors that others use while this process waits half a second; niced programs,
    which give way, do not count."""

    def ticks() -> list[int]:
        with open("/proc/stat") as file:  # noqa: PTH123
            return list(map(int, file.readline().split()[1:9]))

    before = ticks()
    time.sleep(0.5)
    passed = [b - a for a, b in zip(before, ticks(), strict=True)]
    return round(1 - (passed[1] + passed[3] + passed[4]) / max(1, sum(passed)), 3)


def machine() -> dict[str, object]:
    """What the numbers were measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "?")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "kernel": os.uname().release,
        "python": ".".join(map(str, sys.version_info[:3])),
        "word": struct.calcsize("P") * 8,
    }
