"""The process of one Python stage: ``python -m byteor.runtime.stage_main``, started by the supervisor only.

It reads its ``StageConfig`` from stdin, attaches to the run's regions, says ready, drives the stage until
the stream ends, and says how that was. stdin then stays open: its end means that the supervisor is gone.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading

import msgspec

from byteor.indexbus import MetricsRegion, SequencedSlots, Wait, install_sigbus
from byteor.runtime.folders import Failure
from byteor.runtime.stage_loop import in_words, run_stage
from byteor.runtime.stage_process import StageConfig, StageEvent
from byteor.runtime.workers import Outcome, with_row

ORPHANED = 11


def main() -> int:
    # The supervisor drains on signals; a stage that took them too would lose messages in flight.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    config = msgspec.json.decode(sys.stdin.buffer.readline(), type=StageConfig)
    threading.Thread(target=_end_with_supervisor, daemon=True).start()
    sys.path[:] = config.sys_path
    try:
        outcome = _serve(config)
    except Exception as error:  # noqa: BLE001  (whatever the user's code raises while it is set up)
        code, text = in_words(error)
        outcome = Outcome(config.name, "failed", Failure(config.name, None, text, code))
    _tell(config, StageEvent(outcome.event, outcome.failure))
    return 0


def _serve(config: StageConfig) -> Outcome:
    from byteor.runtime.stages import resolve

    resolved = resolve(config.key, config.stage_modules)
    install_sigbus()
    with (
        SequencedSlots.open(config.ring_path) as ring,
        MetricsRegion.open(config.metrics_path) as metrics,
        ring.stage(config.stage_index, after=config.after, wait=Wait[config.wait.upper()]) as stage,
    ):
        row = metrics.row(config.row)
        row.begin(config.name, config.key, "stage", "process")
        stage.attach_row(row)
        _tell(config, StageEvent("ready"))
        gc.freeze()  # what was imported lives on: no collection needs to look at it again
        outcome = with_row(row, lambda: run_stage(config.name, stage, resolved, config.batch))
        row.close()
        return outcome


def _tell(config: StageConfig, event: StageEvent) -> None:
    os.write(config.event_fd, msgspec.json.encode(event) + b"\n")


def _end_with_supervisor() -> None:
    """Blocks in ``read``, which returns when the supervisor's end of the pipe closes, however it died."""
    while os.read(0, 4096):
        pass
    os._exit(ORPHANED)


if __name__ == "__main__":
    sys.exit(main())
