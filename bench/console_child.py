"""A console on synthetic stages that all move at once: what ``bench.console`` measures from outside.

python -m bench.console_child STAGES [taped]       # taped: a quarter of an hour is on the tape already
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from byteor.runtime.sample import RunSample


SECOND_NS = 1_000_000_000


class Synthetic:
    """A source of ``stages`` workers, each at its own rate."""

    def __init__(self, stages: int) -> None:
        self._stages = stages
        self._start = time.monotonic_ns() - 1000 * SECOND_NS

    def sample(self, ago_ns: int = 0) -> RunSample:
        from byteor.runtime.sample import RingSample, RunSample, WorkerSample

        now = time.monotonic_ns() - ago_ns
        passed = now - self._start
        workers = tuple(
            WorkerSample(
                name=f"stage-{number}", role="stage", key="identity", where="thread", pid=4242, alive=True,
                state="running", age_ns=1, messages_in=passed * (1000 + number) // 10**6,
                messages_out=passed * (1000 + number) // 10**6, filtered=0, errors=0,
                lag=(passed // 10**8 * number) % 4096, busy_ns=passed // 2, idle_ns=passed // 2,
                p50_ns=200_000, p99_ns=1_000_000 + (passed // 10**8 * number) % 900_000, last_error="",
            )
            for number in range(self._stages)
        )  # fmt: skip
        ring = RingSample("/dev/shm/r/ring-0.region", 4096, 256, 10**6, (("stage-1", 10**6 - 9),), 512, True)
        return RunSample(
            run_id="bench-20260101T000000-abcd", name="bench", state="running", env="dev", pid=os.getpid(),
            spec_hash="sha256:" + "5" * 64, started_unix_ns=time.time_ns(), taken_ns=now,
            taken_unix_ns=time.time_ns() - ago_ns, workers=workers, rings=(ring,), first_failure="",
        )  # fmt: skip

    def close(self) -> None:
        pass


def main() -> None:
    from byteor_tui.launch import open_console
    from byteor_tui.model.run import Run

    if sys.argv[2:] == ["taped"]:
        begin_with_a_tape()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BYTEOR_STATE_DIR"] = folder
        run = Run("bench-20260101T000000-abcd", "bench", "running", "dev", os.getpid(), True, 0, folder)
        open_console(run, opener=lambda _: Synthetic(int(sys.argv[1])))


def begin_with_a_tape() -> None:
    """As if this console had watched for a quarter of an hour."""
    from byteor_tui import app
    from byteor_tui.model.history import History
    from byteor_tui.model.reader import Reader
    from byteor_tui.model.tape import MAX_FRAMES

    class Taped(Reader):
        def __init__(self, source: Synthetic, period_s: float) -> None:
            super().__init__(source, period_s)
            history = History()
            for second in range(MAX_FRAMES, 0, -1):
                self.tape.add(history.fold(source.sample(second * SECOND_NS)))

    app.Reader = Taped  # type: ignore[misc]


if __name__ == "__main__":
    main()
