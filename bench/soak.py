"""A soak at full rate with a checksum of every message: ``python -m bench.soak [--minutes 10]``.

A producer numbers the messages, stage 0 appends a CRC-32C, stage 1 checks it, the egress checks that no
number is missing, repeated or out of order. Four processes; prints rate and resident memory each ten seconds.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy

from byteor.indexbus import End, SequencedSlots, Wait

RECORD = 56
BATCH = 512


def resident_kib(pid: int | str = "self") -> int:
    """Resident memory without the shared region, which is counted by everybody who touched it."""
    fields = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
    )
    return int(fields["RssAnon"].split()[0])


def fork(work: Callable[[], bool]) -> int:
    pid = os.fork()
    if pid == 0:
        os._exit(0 if work() else 1)
    return pid


def stage(path: Path, index: int, kind: str) -> Callable[[], bool]:
    def work() -> bool:
        with SequencedSlots.open(path).stage(index, (index - 1,) if index else (), wait=Wait.YIELD) as handle:
            return handle.run_native(kind).reason == End.FINISHED

    return work


def produce(path: Path, seconds: float) -> Callable[[], bool]:
    def work() -> bool:
        records = numpy.zeros((BATCH, RECORD // 8), "<u8")
        records[:, 1:] = numpy.random.default_rng(1).integers(0, 2**63, (BATCH, RECORD // 8 - 1))
        numbers = numpy.arange(BATCH, dtype="<u8")
        end = time.monotonic() + seconds
        with SequencedSlots.open(path).producer(wait=Wait.YIELD) as producer:
            while time.monotonic() < end:
                records[:, 0] = numbers
                if producer.publish_buffer(records, RECORD) != BATCH:
                    return False
                numbers += BATCH
            producer.close_stream()
        return True

    return work


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak")
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        path = Path(folder, "soak")
        ring = SequencedSlots.create(path, capacity=4096, slot_bytes=64, gates=2, egress=(1,))
        children = [
            fork(stage(path, 0, "crc32c_append")),
            fork(stage(path, 1, "crc32c_check")),
            fork(produce(path, options.minutes * 60)),
        ]
        wrong, total, memory = watch(ring, children)
        failed = [pid for pid in children if os.waitpid(pid, 0)[1] != 0]
    print(f"{total:,} messages, {wrong} wrong, failed processes {len(failed)}, anonymous memory KiB {memory}")
    return 1 if wrong or failed else 0


def watch(ring: SequencedSlots, children: list[int]) -> tuple[int, int, list[int]]:
    """Receive to the end: messages out of place, messages in all, memory of all processes at each look."""
    wrong = total = seen = 0
    memory: list[int] = []
    buffer = bytearray(BATCH * (RECORD + 4))
    start = before = time.monotonic()
    with ring.egress(wait=Wait.YIELD) as egress:
        while n := egress.receive_into(buffer, RECORD + 4):
            # The number is not aligned in a record of 60 bytes: take its bytes as a column.
            column = numpy.frombuffer(buffer, numpy.uint8).reshape(BATCH, RECORD + 4)[:n, :8]
            numbers = numpy.ascontiguousarray(column).view("<u8")[:, 0]
            wrong += int((numbers != numpy.arange(total, total + n, dtype="<u8")).sum())
            total += n
            now = time.monotonic()
            if now - before >= 10:
                memory.append(resident_kib() + sum(resident_kib(pid) for pid in children))
                rate = (total - seen) / (now - before) / 1e6
                print(f"{now - start:6.0f} s  {rate:8.2f} M/s  {memory[-1]} KiB", flush=True)
                before, seen = now, total
        if egress.ended != End.FINISHED:
            wrong += 1
    return wrong, total, memory


if __name__ == "__main__":
    raise SystemExit(main())
