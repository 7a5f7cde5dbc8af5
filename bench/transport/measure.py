"""How a row is measured: roles in forked processes or threads, medians of repeated runs."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import statistics
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Work = Callable[[], None]


def in_processes(roles: list[Work], main: Work) -> float:
    """Seconds from the start of ``main`` here until it and every forked role have ended."""
    children = []
    for role in roles:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                role()
                status = 0
            finally:
                os._exit(status)
        children.append(pid)
    time.sleep(0.03)
    start = time.perf_counter()
    main()
    failed = [pid for pid in children if os.waitpid(pid, 0)[1] != 0]
    if failed:
        raise RuntimeError("a role failed")
    return time.perf_counter() - start


def in_threads(roles: list[Work], main: Work) -> float:
    """The same with threads of this process."""
    threads = [threading.Thread(target=role) for role in roles]
    for thread in threads:
        thread.start()
    time.sleep(0.01)
    start = time.perf_counter()
    main()
    for thread in threads:
        thread.join()
    return time.perf_counter() - start


def median_rate(run: Callable[[int], float], repeats: int, budget_s: float = 0.3) -> tuple[float, int]:
    """Messages per second, the median of ``repeats`` runs of about ``budget_s`` each; and messages a run."""
    messages = 4096
    while (took := run(messages)) < budget_s / 4 and messages < 1 << 27:
        messages *= 4 if took < budget_s / 16 else 2
    messages = max(4096, int(messages * budget_s / took) // 4096 * 4096)
    return statistics.median(messages / run(messages) for _ in range(repeats)), messages


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

    Raises ``ImportError`` or ``RuntimeError`` with what the call said, ``TimeoutError``.
    """
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        try:
            answer: dict[str, Any] = {"value": call()}
        except ImportError as error:
            answer = {"missing": str(error)}
        except Exception as error:  # noqa: BLE001
            answer = {"error": f"{type(error).__name__}: {error}"}
        os.write(write, json.dumps(answer).encode())
        os._exit(0)
    os.close(write)
    # A bench that is told to end takes the call with it, which would hold its terminal or pipe for ever.
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        ready, _, _ = select.select([read], [], [], seconds)
        text = os.read(read, 1 << 16) if ready else b""
    finally:
        os.close(read)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        signal.signal(signal.SIGTERM, before)
    if not text:
        raise TimeoutError(f"no result within {seconds:.0f} s")
    answer = json.loads(text)
    if "missing" in answer:
        raise ImportError(answer["missing"])
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return answer["value"]


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
