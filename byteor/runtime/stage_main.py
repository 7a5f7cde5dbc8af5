"""The process of one Python stage: ``python -m byteor.runtime.stage_main``, started by the supervisor only.

It reads its ``StageConfig`` from stdin, attaches to the run's regions, says ready, drives the stage until
the stream ends, and says how that was. It does not outlive the supervisor, however that ends: the kernel
kills it (PDEATHSIG), and where that was lost, the end of the pipe behind stdin tells.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
import threading

import msgspec

from byteor.indexbus import MetricsRegion, SequencedSlots, Wait, install_sigbus
from byteor.runtime.stage_loop import run_stage
from byteor.runtime.stage_process import StageConfig, StageEvent
from byteor.runtime.workers import Outcome, outcome_of, with_row

ORPHANED = 11
PR_SET_PDEATHSIG = 1


def main() -> int:
    # The supervisor drains on signals; a stage that took them too would lose messages in flight.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    config = msgspec.json.decode(sys.stdin.buffer.readline(), type=StageConfig)
    if os.getppid() != config.supervisor_pid:
        return ORPHANED  # it died before we had asked the kernel
    _keep_lifeline()
    sys.path[:] = config.sys_path
    outcome = outcome_of(config.name, lambda: _serve(config))
    _tell(config, StageEvent(outcome.event, outcome.failure))
    return 0


def _serve(config: StageConfig) -> Outcome:
    from byteor.runtime.stages import Context, resolve

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

        def ready() -> None:
            _tell(config, StageEvent("ready"))
            gc.freeze()  # what was imported lives on: no collection needs to look at it again

        context = Context(config.name, resolved.key)
        outcome = with_row(
            config.name,
            row,
            lambda: run_stage(config.name, stage, resolved, config.batch, context, ready),
        )
        row.close()
        return outcome


def _tell(config: StageConfig, event: StageEvent) -> None:
    os.write(config.event_fd, msgspec.json.encode(event) + b"\n")


def _keep_lifeline() -> None:
    """Move the pipe behind stdin out of the stage's reach, and watch it: its end is the supervisor's."""
    lifeline = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def watch() -> None:
        try:
            while os.read(lifeline, 4096):
                pass
        finally:
            os._exit(ORPHANED)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
