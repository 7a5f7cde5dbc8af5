"""Resolve and lay out a validated spec: everything that can be refused before anything starts."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from byteor.errors import Exit, Where
from byteor.runtime.errors import RunError
from byteor.runtime.layout import RingLayout, lay_out
from byteor.runtime.stages import ResolvedStage, StageError, resolve
from byteor.spec import SingleRing, ValidatedSpec


class Prepared(msgspec.Struct, frozen=True):
    """A ring that could start now. ``stages`` are in the order of the spec."""

    spec: ValidatedSpec
    ring: SingleRing
    stages: tuple[ResolvedStage, ...]
    layout: RingLayout


def prepare(spec: ValidatedSpec, modules: Sequence[str] = ()) -> Prepared:
    """Resolve every stage of ``spec`` and decide where each runs.

    Raises ``StageError`` for a key that nobody knows (``where.key`` is the stage's name),
    ``E_NOT_OFFERED`` (exit 69) for what this build does not execute yet, and ``E_SHARED_WRITE`` when a
    stage of the user's may rewrite what others read.
    """
    ring = spec.spec
    if not isinstance(ring, SingleRing):
        raise _not_offered("a LaneGraph")
    if ring.shards > 1:
        raise _not_offered(f"a ring of {ring.shards} shards")
    stages = tuple(_resolve(index, ring, modules) for index in range(len(ring.stages)))
    _check_writers(ring, stages)
    layout = lay_out(
        [
            (stage.name, stage.key, tuple(stage.depends_on), resolved.native is not None)
            for stage, resolved in zip(ring.stages, stages, strict=True)
        ]
    )
    return Prepared(spec, ring, stages, layout)


def _resolve(index: int, ring: SingleRing, modules: Sequence[str]) -> ResolvedStage:
    try:
        return resolve(ring.stages[index].key, modules)
    except StageError as error:
        error.where = error.where or Where(key=ring.stages[index].name)
        raise


def _check_writers(ring: SingleRing, stages: Sequence[ResolvedStage]) -> None:
    """The spec layer knows which built-in stages write; of the user's own only the runtime can know."""
    before: list[set[int]] = []
    for stage in ring.stages:
        before.append(set(stage.depends_on) | {a for d in stage.depends_on for a in before[d]})
    for index, resolved in enumerate(stages):
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


def _not_offered(what: str) -> RunError:
    return RunError(
        "E_NOT_OFFERED",
        f"this version validates {what} but does not execute it yet",
        hint="it runs a SingleRing of one shard",
        exit=Exit.UNAVAILABLE,
    )
