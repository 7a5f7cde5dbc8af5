"""A LaneGraph plan to a spec: a connection becomes a lane, and routers, merges and bridges are inserted
(section 4)."""

from __future__ import annotations

import msgspec

from byteor.spec.fields import GRAPH_ON_FULL, INTENTS, MERGE_POLICIES, ROUTER_MODES
from byteor.spec.model import Endpoint, Lane, LaneGraph, PipelinePlanV2, Role


class Inserted(msgspec.Struct, frozen=True):
    """Something that the compiler added. ``kind`` is BridgeInserted, RouterInserted or MergeInserted,
    ``subject`` the name of the role, ``message`` what it does and why it is there."""

    kind: str
    subject: str
    message: str


class LoweredGraph(msgspec.Struct, frozen=True):
    """``lane_origin`` and ``role_origin`` give, by index in the spec, the key of the plan that it comes
    from."""

    spec: LaneGraph
    inserted: tuple[Inserted, ...]
    lane_origin: tuple[str, ...]
    role_origin: tuple[str, ...]


def lower_graph(plan: PipelinePlanV2) -> LoweredGraph:
    """Lower ``plan``, which ``byteor.spec.plan`` must have found sound. Linear in the number of
    connections."""
    return _Lowering(plan).run()


def name_clashes(lowered: LoweredGraph) -> list[tuple[str, str, str, str]]:
    """Names that two parts of the plan would give to what they become: (lane or role, the name, key of the
    first part, key of the second)."""
    spec = lowered.spec
    clashes = []
    for what, names, origins in (
        ("lane", [lane.name for lane in spec.lanes], lowered.lane_origin),
        ("role", [role.name for role in spec.roles], lowered.role_origin),
    ):
        first: dict[str, str] = {}
        for name, origin in zip(names, origins, strict=True):
            if name in first:
                clashes.append((what, name, first[name], origin))
            first.setdefault(name, origin)
    return clashes


