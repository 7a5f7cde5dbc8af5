"""What metrics cost: the chain that `byteor run` builds, with rows and without, in interleaved pairs.

A pair is two runs right behind each other, in either order in turn; the figure is the median of the pairs'
ratios, with the interval in which the true median lies with a probability of 95 %. Wall time of two threads
is what a user sees; the processor time of one fused worker, which never waits, has far less noise.
"""

from __future__ import annotations

import contextlib
import math
import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

from bench.transport.ours import path
from byteor.indexbus import MetricsRegion, SequencedSlots, Wait
from byteor.indexbus.jobs import AnyJob, Discard, Generate, InPlace
from byteor.indexbus.work import work

STAGES, SIZE, BATCH = 3, 64, 256


def chain(messages: int, rows: bool, parts: int) -> tuple[float, float]:
    """Wall seconds and processor seconds of a source, three stages and a sink, in so many threads."""
    at, metrics_at = path(), path()
    with contextlib.ExitStack() as stack:
        ring = stack.enter_context(
            SequencedSlots.create(at, capacity=4096, slot_bytes=SIZE, gates=STAGES, egress=(STAGES - 1,))
        )
        region = stack.enter_context(MetricsRegion.create(metrics_at, STAGES + 3))
        row: list[Any] = [region.row(n) for n in range(STAGES + 3)]
        for n, one in enumerate(row):
            one.begin(f"role {n}", "identity", "stage", "thread")
        if not rows:
            row = [None] * len(row)
        wait = Wait.BACKOFF
        producer = stack.enter_context(ring.producer(wait=wait))
        producer.attach_lane_row(row[STAGES + 2])
        jobs: list[AnyJob] = [Generate([producer], messages, SIZE, row=row[0])]
        for n in range(STAGES):
            handle = stack.enter_context(ring.stage(n, (n - 1,) if n else (), wait=wait))
            jobs.append(InPlace(handle, row=row[1 + n]))
        jobs.append(Discard([stack.enter_context(ring.egress(wait=wait))], row=row[1 + STAGES]))
        size = -(-len(jobs) // parts)
        groups = [jobs[start : start + size] for start in range(0, len(jobs), size)]
        threads = [
            threading.Thread(target=work, args=(group,), kwargs={"max_batch": BATCH, "wait": wait})
            for group in groups[1:]
        ]
        wall, processor = time.perf_counter(), time.process_time()
        for thread in threads:
            thread.start()
        work(groups[0], max_batch=BATCH, wait=wait)
        for thread in threads:
            thread.join()
        took = time.perf_counter() - wall, time.process_time() - processor
        if rows:
            counted = region.rows()[STAGES + 1].taken
            if counted != messages:
                raise RuntimeError(f"the sink's row says {counted} of {messages}")
    at.unlink()
    metrics_at.unlink()
    return took


def pairs(count: int, messages: int, parts: int, clock: int) -> dict[str, float]:
    """``overhead`` of metrics as a share, and its 95 % interval ``low`` to ``high``."""

    def run(rows: bool) -> float:
        return chain(messages, rows, parts)[clock]

    ratios = []
    for n in range(count):
        order: tuple[bool, ...] = (True, False) if n % 2 else (False, True)
        took = {rows: run(rows) for rows in order}
        ratios.append(took[True] / took[False] - 1)
    ratios.sort()
    # The median lies between these ranks of a sorted sample with 95 % (binomial, normal approximation).
    reach = 0.98 * math.sqrt(count)
    low, high = max(0, math.floor(count / 2 - reach)), min(count - 1, math.ceil(count / 2 + reach))
    return {
        "overhead": statistics.median(ratios), "low": ratios[low], "high": ratios[high], "pairs": count,
    }  # fmt: skip


WAYS: dict[str, Callable[[int], dict[str, float]]] = {
    "one fused worker, processor time": lambda count: pairs(count, 1_000_000, 1, 1),
    "two threads, wall time": lambda count: pairs(count // 4, 2_000_000, 2, 0),
}
