"""Who a run is, as ``run.json`` tells it. A function of values but for the clock and this process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from byteor._version import __version__
from byteor.indexbus import kernel_name
from byteor.runtime.folders import RUN_JSON_VERSION, LaneIdentity, RunIdentity, WorkerIdentity
from byteor.runtime.options import ExecuteOptions
from byteor.runtime.prepare import Prepared
from byteor.runtime.process import boot_id, myself
from byteor.runtime.tuning import Tuning
from byteor.runtime.wiring import SINK, SOURCE, Wiring
from byteor.runtime.wiring.groups import Group

MOST_NAMED = 8  # of the workers in one group, on a screen


def identify(
    prepared: Prepared,
    options: ExecuteOptions,
    groups: Sequence[Group],
    tuning: Tuning,
    run_id: str,
    regions: Path,
) -> RunIdentity:
    """The identity of the run that starts now."""
    pid, start_time = myself()
    wiring = prepared.wiring
    return RunIdentity(
        v=RUN_JSON_VERSION,
        run_id=run_id,
        name=options.name,
        pipeline=prepared.spec.name,
        spec_hash=prepared.spec.spec_hash,
        model=prepared.spec.model,
        env=options.env,
        pid=pid,
        pid_start_time=start_time,
        boot_id=boot_id(),
        started_unix_ns=time.time_ns(),
        region_dir=str(regions),
        source=_told(wiring, SOURCE, options.sources),
        sink=_told(wiring, SINK, options.sinks),
        kernel=kernel_name(),
        workers=workers_of(wiring, groups, options.sources, options.sinks),
        lanes=lanes_of(wiring),
        executor=options.executor,
        wait=tuning.wait,
        seed=options.seed,
        notes=_fusions(wiring, groups),
        version=__version__,
        started_ns=time.monotonic_ns(),
        profile=options.profile,
        metrics=options.metrics,
        replaces=options.replaces,
    )


def workers_of(
    wiring: Wiring, groups: Sequence[Group], sources: Sequence[str], sinks: Sequence[str]
) -> tuple[WorkerIdentity, ...]:
    """The workers by row. An end's key is what was asked for."""
    group_of = {row: number for number, group in enumerate(groups) for row in group.rows}
    behind = wiring.behind()
    texts = {SOURCE: sources, SINK: sinks}
    return tuple(
        WorkerIdentity(
            row=worker.row,
            name=worker.name,
            role=worker.role,
            key=texts[worker.role][worker.endpoint] if worker.role in texts else worker.key,
            where=groups[group_of[worker.row]].where,
            after=behind[worker.row],
            group=group_of[worker.row],
        )
        for worker in wiring.workers
    )


def lanes_of(wiring: Wiring) -> tuple[LaneIdentity, ...]:
    writers: dict[int, list[int]] = {}
    readers: dict[int, list[tuple[int, int, tuple[int, ...]]]] = {}
    for worker in wiring.workers:
        for port in worker.tx:
            writers.setdefault(port.lane, []).append(worker.row)
        for port in worker.rx:
            gate = port.index if worker.in_place or not wiring.lanes[port.lane].gates else len(wiring.workers)
            readers.setdefault(port.lane, []).append((gate, worker.row, port.after))
    return tuple(
        LaneIdentity(
            row=wiring.lane_row(index),
            name=lane.name,
            kind=lane.kind,
            file=lane.file,
            capacity=lane.capacity,
            slot_bytes=lane.slot_bytes,
            gates=lane.gates,
            egress=lane.egress,
            after=tuple(after for _, _, after in sorted(readers.get(index, ())))[: lane.gates],
            writers=tuple(writers.get(index, ())),
            readers=tuple(row for _, row, _ in sorted(readers.get(index, ()))),
        )
        for index, lane in enumerate(wiring.lanes)
    )


def _told(wiring: Wiring, role: str, texts: Sequence[str]) -> str:
    if len(texts) == 1:
        return texts[0]
    return ", ".join(
        f"{worker.name}={text}" for worker, text in zip(wiring.of_role(role), texts, strict=True)
    )


def _fusions(wiring: Wiring, groups: Sequence[Group]) -> tuple[str, ...]:
    fused = ([wiring.workers[row].name for row in group.rows] for group in groups if len(group.rows) > 1)
    return tuple(f"fused into one worker: {_named(names)}" for names in fused)


def _named(names: Sequence[str]) -> str:
    if len(names) <= MOST_NAMED:
        return ", ".join(names)
    return f"{names[0]}, {names[1]}, ... {names[-1]} ({len(names)} in all)"
