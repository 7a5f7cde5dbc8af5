"""The audit log's figures: ``python -m bench.audit [--entries 1000000] [--seconds 5] [--folder DIR]``.

Bars: verification >= 300,000 entries/s (elapsed, with a helper process a core) in <= 64 MiB (its peak
resident set less what importing costs; each helper's whole); group commit >= 15,000 rows/s at 64 producers;
a durable single append within 1.5 times a raw fdatasync of the same bytes. The last depends on the disk
under --folder: name one that really syncs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from byteor_store import AuditLog, Event

GROUP = 10_000
VERIFY = """
import json, re, resource, sys, time
from pathlib import Path
from byteor_store import verify
def peak():
    return int(re.search("VmHWM:\\s*([0-9]+)", Path("/proc/self/status").read_text())[1])
base = peak()
began = time.perf_counter()
found = verify(Path(sys.argv[1]))
print(json.dumps({"ok": found.ok, "size": found.size, "s": time.perf_counter() - began,
                  "kib": peak() - base,
                  "child_kib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}))
"""


def event(number: int) -> Event:
    """An entry of the usual size: a decision with a body."""
    return Event(
        action="effect_done",
        actor="user:service",
        env="prod-eu-1",
        spec_hash="sha256:" + "5" * 64,
        run_id="alerting-20270115T080000-abcd",
        body={"bytes": number, "capability": "http_post:https://alerts.example", "detail": "HTTP 204"},
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--entries", type=int, default=1_000_000)
    arguments.add_argument("--seconds", type=float, default=5.0)
    arguments.add_argument("--folder", type=Path, default=None)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        verification(Path(folder, "large", "audit.db"), options.entries)
        group_commit(Path(folder, "group", "audit.db"), options.seconds)
        single_append(Path(folder, "single", "audit.db"), options.seconds)


def verification(path: Path, entries: int) -> None:
    with AuditLog.open(path) as log:
        for start in range(0, entries, GROUP):
            log.append_many([event(start + n) for n in range(min(GROUP, entries - start))])
    done = subprocess.run(
        [sys.executable, "-c", VERIFY, str(path)], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["ok"]
    assert found["size"] == entries
    rate = entries / found["s"]
    told(f"verify {entries:,} entries (elapsed)", f"{rate:,.0f}/s", "300,000/s", rate >= 300_000)
    told("  its memory", f"{found['kib'] / 1024:.1f} MiB", "64 MiB", found["kib"] <= 64 << 10)
    told(
        "  a helper process, whole",
        f"{found['child_kib'] / 1024:.1f} MiB",
        "64 MiB",
        found["child_kib"] <= 64 << 10,
    )


def group_commit(path: Path, seconds: float) -> None:
    stop = time.monotonic() + seconds
    counts = [0] * 64
    with AuditLog.open(path) as log:

        def produce(which: int) -> None:
            while time.monotonic() < stop:
                log.append(event(counts[which]))
                counts[which] += 1

        threads = [threading.Thread(target=produce, args=(which,)) for which in range(64)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rate = sum(counts) / (time.monotonic() - began)
    told("group commit, 64 producers", f"{rate:,.0f} rows/s", "15,000 rows/s", rate >= 15_000)


def single_append(path: Path, seconds: float) -> None:
    with AuditLog.open(path) as log:
        ours = _times(lambda: log.append(event(1)), seconds / 2)
    size = 4096  # what one append writes to the write-ahead log, at least
    handle = os.open(path.with_name("raw"), os.O_WRONLY | os.O_CREAT, 0o600)

    def raw() -> None:
        os.write(handle, bytes(size))
        os.fdatasync(handle)

    theirs = _times(raw, seconds / 2)
    os.close(handle)
    ratio = ours / theirs
    told("durable append against fdatasync, medians", f"{ratio:.2f} times", "1.5 times", ratio <= 1.5)
    print(f"  {ours * 1e6:,.0f} us against {theirs * 1e6:,.0f} us")


def _times(work: object, seconds: float) -> float:
    assert callable(work)
    end, found = time.monotonic() + seconds, []
    while time.monotonic() < end:
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def told(what: str, found: str, bar: str, reached: bool) -> None:
    print(f"{what:<44} {found:>16}  bar {bar}: {'reached' if reached else 'NOT reached'}", flush=True)


if __name__ == "__main__":
    main()
