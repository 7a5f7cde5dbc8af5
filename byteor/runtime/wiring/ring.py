"""Wire a SingleRing: one ring a shard, its stages in place, one source before and one sink behind."""

from __future__ import annotations

from byteor.runtime.wiring.model import LanePlan, Port, Wiring, WorkerPlan
from byteor.spec import SingleRing

INGRESS, EGRESS = "ingress", "egress"


def wire_ring(ring: SingleRing) -> Wiring:
    """The stages of shard k of more than one are called ``<stage>.<k>``."""
    depended_on = {dependency for stage in ring.stages for dependency in stage.depends_on}
    terminals = tuple(index for index in range(len(ring.stages)) if index not in depended_on)
    lanes = tuple(
        LanePlan(
            name=f"ring-{shard}",
            kind="sequenced",
            capacity=ring.capacity,
            slot_bytes=ring.slot_bytes,
            gates=len(ring.stages),
            egress=terminals,
        )
        for shard in range(ring.shards)
    )
    every = tuple(Port(shard) for shard in range(ring.shards))
    workers = [WorkerPlan(row=0, name=INGRESS, role="source", key="", tx=every, endpoint=0)]
    for shard in range(ring.shards):
        for index, stage in enumerate(ring.stages):
            workers.append(
                WorkerPlan(
                    row=len(workers),
                    name=stage.name if ring.shards == 1 else f"{stage.name}.{shard}",
                    role="stage",
                    key=stage.key,
                    rx=(Port(shard, index, tuple(stage.depends_on)),),
                    stage=index,
                    in_place=True,
                )
            )
    workers.append(WorkerPlan(row=len(workers), name=EGRESS, role="sink", key="", rx=every, endpoint=0))
    return Wiring(lanes, tuple(workers), shard_key=ring.shard_key if ring.shards > 1 else None)
