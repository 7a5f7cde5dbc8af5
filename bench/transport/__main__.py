"""One table from one run: ``python -m bench.transport [--quick] [--only WORD] [--json FILE]``."""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from bench.transport import ours, peers
from bench.transport.measure import bounded, machine, median_rate
from byteor.indexbus import Wait, kernel_name

HERE = Path(__file__).parent
PEER_SECONDS = 25.0
RESULTS = HERE.parent / "results" / "transport.json"


class Limit:
    """The plain-C loop, compiled here."""

    def __init__(self, folder: str) -> None:
        self.program = Path(folder, "limit")
        subprocess.run(["cc", "-O3", "-o", self.program, HERE / "limit.c"], check=True)

    def rate(self, size: int, stages: int, repeats: int) -> float:
        """Messages a second through a chain of so many consumers."""
        messages = 1 << (23 if size <= 64 else 20)
        runs = [
            int(self._run("stream", ours.CAPACITY, size, ours.BATCH, messages, stages))
            for _ in range(repeats)
        ]
        return messages / statistics.median(runs) * 1e9

    def round_trip(self) -> dict[str, int]:
        numbers = self._run("pingpong", 200000).split()
        return dict(zip(("p50", "p99", "p99.9"), map(int, numbers), strict=True))

    def _run(self, *arguments: object) -> str:
        command = [str(self.program), *map(str, arguments)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def attempt(name: str, call: Callable[[], Any]) -> Any:
    """A peer that is missing or breaks is a line, not the end of the run."""
    try:
        return bounded(call, PEER_SECONDS)
    except ImportError as error:
        print(f"  {name:34} left out: {error}")
    except Exception as error:  # noqa: BLE001
        print(f"  {name:34} failed: {type(error).__name__}: {error}")
    return None


def throughput(limit: Limit, repeats: int, only: str, sizes: list[int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    print(f"\n{'messages a second, process to process':42} {'bytes':>5} {'M/s':>9} {'of the limit':>13}")
    limits = {(size, stages): limit.rate(size, stages, repeats) for size in sizes for stages in (1,)}
    limits[64, 3] = limit.rate(64, 3, repeats)
    for (size, stages), rate in limits.items():
        name = "plain C" if stages == 1 else f"plain C, chain of {stages}"
        found[f"{name} {size}"] = {"rate": rate}
        print(f"  {name:40} {size:5} {rate / 1e6:9.2f}")
    for name, size, run in ours.rows(sizes):
        if only not in name:
            continue
        rate, messages = median_rate(run, repeats)
        base = limits[64, 3] if name.startswith("native chain") else limits.get((size, 1), 0)
        found[f"{name} {size}"] = {
            "rate": rate,
            "messages": messages,
            "of_limit": rate / base if base else None,
        }
        print(f"  {name:40} {size:5} {rate / 1e6:9.2f} {rate / base:13.2f}")
    return found


def peer_rates(repeats: int, single: float) -> dict[str, Any]:
    found: dict[str, Any] = {}
    print(f"\n{'peers, single messages of 64 bytes':42} {'':5} {'M/s':>9} {'ours/theirs':>13}")
    for name, make in peers.PEERS.items():
        measured = attempt(name, partial(median_rate, peers.pair(make), repeats))
        if measured is not None:
            found[name] = {"rate": measured[0]}
            print(f"  {name:40} {'':5} {measured[0] / 1e6:9.3f} {single / measured[0]:13.1f}")
    return found


def latencies(limit: Limit, rounds: int) -> dict[str, Any]:
    found: dict[str, Any] = {"plain C, spinning": limit.round_trip()}
    for wait in Wait:
        found[f"ours, {wait.name.lower()}"] = ours.round_trip(wait, rounds)
    found["ours, pure twin, yield"] = ours.round_trip(Wait.YIELD, rounds // 10, "pure")
    for name, make in peers.PEERS.items():
        measured = attempt(name, partial(peers.round_trip, make, rounds // 4))
        if measured is not None:
            found[name] = measured
    print(f"\n{'round trip of 64 bytes, ns':42} {'p50':>9} {'p99':>9} {'p99.9':>9}")
    for name, numbers in found.items():
        print(f"  {name:40} {numbers['p50']:9} {numbers['p99']:9} {numbers['p99.9']:9}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.transport")
    parser.add_argument("--quick", action="store_true", help="64 bytes only")
    parser.add_argument("--only", default="", help="only our rows whose name contains this word")
    parser.add_argument("--json", type=Path, default=RESULTS)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that folders go
    repeats, sizes = options.repeats, [64] if options.quick else [8, 64, 256, 4096]
    report: dict[str, Any] = {"machine": machine(), "kernel": kernel_name(), "repeats": repeats}
    print(", ".join(f"{key} {value}" for key, value in report["machine"].items()))
    with tempfile.TemporaryDirectory() as folder, ours.folder():
        limit = Limit(folder)
        report["throughput"] = throughput(limit, repeats, options.only, sizes)
        publish, bare = ours.publish_ns(64)
        report["publish_ns"] = {"publish": publish, "bare_loop": bare}
        print(f"\n  one publish {publish:.1f} ns, bare loop {bare:.1f} ns, over it {publish - bare:.1f} ns")
        report["idle_cpu"] = {wait.name.lower(): ours.idle_cpu(wait) for wait in Wait}
        print("  idle consumer, share of a processor:", report["idle_cpu"])
        if not options.only:
            single = report["throughput"]["single calls 64"]["rate"]
            report["peers"] = peer_rates(repeats, single)
            report["round_trip_ns"] = latencies(limit, 4000 if options.quick else 40000)
    if not options.only:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
        print(f"\nwritten to {options.json}")


if __name__ == "__main__":
    main()
