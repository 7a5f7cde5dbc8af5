"""Speed of the spec layer: ``python -m bench.spec [--json]``. One table from one run; compare within it."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from byteor.spec import check_document, encode, read_document
from byteor.spec.model import PipelinePlanV2, PlanBoundary, PlanConnection, PlanConstraints, PlanStage
from byteor.spec.validate import CompileReport

SIZES = (10, 100, 1_000, 10_000)
FILES = 1_000


def plan(roles: int) -> bytes:
    """A chain of ``roles`` stages with a fan and a merge every ten, as canonical text."""
    stages = tuple(PlanStage(f"s{n}", "identity") for n in range(roles))
    connections = [PlanConnection("in", "s0")]
    for n in range(1, roles):
        connections.append(PlanConnection(f"s{n - 1}", f"s{n}"))
        if n % 10 == 5:
            connections.append(PlanConnection(f"s{n - 2}", f"s{n}"))
    connections.append(PlanConnection(f"s{roles - 1}", "out"))
    boundaries = (PlanBoundary("in", "ingress"), PlanBoundary("out", "egress"))
    constraints = PlanConstraints(capacity=16, slot_bytes=64)
    return encode(
        PipelinePlanV2("bench", "LaneGraph", None, boundaries, stages, constraints, tuple(connections))
    )


def median_ms(work: Callable[[], object], runs: int) -> float:
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def compile_text(text: bytes) -> CompileReport:
    """Read, validate, lower, validate the result, encode and hash it."""
    return check_document(read_document(text))


def bench_compile() -> list[dict[str, float]]:
    rows = []
    for size in SIZES:
        text = plan(size)
        report = compile_text(text)
        assert report.ok, report.plan_diagnostics[:3]
        took = median_ms(lambda text=text: compile_text(text), 21 if size <= 1000 else 5)  # type: ignore[misc]
        rows.append({"roles": size, "text_bytes": len(text), "ms": took, "us_per_role": took * 1e3 / size})
    return rows


def bench_files(folder: Path) -> float:
    """Seconds that ``byteor validate`` takes for a folder of small files, the whole process."""
    text = plan(3)
    for number in range(FILES):
        (folder / f"n{number}.plan.kv").write_bytes(text)
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "byteor", "validate", str(folder), "--json"], stdout=subprocess.PIPE
    )
    took = time.perf_counter() - start
    assert len(json.loads(done.stdout)["documents"]) == FILES
    return took


def bench_start(folder: Path) -> float:
    """Milliseconds of ``byteor validate FILE``, the whole process, median."""
    command = [sys.executable, "-m", "byteor", "validate", str(folder / "n0.plan.kv")]
    return median_ms(lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True), 7)


def bench_watch(folder: Path) -> dict[str, float]:
    """Milliseconds from a rename over a file to its event, median and worst of 50 saves."""
    from byteor.spec.watch import watch

    path = folder / "watched.plan.kv"
    texts = [plan(3), plan(4)]
    path.write_bytes(texts[0])
    stop, told = threading.Event(), threading.Event()

    def follow() -> None:
        for _ in watch([str(folder)], stop=stop):
            told.set()

    thread = threading.Thread(target=follow)
    thread.start()
    told.wait(10)
    time.sleep(0.5)
    times = []
    for number in range(50):
        told.clear()
        temp = folder / ".temp"
        temp.write_bytes(texts[(number + 1) % 2])
        start = time.perf_counter()
        temp.replace(path)
        assert told.wait(5)
        times.append((time.perf_counter() - start) * 1e3)
        time.sleep(0.02)
    stop.set()
    thread.join()
    return {"median_ms": statistics.median(times), "worst_ms": max(times)}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result = {
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
            "compile": bench_compile(),
            "validate_1000_files_s": bench_files(folder),
            "validate_one_file_ms": bench_start(folder),
        }
        watched = folder / "w"
        watched.mkdir()
        result["watch"] = bench_watch(watched)
    if "--json" in sys.argv:
        print(json.dumps(result, indent=1))
        return
    print(result["machine"])
    print(f"{'roles':>8} {'text bytes':>12} {'ms':>10} {'us per role':>12}   (read to hash)")
    for row in result["compile"]:  # type: ignore[attr-defined]
        print(f"{row['roles']:>8,} {row['text_bytes']:>12,} {row['ms']:>10.2f} {row['us_per_role']:>12.1f}")
    print(f"validate {FILES:,} small files, whole process: {result['validate_1000_files_s']:.2f} s")
    print(f"validate one file, whole process: {result['validate_one_file_ms']:.0f} ms")
    print("save to event: median {median_ms:.0f} ms, worst of 50 {worst_ms:.0f} ms".format(**result["watch"]))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
