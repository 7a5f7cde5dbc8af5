"""Authoring in Python: ``single_ring(...).stage(...)`` and ``lane_graph(...)``, with the same checks as a
file.

spec = single_ring("telemetry").stage("parse", "identity").stage("detect", "zscore",
after=["parse"]).build()

A builder is a value: every call gives a new one, ``build()`` gives the ``ValidatedSpec`` or raises
``SpecError``.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from byteor.spec.model import Endpoint, Lane, LaneGraph, RingStage, Role, SingleRing
from byteor.spec.nearest import did_you_mean
from byteor.spec.validate import validate_spec
from byteor.spec.validated import ValidatedSpec


class RingBuilder(msgspec.Struct, frozen=True):
    """A ring in the making; see ``single_ring``."""

    ring: SingleRing

    def stage(self, name: str, key: str = "identity", *, after: Sequence[str] | None = None) -> RingBuilder:
        """Add a stage that runs after the named stages (``None``: after the one before it).

        Raises ``ValueError`` when a name is not that of an earlier stage.
        """
        index_of = {stage.name: index for index, stage in enumerate(self.ring.stages)}
        needs: tuple[int, ...]
        if after is None:
            needs = (len(self.ring.stages) - 1,) if self.ring.stages else ()
        else:
            needs = tuple(sorted({_index(need, index_of) for need in after}))
        stages = (*self.ring.stages, RingStage(name, key, needs))
        return RingBuilder(msgspec.structs.replace(self.ring, stages=stages))

    def build(self) -> ValidatedSpec:
        """The validated spec. Raises ``SpecError`` with all findings."""
        return validate_spec(self.ring)


def _index(name: str, index_of: dict[str, int]) -> int:
    if name not in index_of:
        hint = did_you_mean(name, index_of.keys(), "stages are added in order")
        raise ValueError(f"there is no earlier stage `{name}`: {hint}")
    return index_of[name]


def single_ring(
    name: str, *, capacity: int = 1024, slot_bytes: int = 256, shards: int = 1, shard_key: str | None = None
) -> RingBuilder:
    """Begin a ring of ``capacity`` slots of ``slot_bytes`` bytes; several ``shards`` need a ``shard_key``."""
    ordering = "per_key" if shards > 1 else "strict"
    return RingBuilder(
        SingleRing(name, (), shards, ordering, shard_key=shard_key, capacity=capacity, slot_bytes=slot_bytes)
    )


class GraphBuilder(msgspec.Struct, frozen=True):
    """A lane graph in the making; see ``lane_graph``."""

    graph: LaneGraph

    def lane(
        self,
        name: str,
        kind: str = "events",
        *,
        capacity: int = 1024,
        slot_bytes: int = 256,
        consumers: int | None = None,
        producers: str | None = None,
    ) -> GraphBuilder:
        """Add a lane; ``consumers`` only for fanout_broadcast, ``producers`` only for events (single
        unless said)."""
        if producers is None and kind == "events":
            producers = "single"
        lane = Lane(name, kind, producers, capacity, slot_bytes, consumers)
        return GraphBuilder(msgspec.structs.replace(self.graph, lanes=(*self.graph.lanes, lane)))

    def ingress(self, name: str, lane: str) -> GraphBuilder:
        return self._endpoint(Endpoint(name, "ingress", lane))

    def egress(self, name: str, lane: str) -> GraphBuilder:
        return self._endpoint(Endpoint(name, "egress", lane))

    def stage(self, name: str, key: str, *, rx: str, tx: str | None = None) -> GraphBuilder:
        """Add a stage that reads ``rx`` and writes ``tx`` (``None``: it only acts)."""
        return self._role(Role(name, "stage", key=key, rx=(rx,), tx=() if tx is None else (tx,)))

    def bridge(self, name: str, *, rx: str, tx: str) -> GraphBuilder:
        return self._role(Role(name, "bridge", rx=(rx,), tx=(tx,)))

    def router(self, name: str, *, rx: str, tx: Sequence[str], mode: str = "broadcast") -> GraphBuilder:
        return self._role(Role(name, "router", mode=mode, rx=(rx,), tx=tuple(tx)))

    def merge(self, name: str, *, rx: Sequence[str], tx: str, policy: str = "round_robin") -> GraphBuilder:
        return self._role(Role(name, "merge", policy=policy, rx=tuple(rx), tx=(tx,)))

    def build(self) -> ValidatedSpec:
        """The validated spec. Raises ``SpecError`` with all findings."""
        return validate_spec(self.graph)

    def _endpoint(self, endpoint: Endpoint) -> GraphBuilder:
        return GraphBuilder(msgspec.structs.replace(self.graph, endpoints=(*self.graph.endpoints, endpoint)))

    def _role(self, role: Role) -> GraphBuilder:
        return GraphBuilder(msgspec.structs.replace(self.graph, roles=(*self.graph.roles, role)))


def lane_graph(name: str, *, on_full: str = "block") -> GraphBuilder:
    """Begin a lane graph. ``on_full`` is block or drop."""
    return GraphBuilder(LaneGraph(name, (), (), (), on_full))
