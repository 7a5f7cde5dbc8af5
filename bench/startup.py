"""From the command to the first message that leaves, and what an idle run costs: ``python -m bench.startup``.

Every try is a whole ``byteor run`` with capture on, begun anew: the clock starts before its process does and
stops when the first byte comes out of its ``stdout:`` sink. Medians of the tries; the machine ought to be
quiet. Idle: CPU time of all processes of a run that waits for its ``stdin:``, after a second of rest.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.transport.measure import machine

STAGES = """from byteor.runtime.stages import stage


@stage
def touched(message):
    return bytes(message)
"""
BARS_MS = {"native": 300, "python": 800, "sharded": 300, "graph64-native": 3000, "graph64-python": 3000}
SHARDS = """single_ring.shards=4
single_ring.ordering=per_key
single_ring.shard_key=bytes:0:2
"""
IDLE_BAR = 1.0  # per cent of one CPU


def ring(keys: Sequence[str]) -> str:
    """A ring of stages in a chain."""
    lines = ["v=1", "model=single_ring", "name=startup"]
    for index, key in enumerate(keys):
        at = f"single_ring.stages.{index}"
        lines += [f"{at}.name=s{index}", f"{at}.key={key}"]
        lines += [f"{at}.depends_on.0={index - 1}"] if index else []
    return "\n".join(lines) + "\n"


def chain(roles: int, key: str) -> str:
    """A lane graph of so many stages, one after the other."""
    lines = ["v=1", "model=lane_graph", "name=startup"]
    for index, (name, kind, lane) in enumerate((("in", "ingress", "l0"), ("out", "egress", f"l{roles}"))):
        at = f"lane_graph.endpoints.{index}"
        lines += [f"{at}.name={name}", f"{at}.kind={kind}", f"{at}.lane={lane}"]
    for index in range(roles + 1):
        lines += [f"lane_graph.lanes.{index}.name=l{index}", f"lane_graph.lanes.{index}.kind=events"]
    for index in range(roles):
        at = f"lane_graph.roles.{index}"
        lines += [f"{at}.name=r{index}", f"{at}.kind=stage", f"{at}.key={key}"]
        lines += [f"{at}.rx.0=l{index}", f"{at}.tx.0=l{index + 1}"]
    return "\n".join(lines) + "\n"


CASES = {
    "native": ring(["identity"] * 3),
    "python": ring(["identity", "touched", "identity"]),
    "sharded": ring(["identity"]) + SHARDS,
    "graph64-native": chain(64, "identity"),
    "graph64-python": chain(64, "touched"),
}


class Place:
    """A folder of our own for specs, stages, runs and state."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "startup_stages.py").write_text(STAGES)
        for name, text in CASES.items():
            (home / f"{name}.spec.kv").write_text(text)
        self.env = {
            **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            "BYTEOR_RUNTIME_DIR": str(home / "run"),
            "BYTEOR_STATE_DIR": str(home / "state"),
            "PYTHONPATH": str(home),
        }

    def start(self, case: str, *words: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        command = [Path(sys.executable).with_name("byteor"), "run", self.home / f"{case}.spec.kv"]
        return subprocess.Popen(
            [*command, "--stages", "startup_stages", *words],
            env=self.env, cwd=self.home, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip


def first_message_ms(place: Place, case: str, *words: str) -> float:
    """One run, ended when its first message is out."""
    began = time.monotonic()
    with place.start(case, "--source", "generate:0,64?rate=1000", "--sink", "stdout:", *words) as run:
        assert run.stdout is not None
        if not run.stdout.read(1):
            _, errors = run.communicate()
            raise SystemExit(errors.decode())
        took = (time.monotonic() - began) * 1e3
        run.send_signal(signal.SIGINT)
        run.send_signal(signal.SIGINT)
        run.communicate()
    return took


def idle_per_cent(place: Place, case: str, wait: str, seconds: float) -> float:
    """CPU time of the run's processes while nothing comes, in per cent of one CPU."""
    with place.start(case, "--sink", "stdout:", "--wait", wait, stdin=subprocess.PIPE) as run:
        assert run.stdin is not None and run.stdout is not None
        run.stdin.write(b"first\n")
        run.stdin.flush()
        run.stdout.read(6)
        time.sleep(1.0)
        before, began = _cpu_s(run.pid), time.monotonic()
        time.sleep(seconds)
        spent, passed = _cpu_s(run.pid) - before, time.monotonic() - began
        run.stdin.close()
        run.wait()
    return 100 * spent / passed


def _cpu_s(pid: int) -> float:
    """Of a process and its children, so far. The ticks of /proc/PID/stat are too coarse."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    clock = ~pid << 3 | 2  # what clock_getcpuclockid(3) makes of it
    return time.clock_gettime(clock) + sum(_cpu_s(int(child)) for child in children)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"{', '.join(CASES)}, idle; all when absent")
    parser.add_argument("--tries", type=int, default=11)
    parser.add_argument("--idle-seconds", type=float, default=10.0)
    parser.add_argument("--run", action="append", default=[], metavar="WORD", help="one more word for run")
    parser.add_argument("-o", "--out", type=Path, help="write the figures as JSON")
    asked = parser.parse_args()
    chosen = asked.cases or [*CASES, "idle"]
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="byteor-bench-") as folder:
        place = Place(Path(folder))
        for case in CASES:
            if case not in chosen:
                continue
            first_message_ms(place, case, *asked.run)  # bytecode, page cache
            tries = sorted(first_message_ms(place, case, *asked.run) for _ in range(asked.tries))
            found[case] = {"median_ms": statistics.median(tries), "best_ms": tries[0], "worst_ms": tries[-1]}
            told = "  ".join(f"{name} {value:7.0f}" for name, value in found[case].items())
            print(f"{case:<16} {told}   bar {BARS_MS[case]}", flush=True)
        if "idle" in chosen:
            for case in ("native", "python", "sharded"):
                for wait in ("backoff", "block"):
                    cost = idle_per_cent(place, case, wait, asked.idle_seconds)
                    found[f"idle-{case}-{wait}"] = {"cpu_per_cent": cost}
                    print(f"idle {case:<7} {wait:<7} {cost:5.2f} % of a CPU   bar {IDLE_BAR}", flush=True)
    if asked.out is not None:
        asked.out.write_text(
            json.dumps({"machine": machine(), "tries": asked.tries, **found}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
