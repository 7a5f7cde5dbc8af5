"""A real run under a service manager, with a tuning profile: what it says and what the kernel gave it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

from home import BYTEOR, Home

from byteor.runtime.folders import read_run


def cpus_by_thread(pid: int) -> dict[str, set[int]]:
    """The CPUs that each thread of a process may use, by its number."""
    return {task.name: os.sched_getaffinity(int(task.name)) for task in Path(f"/proc/{pid}/task").iterdir()}


def test_a_service_says_ready_feeds_the_watchdog_stops_and_is_tuned(home: Home) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(home.root / "notify"))
        systemd.settimeout(30)
        process = subprocess.Popen(
            [*BYTEOR, "run", str(home.spec(("a", "identity"))), "--profile", "low-latency",
             "--source", "generate:0,16", "--sink", "null:", "--wait", "block", "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**home.env, "NOTIFY_SOCKET": str(home.root / "notify"), "WATCHDOG_USEC": "200000"},
        )  # fmt: skip
        home.started.append(process)
        heard = ""
        while "READY=1" not in heard or "WATCHDOG=1" not in heard.partition("READY=1")[2]:
            heard += systemd.recv(4096).decode() + "\n"
        assert f"MAINPID={process.pid}" in heard

        (folder,) = (home.root / "run").glob("pipe-*")
        identity = read_run(folder).identity
        lines = {line.request: line for line in identity.tuning}
        assert lines.keys() == {"wait", "pinning", "scheduler", "lock", "prefault", "shm"}
        assert lines["wait"].applied == identity.wait == "block"  # what a person asks for is stronger
        if lines["pinning"].applied.startswith("balanced: CPUs "):
            wanted = [{int(cpu)} for cpu in lines["pinning"].applied.partition("CPUs ")[2].split(",")]
            found = list(cpus_by_thread(process.pid).values())
            assert all(found.count(cpu) >= 1 for cpu in wanted), (wanted, found)
        else:
            assert lines["pinning"].status == "degraded"
        if lines["lock"].status == "applied":
            status = Path(f"/proc/{process.pid}/status").read_text()
            assert int(status.partition("VmLck:")[2].split()[0]) > 0

        process.send_signal(signal.SIGTERM)
        while "STOPPING=1" not in heard:
            heard += systemd.recv(4096).decode() + "\n"
    out, err = process.communicate(timeout=30)
    assert (process.returncode, json.loads(out)["state"]) == (143, "stopped")
    assert "note: profile low-latency" in err