class _Lowering:
    def __init__(self, plan: PipelinePlanV2) -> None:
        self.plan = plan
        self.stages = {stage.id: (index, stage) for index, stage in enumerate(plan.stages)}
        self.out: dict[str, list[int]] = {}
        self.into: dict[str, list[int]] = {}
        for index, connection in enumerate(plan.connections):
            self.out.setdefault(connection.from_, []).append(index)
            self.into.setdefault(connection.to, []).append(index)
        self.pair = [f"{connection.from_}-{connection.to}" for connection in plan.connections]
        self.routed = {place for place, indexes in self.out.items() if len(indexes) > 1}
        self.intent = [INTENTS[connection.intent] for connection in plan.connections]
        self.kind = {place: self._shared_kind(indexes) for place, indexes in self.into.items()}
        self.fans = {
            place
            for place in self.routed
            if all(self.intent[index] == "fanout_broadcast" for index in self.out[place])
        }
        modes = [(policy.boundary, policy.mode) for policy in plan.boundary_policy]
        self.router_mode = {place: mode for place, mode in modes if mode in ROUTER_MODES}
        self.merge_policy = {place: mode for place, mode in modes if mode in MERGE_POLICIES}
        self.lanes: list[Lane] = []
        self.roles: list[Role] = []
        self.lane_origin: list[str] = []
        self.role_origin: list[str] = []
        self.inserted: list[Inserted] = []

    def run(self) -> LoweredGraph:
        self._make_lanes()
        self._make_roles()
        endpoints = tuple(
            Endpoint(b.id, b.kind, self._written(b.id) if b.kind == "ingress" else self._read(b.id))
            for b in self.plan.boundaries
        )
        on_full = (self.plan.on_full or GRAPH_ON_FULL).lower()
        spec = LaneGraph(self.plan.name, endpoints, tuple(self.lanes), tuple(self.roles), on_full)
        return LoweredGraph(spec, tuple(self.inserted), tuple(self.lane_origin), tuple(self.role_origin))

    # What each place and connection is.

    def _shared_kind(self, indexes: list[int]) -> str:
        """The kind that these connections share, a broadcast counting as events; else events."""
        kinds = {_as_read(self.intent[index]) for index in indexes}
        return kinds.pop() if len(kinds) == 1 else "events"

    def _out_kind(self, place: str) -> str:
        return self.kind[place] if place in self.stages else self._shared_kind(self.out[place])

    def _bridged_out(self, index: int) -> bool:
        place = self.plan.connections[index].from_
        return place in self.stages and place not in self.routed and self.kind[place] != self.intent[index]

    def _bridged_in(self, index: int) -> bool:
        place = self.plan.connections[index].to  # an egress has no kind of its own: its merge takes all
        return (
            place in self.stages
            and len(self.into[place]) > 1
            and _as_read(self.intent[index]) != self.kind[place]
        )

    # The lanes that places write and read.

    def _written(self, place: str) -> str:
        if place in self.routed:
            return f"out-{place}"
        index = self.out[place][0]
        return f"{'pre' if self._bridged_out(index) else 'lane'}-{self.pair[index]}"

    def _delivered(self, index: int) -> str:
        place = self.plan.connections[index].from_
        return f"fan-{place}" if place in self.fans else f"lane-{self.pair[index]}"

    def _read(self, place: str) -> str:
        indexes = self.into[place]
        return f"in-{place}" if len(indexes) > 1 else self._delivered(indexes[0])

    # Lanes, in the order of the connections; along one connection, in the order of travel.

    def _make_lanes(self) -> None:
        for index, connection in enumerate(self.plan.connections):
            origin = f"pipeline.connections.{index}"
            place, to = connection.from_, connection.to
            if place in self.routed and self.out[place][0] == index:
                self._lane(f"out-{place}", self._out_kind(place), origin)
                if place in self.fans:
                    self._lane(f"fan-{place}", "fanout_broadcast", origin, consumers=len(self.out[place]))
            if self._bridged_out(index):
                self._lane(f"pre-{self.pair[index]}", self.kind[place], origin)
            if place not in self.fans:
                self._lane(f"lane-{self.pair[index]}", self.intent[index], origin, consumers=1)
            if self._bridged_in(index):
                self._lane(f"post-{self.pair[index]}", self.kind[to], origin)
            if len(self.into[to]) > 1 and self.into[to][0] == index:
                self._lane(f"in-{to}", self.kind[to], origin)

    def _lane(self, name: str, kind: str, origin: str, consumers: int = 1) -> None:
        self.lanes.append(
            Lane(
                name,
                kind,
                producers="single" if kind == "events" else None,
                capacity=self.plan.constraints.capacity,
                slot_bytes=self.plan.constraints.slot_bytes,
                consumers=consumers if kind == "fanout_broadcast" else None,
            )
        )
        self.lane_origin.append(origin)

    # Roles, in the order of their first use as `to`, inserted ones just before what they serve.

    def _make_roles(self) -> None:
        entered: set[str] = set()
        routed: set[str] = set()
        for connection in self.plan.connections:
            to = connection.to
            if to in entered:
                continue
            entered.add(to)
            sources = [self._serve(index, routed) for index in self.into[to]]
            if len(sources) > 1:
                self._merge(to, tuple(sources))
            if to in self.stages:
                index, stage = self.stages[to]
                tx = (self._written(to),) if to in self.out else ()
                role = Role(to, "stage", key=stage.key, rx=(self._read(to),), tx=tx)
                self._role(role, f"pipeline.stages.{index}")

    def _serve(self, index: int, routed: set[str]) -> str:
        """Add what stands on connection ``index`` before its destination; the lane that delivers it."""
        place = self.plan.connections[index].from_
        if place in self.routed and place not in routed:
            routed.add(place)
            self._router(place)
        if self._bridged_out(index):
            why = f"`{place}` writes {self.kind[place]}, the connection is {self.intent[index]}"
            self._bridge(index, "bridge", f"pre-{self.pair[index]}", f"lane-{self.pair[index]}", why)
        if not self._bridged_in(index):
            return self._delivered(index)
        to = self.plan.connections[index].to
        name = "bridge2" if self._bridged_out(index) else "bridge"
        why = f"the connection is {self.intent[index]}, `{to}` reads {self.kind[to]}"
        self._bridge(index, name, self._delivered(index), f"post-{self.pair[index]}", why)
        return f"post-{self.pair[index]}"

    def _router(self, place: str) -> None:
        indexes = self.out[place]
        tx = (f"fan-{place}",) if place in self.fans else tuple(f"lane-{self.pair[i]}" for i in indexes)
        mode = self.router_mode.get(place, "broadcast")
        role = Role(f"router-{place}", "router", mode=mode, rx=(f"out-{place}",), tx=tx)
        message = f"`{place}` leads to {len(indexes)} places ({mode})"
        self._insert("RouterInserted", role, message, f"pipeline.connections.{indexes[0]}")

    def _merge(self, place: str, sources: tuple[str, ...]) -> None:
        policy = self.merge_policy.get(place, "round_robin")
        role = Role(f"merge-{place}", "merge", policy=policy, rx=sources, tx=(f"in-{place}",))
        message = f"`{place}` is reached from {len(sources)} places ({policy})"
        self._insert("MergeInserted", role, message, f"pipeline.connections.{self.into[place][0]}")

    def _bridge(self, index: int, prefix: str, rx: str, tx: str, why: str) -> None:
        role = Role(f"{prefix}-{self.pair[index]}", "bridge", rx=(rx,), tx=(tx,))
        self._insert("BridgeInserted", role, why, f"pipeline.connections.{index}")

    def _insert(self, kind: str, role: Role, message: str, origin: str) -> None:
        self.inserted.append(Inserted(kind, role.name, message))
        self._role(role, origin)

    def _role(self, role: Role, origin: str) -> None:
        self.roles.append(role)
        self.role_origin.append(origin)


def _as_read(kind: str) -> str:
    return "events" if kind == "fanout_broadcast" else kind
