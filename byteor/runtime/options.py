"""How to run: what was asked for, as values."""

from __future__ import annotations

import msgspec

from byteor.runtime.wiring.groups import Executor


class ExecuteOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to run. Times in seconds; ``wait`` is spin, yield, backoff or block; ``executor`` auto, sp or mp.

    ``sources`` and ``sinks`` tell what was asked for, by endpoint. ``cores``: how many this run may count
    on; ``seed``: of the stages that draw random numbers. ``max_messages``: of each source.
    """

    name: str
    sources: tuple[str, ...]
    sinks: tuple[str, ...]
    env: str = "dev"
    stage_modules: tuple[str, ...] = ()
    run_for_s: float | None = None
    max_messages: int | None = None
    wait: str | None = None  # None: as the profile says
    batch: int = 256
    drain_timeout_s: float = 5.0
    stage_timeout_s: float = 60.0  # without a sign of life; 0: no limit
    stage_memory_bytes: int = 0  # of each stage process; 0: no limit
    executor: Executor = "auto"
    cores: int | None = None
    seed: int = 0
    profile: str = "default"
    metrics: str = ""  # where they are served, for run.json
    replaces: str = ""  # id of the run whose place this one takes
    group: int | None = None  # id of a group that may look at the run
