"""A wiring as values: lanes and the workers between them. Rows of the metrics region: workers, then lanes."""

from __future__ import annotations

from typing import Literal

import msgspec

LaneKind = Literal["sequenced", "events", "fanout", "journal"]
RoleKind = Literal["source", "stage", "bridge", "router", "merge", "sink"]
SOURCE, SINK = "source", "sink"


class LanePlan(msgspec.Struct, frozen=True):
    """One region. ``gates`` counts the stages that work in place in a ring, ``egress`` those behind which
    nobody else works; a sequenced lane without stages has none.
    """

    name: str
    kind: LaneKind
    capacity: int
    slot_bytes: int
    producers: int = 1
    consumers: int = 1
    gates: int = 0
    egress: tuple[int, ...] = ()

    @property
    def file(self) -> str:
        return f"{self.name}.region"


class Port(msgspec.Struct, frozen=True):
    """One end of a lane as a worker holds it.

    ``index``: which producer, consumer or reader of the lane; of a ring, the gate of a stage that works in
    place, behind the gates in ``after`` (none: behind the producer).
    """

    lane: int
    index: int = 0
    after: tuple[int, ...] = ()


class WorkerPlan(msgspec.Struct, frozen=True):
    """One worker. A stage works ``in_place`` in a ring, or from its ``rx`` lane to its ``tx`` lane.

    ``stage`` is its index in the spec, ``endpoint`` the index of a source or sink among its kind.
    ``watermarks``: somebody downstream merges in order, so what is filtered here must be told there.
    """

    row: int
    name: str
    role: RoleKind
    key: str
    rx: tuple[Port, ...] = ()
    tx: tuple[Port, ...] = ()
    stage: int = -1
    endpoint: int = -1
    in_place: bool = False
    mode: str = "broadcast"
    policy: str = "round_robin"
    watermarks: bool = False

    @property
    def chooses(self) -> bool:
        """Whether it hangs on timing alone which message goes next, or where."""
        by_turn = self.role == "merge" and self.policy == "round_robin"
        return by_turn or (self.role == "router" and self.mode == "work_queue")


class Wiring(msgspec.Struct, frozen=True):
    """Lanes and workers of one run; workers stand in the order in which messages meet them."""

    lanes: tuple[LanePlan, ...]
    workers: tuple[WorkerPlan, ...]
    on_full: str = "block"
    shard_key: str | None = None

    @property
    def rows(self) -> int:
        return len(self.workers) + len(self.lanes)

    def lane_row(self, lane: int) -> int:
        return len(self.workers) + lane

    def takes_turns(self, lane: int) -> bool:
        """Whether it hangs on timing in which order messages lie in ``lane``, or which lie in it at all."""
        plan = self.lanes[lane]
        return plan.kind != "journal" and (plan.producers > 1 or self.on_full == "drop")

    def decides(self, worker: WorkerPlan) -> bool:
        """Whether what ``worker`` chooses hangs on timing: by itself, or, of a merge in order, because what
        it takes in does."""
        if worker.chooses or worker.role != "merge":
            return worker.chooses
        return any(one.chooses for one in self.workers) or any(map(self.takes_turns, range(len(self.lanes))))

    def lanes_from(self, source: WorkerPlan) -> tuple[int, ...]:
        """The lanes that messages of ``source`` may come through, each behind those that lead to it."""
        found, last_writer = {port.lane for port in source.tx}, dict[int, int]()
        for worker in self.workers:
            if worker is not source and any(port.lane in found for port in worker.rx):
                found.update(port.lane for port in worker.tx)
            last_writer |= {port.lane: worker.row for port in worker.tx}
        return tuple(sorted(found, key=last_writer.__getitem__))

    def of_role(self, role: str) -> tuple[WorkerPlan, ...]:
        return tuple(worker for worker in self.workers if worker.role == role)

    def behind(self) -> tuple[tuple[int, ...], ...]:
        """For each worker, in order, the rows of the workers whose output it takes."""
        writers: dict[int, list[int]] = {}
        stages: dict[int, dict[int, int]] = {}
        for worker in self.workers:
            for port in worker.tx:
                writers.setdefault(port.lane, []).append(worker.row)
            if worker.in_place:
                stages.setdefault(worker.rx[0].lane, {})[worker.rx[0].index] = worker.row

        def rows(worker: WorkerPlan, port: Port) -> list[int]:
            in_ring = stages.get(port.lane, {})
            if worker.in_place and port.after:
                return [in_ring[gate] for gate in port.after]
            if in_ring and not worker.in_place:  # the sink of a ring: behind its terminal stages
                return [in_ring[gate] for gate in self.lanes[port.lane].egress]
            return writers.get(port.lane, [])

        return tuple(
            tuple(dict.fromkeys(row for port in worker.rx for row in rows(worker, port)))
            for worker in self.workers
        )
