"""What timing decided in the recorded run, as a wiring in which it is decided already.

A lane with several producers, or one that lost what it had no room for, becomes a lane for each producer and
a worker that takes from them in the recorded turns, and loses what was lost. Merges and work queues are
followed as they are. Then nothing in the wiring hangs on who is quicker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from byteor.incident.replay.follow import Runs, fits
from byteor.incident.replay.inputs import Extent, Range
from byteor.runtime.wiring import LanePlan, Port, Wiring, WorkerPlan


class Decided(NamedTuple):
    """A wiring, and what its merges and work queues follow, by row."""

    wiring: Wiring
    choices: Mapping[int, Runs]


def as_decided(wiring: Wiring, wanted: Range, found: Extent, *, same_spec: bool = True) -> Decided:
    """``wiring`` as the recording decided it, where a pass can follow: from the first message on, and all of
    it or only what round-robin merges and work queues chose. Of another spec, turns are not followed: its
    stages may give other messages into a lane, and turns count messages.
    """
    if wanted.only is not None or wanted.first != 0:
        return Decided(wiring, {})
    deciding = [worker for worker in wiring.workers if wiring.decides(worker)]
    choices = {
        worker.row: runs
        for worker in deciding
        if (runs := found.choices.get(worker.row)) is not None and fits(worker, wiring.lanes, runs)
    }
    scripts = _scripts(wiring, found) if same_spec and len(choices) == len(deciding) else None
    if scripts is None:
        rows = {worker.row for worker in deciding if worker.chooses and not worker.watermarks}
        return Decided(wiring, {row: runs for row, runs in choices.items() if row in rows})
    return _in_turns(wiring, scripts, choices)


def _scripts(wiring: Wiring, found: Extent) -> dict[int, Runs] | None:
    """By lane, the turns of those who write it: (which of them, how many; negative: lost). None when some are
    not known.
    """
    scripts: dict[int, Runs] = {}
    for lane in range(len(wiring.lanes)):
        if not wiring.takes_turns(lane) or not (writers := _writers(wiring, lane)):
            continue
        known = [found.turns.get(worker.row, {}).get(end) for worker, end in writers]
        turns = [
            # What a work queue loses stands among its choices: it would not come here again.
            [turn for turn in part if turn[1] > 0 or worker.role != "router" or worker.mode != "work_queue"]
            for part, (worker, _) in zip(known, writers, strict=True)
            if part is not None
        ]
        if len(turns) < len(writers):
            return None
        scripts[lane] = _script(turns)
    return scripts


def _script(turns: Sequence[Sequence[tuple[int, int]]]) -> list[tuple[int, int]]:
    """The turns of several producers as one: by slot; what one lost stands before what it published next."""
    placed: list[tuple[int, int, int]] = []
    for which, part in enumerate(turns):
        end = 1 << 64  # of the producer's last losses: after everything
        for first, count in reversed(part):
            end = first if count > 0 else end
            placed.append((end, which, count))
    placed.reverse()  # so that of one place losses stand first
    placed.sort(key=lambda one: one[0])
    return [(which, count) for _, which, count in placed]


def _writers(wiring: Wiring, lane: int) -> list[tuple[WorkerPlan, int]]:
    return [
        (worker, end) for worker in wiring.workers for end, port in enumerate(worker.tx) if port.lane == lane
    ]


def _in_turns(wiring: Wiring, scripts: Mapping[int, Runs], choices: Mapping[int, Runs]) -> Decided:
    lanes = list(wiring.lanes)
    # Merges in order are followed too, so that nobody needs to be told what comes of no message.
    workers = [msgspec.structs.replace(worker, watermarks=False) for worker in wiring.workers]
    followed = dict(choices)
    for lane, script in scripts.items():
        plan = lanes[lane]
        rx = []
        for worker, end in _writers(wiring, lane):
            rx.append(Port(len(lanes)))
            tx = list(workers[worker.row].tx)
            tx[end] = rx[-1]
            workers[worker.row] = msgspec.structs.replace(workers[worker.row], tx=tuple(tx))
            lanes.append(
                LanePlan(f"{plan.name}.turn.{end}.{worker.row}", "events", plan.capacity, plan.slot_bytes)
            )
        lanes[lane] = msgspec.structs.replace(plan, producers=1)
        row = len(workers)
        workers.append(WorkerPlan(row, f"{plan.name}.turns", "merge", "", rx=tuple(rx), tx=(Port(lane),)))
        followed[row] = script
    return Decided(
        Wiring(tuple(lanes), tuple(workers), on_full="block", shard_key=wiring.shard_key), followed
    )
