"""The process of a group of workers: ``python -m byteor.runtime.worker_main``, started by the supervisor
only.

It reads its ``WorkerConfig`` from stdin, attaches to the run's regions, says ready, works until the streams
end, and says how that was. It does not outlive the supervisor, however that ends: the kernel
kills it (PDEATHSIG), and where that was lost, the end of the pipe behind stdin tells.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import io
import mmap
import os
import resource
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec

from byteor.indexbus import MetricsRegion, Wait, install_sigbus
from byteor.runtime.arrivals import FILE, Arrivals
from byteor.runtime.decided import telling
from byteor.runtime.folders import METRICS_REGION
from byteor.runtime.lanes import open_lane
from byteor.runtime.posts import Ground, run_posts
from byteor.runtime.process import keep_freed_memory
from byteor.runtime.tuning import Problem
from byteor.runtime.tuning_apply import apply_here, apply_process
from byteor.runtime.worker_config import WorkerConfig, WorkerEvent
from byteor.runtime.workers import Outcome, outcome_of, with_rows

ORPHANED = 11
PR_SET_PDEATHSIG = 1


def main() -> int:
    # The supervisor drains on signals; a stage that took them too would lose messages in flight.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        return ORPHANED  # it died before it had said all of what we are for
    config = msgspec.json.decode(line, type=WorkerConfig)
    if os.getppid() != config.supervisor_pid:
        return ORPHANED  # it died before we had asked the kernel
    if config.memory_bytes:  # all that is writable and its own: a stage that leaks hears MemoryError
        resource.setrlimit(resource.RLIMIT_DATA, (config.memory_bytes, config.memory_bytes))
    _keep_lifeline()
    if isinstance(sys.stdout, io.TextIOWrapper):  # what a stage prints is seen when it prints it
        sys.stdout.reconfigure(line_buffering=True)
    sys.path[:] = config.sys_path
    outcome = outcome_of(config.name, lambda: _serve(config))
    _tell(config, WorkerEvent(outcome.event, outcome.failure))
    return 0


def _serve(config: WorkerConfig) -> Outcome:
    from byteor.runtime.stages import Context, resolve

    install_sigbus()
    keep_freed_memory()
    regions = Path(config.region_dir)
    with contextlib.ExitStack() as stack:
        lanes = {index: open_lane(plan.kind, regions / plan.file) for index, plan in config.lanes.items()}
        for lane in lanes.values():
            stack.callback(lane.close)
        ground = Ground(
            lanes=lanes,
            plans=config.lanes,
            lane_rows=config.lane_rows,
            metrics=stack.enter_context(MetricsRegion.open(regions / METRICS_REGION)),
            wait=Wait[config.wait.upper()],
            drop=config.drop,
            arrivals=_arrivals(regions, stack) if config.clocked else None,
        )
        problems = _tune(config, [lane.region.mapping for lane in (*lanes.values(), ground.metrics)])
        posts = [ground.take(plan, "process", stack) for plan in config.workers]
        for post in posts:
            if post.plan.stage >= 0:
                post.resolved = resolve(post.plan.key, config.stage_modules)
                post.context = Context(
                    post.plan.name,
                    post.plan.key,
                    seed=config.seed,
                    clock=ground.clock_of(post),
                    folder=Path(config.run_dir),
                    stopping=lambda: any(lane.state == "aborted" for lane in lanes.values()),
                    beat=post.row.beat,
                )

        def ready() -> None:
            _tell(config, WorkerEvent("ready", problems=problems))
            gc.freeze()  # what was imported lives on: no collection needs to look at it again

        stack.enter_context(
            telling(
                posts,
                config.choosing,
                config.turning,
                lambda told: _tell(config, WorkerEvent("decided", told=told)),
            )
        )
        return with_rows(
            config.name,
            {post.plan.name: post.row for post in posts},
            lambda: run_posts(config.name, posts, config.batch, ground.wait, ready),
        )


def _arrivals(regions: Path, stack: contextlib.ExitStack) -> Arrivals:
    arrivals = Arrivals.open(regions / FILE)
    stack.callback(arrivals.close)
    return arrivals


def _tune(config: WorkerConfig, mappings: Sequence[mmap.mmap]) -> tuple[Problem, ...]:
    """Lock and touch what is mapped, and take the CPU and scheduler that this worker was given."""
    problems = apply_process(config.tuning, mappings, config.name)
    return (*problems, *apply_here(config.tuning, config.number))


_telling = threading.Lock()


def _tell(config: WorkerConfig, event: WorkerEvent) -> None:
    """One line to the supervisor. Two threads tell, and a line may be longer than a pipe takes at once."""
    line = memoryview(msgspec.json.encode(event) + b"\n")
    with _telling:
        while line:
            line = line[os.write(config.event_fd, line) :]


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
