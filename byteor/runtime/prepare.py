"""Resolve and wire a validated spec: everything that can be refused before anything starts."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from byteor.errors import Exit, Where
from byteor.runtime.errors import RunError
from byteor.runtime.stages import ResolvedStage, StageError, resolve
from byteor.runtime.wiring import Wiring
from byteor.runtime.wiring.wire import wire
from byteor.spec import SingleRing, ValidatedSpec

MAX_ROWS = 4096  # of a metrics region


class Prepared(msgspec.Struct, frozen=True):
    """A pipeline that could start now. ``stages``: by the index that a worker's ``stage`` says."""

    spec: ValidatedSpec
    stages: dict[int, ResolvedStage]
    wiring: Wiring

    @property
    def clocked(self) -> bool:
        """Whether a stage asks when its messages arrived."""
        return any(stage.definition.kind == "clocked" for stage in self.stages.values())


def prepare(spec: ValidatedSpec, modules: Sequence[str] = ()) -> Prepared:
    """Resolve every stage of ``spec`` and wire it.

    Raises ``StageError`` for a key that nobody knows (``where.key`` is the stage's name),
    ``E_SHARED_WRITE`` when a stage of the user's may rewrite what others read, and ``E_TOO_MANY_WORKERS``.
    """
    wiring = wire(spec.spec)
    if wiring.rows > MAX_ROWS:
        raise RunError(
            "E_TOO_MANY_WORKERS",
            f"{len(wiring.workers)} workers and {len(wiring.lanes)} lanes; a run has at most {MAX_ROWS}",
            hint="split the pipeline into several runs joined by a journal or a socket",
            exit=Exit.UNAVAILABLE,
        )
    stages: dict[int, ResolvedStage] = {}
    for worker in wiring.workers:
        if worker.stage >= 0 and worker.stage not in stages:
            stages[worker.stage] = _resolve(worker.name.partition(".")[0], worker.key, modules)
    if isinstance(spec.spec, SingleRing):
        _check_writers(spec.spec, stages)
    return Prepared(spec, stages, wiring)


def _resolve(name: str, key: str, modules: Sequence[str]) -> ResolvedStage:
    try:
        return resolve(key, modules)
    except StageError as error:
        error.where = error.where or Where(key=name)
        raise


def _check_writers(ring: SingleRing, stages: dict[int, ResolvedStage]) -> None:
    """The spec layer knows which built-in stages write; of the user's own only the runtime can know."""
    before: list[set[int]] = []
    for stage in ring.stages:
        before.append(set(stage.depends_on) | {a for d in stage.depends_on for a in before[d]})
    for index, resolved in stages.items():
        overlapping = [
            other.name
            for at, other in enumerate(ring.stages)
            if at != index and at not in before[index] and index not in before[at]
        ]
        if resolved.definition.writes and overlapping:
            name = ring.stages[index].name
            raise RunError(
                "E_SHARED_WRITE",
                f"stage {name} may rewrite the slot while {', '.join(overlapping)} may read it",
                hint=f"order them with depends_on, or declare {resolved.key} with writes=False",
                exit=Exit.INVALID,
            )
