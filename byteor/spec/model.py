"""The documents as values: ``SingleRing``, ``LaneGraph`` (together ``PipelineSpecV1``) and
``PipelinePlanV2``.

Plain data: that a value exists says nothing about its being right; see ``byteor.spec.validate``.
"""

from __future__ import annotations

import msgspec


class RingStage(msgspec.Struct, frozen=True):
    """A stage of a ring; ``depends_on`` holds indexes of earlier stages, increasing."""

    name: str
    key: str
    depends_on: tuple[int, ...] = ()


class SingleRing(msgspec.Struct, frozen=True, tag_field="model", tag="single_ring"):
    """One sequenced-slots ring per shard, up to four stages gated on each other.

    ``capacity`` counts slots, ``slot_bytes`` the payload that a slot holds.
    """

    name: str
    stages: tuple[RingStage, ...]
    shards: int = 1
    ordering: str = "strict"
    producer: str = "single"
    scheduling: str = "dedicated"
    shard_key: str | None = None
    capacity: int = 1024
    slot_bytes: int = 256


class Endpoint(msgspec.Struct, frozen=True):
    """Where messages enter (``kind`` ingress: writes ``lane``) or leave (egress: reads it)."""

    name: str
    kind: str
    lane: str


class Lane(msgspec.Struct, frozen=True):
    """A bounded queue. ``producers`` only on events lanes, ``consumers`` only on fanout_broadcast lanes."""

    name: str
    kind: str = "events"
    producers: str | None = None
    capacity: int = 1024
    slot_bytes: int = 256
    consumers: int | None = None


class Role(msgspec.Struct, frozen=True):
    """A worker that reads ``rx`` lanes and writes ``tx`` lanes. ``key``: stages, ``mode``: routers,
    ``policy``: merges."""

    name: str
    kind: str
    key: str | None = None
    mode: str | None = None
    policy: str | None = None
    rx: tuple[str, ...] = ()
    tx: tuple[str, ...] = ()


class LaneGraph(msgspec.Struct, frozen=True, tag_field="model", tag="lane_graph"):
    """Roles joined by lanes, between endpoints. ``on_full`` is block or drop."""

    name: str
    endpoints: tuple[Endpoint, ...]
    lanes: tuple[Lane, ...]
    roles: tuple[Role, ...]
    on_full: str = "block"


PipelineSpecV1 = SingleRing | LaneGraph


class PlanBoundary(msgspec.Struct, frozen=True):
    id: str
    kind: str


class PlanStage(msgspec.Struct, frozen=True):
    """``depends_on`` holds stage ids (SingleRing)."""

    id: str
    key: str
    depends_on: tuple[str, ...] = ()


class PlanConstraints(msgspec.Struct, frozen=True):
    """The first five belong to SingleRing and are ``None`` where a LaneGraph plan leaves them out."""

    shards: int | None = None
    ordering: str | None = None
    producer: str | None = None
    scheduling: str | None = None
    shard_key: str | None = None
    capacity: int = 1024
    slot_bytes: int = 256


class PlanConnection(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    from_: str
    to: str
    intent: str = "Events"


class PlanPolicy(msgspec.Struct, frozen=True):
    """How the router or the merge at the place ``boundary`` (a boundary or stage id) works."""

    boundary: str
    mode: str = "broadcast"


class PipelinePlanV2(msgspec.Struct, frozen=True):
    """What a person authors. ``target`` picks the payload: dependencies (SingleRing) or connections
    (LaneGraph)."""

    name: str
    target: str
    description: str | None = None
    boundaries: tuple[PlanBoundary, ...] = ()
    stages: tuple[PlanStage, ...] = ()
    constraints: PlanConstraints = PlanConstraints()
    connections: tuple[PlanConnection, ...] = ()
    boundary_policy: tuple[PlanPolicy, ...] = ()
    on_full: str | None = None
