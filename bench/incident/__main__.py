"""``python -m bench.incident [SECONDS] [--only CASE...]``: capture's cost, comparison, replay against live.

Figures depend on the machine and on what else runs; what counts are the ratios within one run of this.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from byteor.acts import replays
from byteor.acts.run import RunOrder, ready
from byteor.acts.run_capture import RunCapture
from byteor.edge.generate import GenerateSource
from byteor.incident.capture import Capture, CaptureFacts
from byteor.incident.frames import Batch, egress_frame, read_frame
from byteor.incident.replay.compare import Comparison
from byteor.runtime.adapter import NativeSource
from byteor.runtime.ends import Ends
from byteor.runtime.execute import Ended, execute
from byteor.runtime.folders import RunIdentity
from byteor.runtime.options import ExecuteOptions

SIZE, BATCH, PACE, PAIRS = 64, 256, 1_000_000, 7
STAGE = """
from byteor.runtime.stages import batch_stage, stage

@stage
def touch(message):
    return message

@batch_stage()
def touch_batch(messages):
    return messages
"""
RING = (
    "v=1\nmodel=single_ring\nname=bench\nsingle_ring.capacity=4096\n"
    "single_ring.stages.0.name=one\nsingle_ring.stages.0.key={key}\n"
)


class PacedSource(GenerateSource):
    """``PACE`` messages a second, in batches; ``None``: as many as are taken."""

    def __init__(self, count: int, pace: int | None) -> None:
        super().__init__(count, SIZE, 1)
        self._pace, self._began, self._given = pace, 0.0, 0

    @property
    def native(self) -> NativeSource | None:
        """Python plays it in both runs of a pair."""
        return None

    def read(self, max_messages: int, timeout_s: float) -> Sequence[bytes] | None:
        if self._pace is not None:
            self._began = self._began or time.monotonic()
            due = self._began + self._given / self._pace
            if (left := due - time.monotonic()) > 0:
                time.sleep(left)
        messages = super().read(max_messages, timeout_s)
        self._given += len(messages or ())
        return messages


class Taker:
    """A sink of Python's that forgets, so that both runs of a pair have the same ends."""

    name, delivery, dead_letters = "bench:", "", None

    def open(self) -> None: ...
    def write(self, messages: Sequence[bytes | memoryview]) -> None: ...
    def flush(self) -> None: ...
    def cancel(self) -> None: ...
    def close(self) -> None: ...
    def health(self) -> object: ...
    def counts(self) -> dict[str, int]:
        return {}


class Witness:
    """Begins the capture when the run has a name."""

    def __init__(self, capture: RunCapture | None, found: object) -> None:
        self._capture, self._found = capture, found

    def starting(self, identity: RunIdentity) -> None:
        if self._capture is not None:
            self._capture.begin(identity, self._found.prepared, ())  # type: ignore[attr-defined]

    def running(self, identity: RunIdentity, run: Path) -> None: ...
    def tick(self, state: str) -> None: ...
    def news(self, text: str) -> None: ...
    def not_started(self, identity: RunIdentity, why: str) -> None: ...
    def ended(self, ended: Ended) -> None:
        if self._capture is not None:
            self._capture.finish(ended.result.state)


class Measured(NamedTuple):
    """Messages a second, and seconds of processor time of all that ran."""

    rate: float
    cpu_s: float


def one_run(folder: Path, key: str, count: int, pace: int | None, captured: bool) -> Measured:
    """A run from its first message to its last."""
    spec = folder / "bench.spec.kv"
    spec.write_text(RING.format(key=key))
    modules = (str(folder / "stages.py"),)
    found = ready(RunOrder(spec=spec, sources=("generate:1,1",), sinks=("null:",), stage_modules=modules))
    capture = RunCapture("on", "payload") if captured else None
    ends = Ends((PacedSource(count, pace),), (Taker(),), tap=capture)  # type: ignore[arg-type]
    options = ExecuteOptions(
        name="bench", sources=("bench:",), sinks=("bench:",), stage_modules=modules, wait="backoff"
    )
    before = cpu_s()
    ended = execute(found.prepared, ends, options, Witness(capture, found))
    assert ended.result.state == "finished", ended.result
    return Measured(ended.result.messages_out / (ended.result.duration_ns / 1e9), cpu_s() - before)


