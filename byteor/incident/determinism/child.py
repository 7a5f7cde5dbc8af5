"""One replay under one condition: an order on stdin, what each stage took and gave on stdout.

A process of its own, ``python -m byteor.incident.determinism.child``: no condition reaches another.
"""

from __future__ import annotations

import hashlib
import os
import sys
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from byteor.incident.determinism.perturb import perturb

if TYPE_CHECKING:
    from byteor.runtime.stages import ResolvedStage


class ChildOrder(msgspec.Struct, frozen=True):
    """``capture``: a capture's folder; ``spec``: a spec's path. The first ``most`` inputs are replayed."""

    capture: str
    spec: str
    modules: tuple[str, ...]
    sys_path: tuple[str, ...]
    most: int
    batch: int
    perturb: tuple[str, ...] = ()
    apart: bool = False


class StageSaid(msgspec.Struct, frozen=True):
    """Digests of everything that one stage took and gave; of a native stage nothing is known."""

    name: str
    key: str
    taken: str
    given: str
    messages: int


class ChildSaid(msgspec.Struct, frozen=True):
    """What came of it. ``outputs``: digest of all outputs; ``failure``: of the first stage that failed."""

    stages: tuple[StageSaid, ...]
    outputs: str
    messages_out: int
    failure: str | None = None
    error: str | None = None


def main() -> int:
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=ChildOrder)
    answer = os.dup(1)
    os.dup2(2, 1)  # what a stage prints is no answer
    sys.path[:] = order.sys_path
    perturb(order.perturb)
    try:
        said = run(order)
    except Exception as error:  # noqa: BLE001  (the parent tells it)
        said = ChildSaid((), "", 0, error=f"{type(error).__name__}: {error}")
    os.write(answer, msgspec.json.encode(said))
    sys.stdout.flush()
    os._exit(0)  # a thread of a stage must not keep it


def run(order: ChildOrder) -> ChildSaid:
    """The replay itself."""
    from byteor.incident.frames import Batch
    from byteor.incident.recording import open_capture
    from byteor.incident.replay.inputs import Range, extent, inputs, resolved_range
    from byteor.incident.replay.rehearsal import Rehearsal, rehearse
    from byteor.incident.replay.session import is_ordered
    from byteor.incident.replay.stand_ins import stand_ins
    from byteor.runtime.prepare import prepare
    from byteor.spec import load

    recording = open_capture(Path(order.capture))
    prepared = prepare(load(order.spec, strict=True), order.modules)
    found = extent(recording)
    wanted = resolved_range(Range(last=(found.first or 0) + order.most - 1), found)
    stages_here = _apart(prepared.stages, order.modules) if order.apart else prepared.stages
    standing = stand_ins(stages_here, dry_run=True, traced=True)
    digests: dict[int, list[tuple[int, bytes]]] = {}
    ordered = is_ordered(prepared.wiring)

    def take(egress: int, batch: Batch) -> bool:
        digests.setdefault(egress, []).extend(
            (origin, hashlib.sha256(message).digest())
            for origin, message in zip(array("Q", batch.origins), batch.messages(), strict=True)
        )
        return True

    plan = Rehearsal(wiring=prepared.wiring, stages=standing, seed=recording.facts.seed, batch=order.batch)
    ended = rehearse(plan, inputs(recording, wanted), take)
    total = hashlib.sha256()
    for egress in sorted(digests):
        rows = digests[egress] if ordered else sorted(digests[egress])
        for origin, digest in rows:
            total.update(origin.to_bytes(8, "little") + digest)
    stages = tuple(
        StageSaid(worker.name, worker.key, trace.taken(ordered), trace.given(ordered), trace.messages)
        for worker in prepared.wiring.of_role("stage")
        if (trace := standing[worker.stage].trace) is not None
        and prepared.stages[worker.stage].native is None
    )
    failure = None if ended.failure is None else f"{ended.failure.stage}: {ended.failure.error}"
    return ChildSaid(stages, total.hexdigest(), sum(map(len, digests.values())), failure)


def _apart(stages: Mapping[int, ResolvedStage], modules: Sequence[str]) -> dict[int, ResolvedStage]:
    """Each stage out of modules that were loaded for it alone."""
    from byteor.runtime.stages import resolve

    found = {}
    for index, stage in stages.items():
        for name in modules:
            sys.modules.pop(Path(name).stem if name.endswith(".py") else name, None)
        found[index] = resolve(stage.key, modules)
    return found


if __name__ == "__main__":
    sys.exit(main())
