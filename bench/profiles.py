"""End-to-end latency of a run under half load, for each tuning profile: ``python -m bench.profiles``.

A ring of three identity stages, 64-byte messages from a paced generator to the null sink, by ``byteor run``.
Its full rate is measured first, then it is paced at half of it. Quantiles are upper edges of the kernel's
power-of-two buckets, read from the run's metrics region when it has ended.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.transport.measure import machine
from byteor.runtime.folders import read_run
from byteor.runtime.observe import RunObserver
from byteor.runtime.tuning import PROFILES

RING = """v=1
model=single_ring
name=latency
single_ring.stages.0.name=a
single_ring.stages.0.key=identity
single_ring.stages.1.name=b
single_ring.stages.1.key=identity
single_ring.stages.1.depends_on.0=0
single_ring.stages.2.name=c
single_ring.stages.2.key=identity
single_ring.stages.2.depends_on.0=1
"""
UNPACED = 1_000_000_000  # no generator keeps up: as fast as it can through the same code


def run_for(home: Path, profile: str, rate: int, seconds: float) -> dict[str, Any]:
    """Figures of one run; quantiles in ns."""
    spec = home / "latency.spec.kv"
    spec.write_text(RING)
    environment = {
        **os.environ,
        "BYTEOR_RUNTIME_DIR": str(home / "run"),
        "BYTEOR_STATE_DIR": str(home / "state"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "byteor", "run", str(spec), "--profile", profile, "--for", str(seconds),
         "--source", f"generate:0,64?rate={rate}", "--sink", "null:", "--json"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    result = json.loads(done.stdout)
    folder = home / "run" / result["run_id"]
    with RunObserver(folder) as observer:
        (sink,) = (row for row in observer.rows() if row.role == "sink")
    return {
        "messages_per_s": round(result["messages_per_s"]),
        "p50_ns": sink.quantile_ns(0.5),
        "p99_ns": sink.quantile_ns(0.99),
        "p999_ns": sink.quantile_ns(0.999),
        "tuning": {line.request: line.applied for line in read_run(folder).identity.tuning},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measured run")
    parser.add_argument("-o", "--out", type=Path, help="write the figures as JSON")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="byteor-bench-") as folder:
        home = Path(folder)
        full = run_for(home, "default", UNPACED, min(2.0, asked.seconds))["messages_per_s"]
        rate = full // 2
        found = {name: run_for(home, name, rate, asked.seconds) for name in PROFILES}
    print(f"full rate of the paced source {full:,} msg/s; measured at {rate:,}")
    print(f"{'profile':<14} {'msg/s':>10} {'p50':>10} {'p99':>10} {'p99.9':>10}  got")
    for name, figures in found.items():
        got = ", ".join(f"{request} {applied}" for request, applied in figures["tuning"].items())
        print(
            f"{name:<14} {figures['messages_per_s']:>10,}"
            f" {figures['p50_ns'] / 1e3:>8,.0f}us {figures['p99_ns'] / 1e3:>8,.0f}us"
            f" {figures['p999_ns'] / 1e3:>8,.0f}us  {got}"
        )
    if asked.out is not None:
        asked.out.write_text(
            json.dumps({"machine": machine(), "rate": rate, "profiles": found}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