def cpu_s() -> float:
    """Of this process and of the children that have gone."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def paired(folder: Path, key: str, seconds: float, pace: int | None, pairs: int) -> dict[str, object]:
    """Runs without and with capture in turn (A B A B ...), so that what else the machine does meets both.

    ``cost`` is of the throughput, ``cpu_cost`` of the processor's time a message; each is the median of the
    pairs, with the least and the most.
    """
    count = int((pace or PACE) * seconds)
    found = [(one_run(folder, key, count, pace, False), one_run(folder, key, count, pace, True))
             for _ in range(pairs)]  # fmt: skip
    return {
        "pairs": pairs,
        "without_per_s": round(median(plain.rate for plain, _ in found)),
        "with_per_s": round(median(captured.rate for _, captured in found)),
        "cost": _spread([1 - captured.rate / plain.rate for plain, captured in found]),
        "cpu_cost": _spread([captured.cpu_s / plain.cpu_s - 1 for plain, captured in found]),
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": round(median(values), 3), "least": round(min(values), 3), "most": round(max(values), 3)}


def ceiling(folder: Path, seconds: float) -> dict[str, float]:
    """How fast the capture itself takes batches in."""
    facts = CaptureFacts(
        run_id="r", name="n", pipeline="p", model="m", spec_hash="s", env="dev", started_unix_ns=1,
        source="", sink="", egress="payload", seed=0, kernel="native", package_version="0", stages=(),
    )  # fmt: skip
    capture = Capture(folder / "ceiling", facts, b"")
    messages = [bytes(SIZE)] * BATCH
    taken, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        for _ in range(64):
            capture.ingress(0, 0, taken, 1, messages)
            taken += BATCH
    rate = taken / (time.perf_counter() - began)
    capture.close()
    return {"messages_per_s": round(rate), "bytes_per_s": round(rate * SIZE)}


def comparison(size: int, seconds: float) -> float:
    """GB/s of outputs compared with recorded ones."""
    messages = [bytes([n % 256]) * size for n in range(BATCH)]
    frames = [
        read_frame(egress_frame(0, Batch.of(range(n, n + BATCH), [0] * BATCH, messages), 1))
        for n in range(0, BATCH * 64, BATCH)
    ]
    batches = [Batch.of(frame.origins, frame.ingresses, messages) for frame in frames]
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        compared = Comparison(0, frames)
        for batch in batches:
            compared.feed(batch)
        assert not compared.diverged
        done += len(frames) * BATCH * size
    return round(done / (time.perf_counter() - began) / 1e9, 2)


def replay_ratio(folder: Path, key: str, seconds: float) -> dict[str, float]:
    """Replay at ``--rate max`` against the live run with capture that it replays."""
    live = one_run(folder, key, int(PACE * seconds), None, True).rate
    best = 0.0
    for _ in range(3):
        modules = (str(folder / "stages.py"),)
        done = replays.replay_now(replays.ReplayRequest(which="bench", stage_modules=modules)).replayed
        assert not done.diverged
        best = max(best, done.inputs / (done.duration_ns / 1e9))
    return {"live_per_s": round(live), "replay_per_s": round(best), "ratio": round(best / live, 2)}


CASES: dict[str, Callable[[Path, float], object]] = {
    "capture_ceiling": lambda folder, seconds: ceiling(folder, min(seconds, 1.0)),
    "comparison_gb_per_s": lambda folder, seconds: {size: comparison(size, 0.3) for size in (64, 256, 4096)},
    "capture_cost_paced_1M": lambda folder, seconds: paired(folder, "identity", seconds, PACE, PAIRS),
    "capture_cost_paced_1M_python_stage": lambda folder, seconds: paired(
        folder, "touch", seconds, PACE, PAIRS
    ),
    "capture_cost_python_stage": lambda folder, seconds: paired(folder, "touch", seconds, None, PAIRS),
    "capture_cost_python_batch_stage": lambda folder, seconds: paired(
        folder, "touch_batch", seconds, None, PAIRS
    ),
    "capture_cost_unpaced_native": lambda folder, seconds: paired(folder, "identity", seconds, None, PAIRS),
    "replay_native": lambda folder, seconds: replay_ratio(folder, "identity", seconds),
    "replay_python_stage": lambda folder, seconds: replay_ratio(folder, "touch", seconds),
    "replay_python_batch_stage": lambda folder, seconds: replay_ratio(folder, "touch_batch", seconds),
}


def main() -> None:
    parser = ArgumentParser(prog="python -m bench.incident", description=__doc__)
    parser.add_argument("seconds", nargs="?", type=float, default=1.0, help="of each run at 1 M messages/s")
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="byteor-bench-") as name:
        folder = Path(name)
        (folder / "stages.py").write_text(STAGE)
        for variable in ("RUNTIME", "STATE"):
            os.environ[f"BYTEOR_{variable}_DIR"] = str(folder / variable.lower())
            (folder / variable.lower()).mkdir(mode=0o700)
        found: dict[str, object] = {
            "machine": {
                "cores": os.cpu_count(),
                "load_1m": os.getloadavg()[0],
                "size": SIZE,
                "seconds": chosen.seconds,
            }
        }
        found |= {case: CASES[case](folder, chosen.seconds) for case in chosen.only}
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
