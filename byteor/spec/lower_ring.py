"""A SingleRing plan to a spec: ids become indexes in topological order, ties by position in the file."""

from __future__ import annotations

from byteor.spec.fields import RING_DEFAULTS
from byteor.spec.model import PipelinePlanV2, RingStage, SingleRing
from byteor.spec.order import topological_order

_WORDS = {
    "Strict": "strict",
    "PerKey": "per_key",
    "Single": "single",
    "Mpmc": "mpmc",
    "Dedicated": "dedicated",
    "WorkQueue": "work_queue",
}


def lower_ring(plan: PipelinePlanV2) -> tuple[SingleRing, dict[int, int]]:
    """The spec of ``plan`` and, per index of a spec stage, its index in the plan.

    The references of ``plan`` must be sound (``byteor.spec.plan`` judges them); limits are the spec's to
    judge.
    """
    position = {stage.id: index for index, stage in enumerate(plan.stages)}
    edges = [[position[need] for need in stage.depends_on] for stage in plan.stages]
    order = topological_order(edges)
    index_of = {old: new for new, old in enumerate(order)}
    stages = tuple(
        RingStage(
            plan.stages[old].id, plan.stages[old].key, tuple(sorted(index_of[need] for need in edges[old]))
        )
        for old in order
    )
    constraints = plan.constraints
    words = {
        name: _WORDS[str(getattr(constraints, name) or RING_DEFAULTS[name])]
        for name in ("ordering", "producer", "scheduling")
    }
    spec = SingleRing(
        name=plan.name,
        stages=stages,
        shards=1 if constraints.shards is None else constraints.shards,
        shard_key=constraints.shard_key,
        capacity=constraints.capacity,
        slot_bytes=constraints.slot_bytes,
        **words,
    )
    return spec, dict(enumerate(order))
