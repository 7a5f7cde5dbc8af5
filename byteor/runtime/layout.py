"""Decide, before anything starts, which worker does what and where. A function of values."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from byteor.runtime.folders import WorkerIdentity

SOURCE_ROW = 0


class StagePlace(msgspec.Struct, frozen=True):
    """One stage of a ring. ``after`` are the indices that it waits for; empty: it waits for the producer."""

    index: int
    name: str
    key: str
    after: tuple[int, ...]
    terminal: bool  # no other stage depends on it: the egress worker waits for it
    row: int
    where: str  # thread | process


class RingLayout(msgspec.Struct, frozen=True):
    """Rows of the metrics region: the source first, then the stages in order, the sink last."""

    stages: tuple[StagePlace, ...]

    @property
    def terminals(self) -> tuple[int, ...]:
        return tuple(place.index for place in self.stages if place.terminal)

    @property
    def sink_row(self) -> int:
        return len(self.stages) + 1

    @property
    def rows(self) -> int:
        return len(self.stages) + 2

    def workers(self, source: str, sink: str) -> tuple[WorkerIdentity, ...]:
        """The identities that ``run.json`` lists, by row."""
        stages = [
            WorkerIdentity(
                p.row, p.name, "stage", p.key, p.where, tuple(i + 1 for i in p.after) or (SOURCE_ROW,)
            )
            for p in self.stages
        ]
        ends = tuple(i + 1 for i in self.terminals)
        return (
            WorkerIdentity(SOURCE_ROW, "ingress", "source", source, "thread"),
            *stages,
            WorkerIdentity(self.sink_row, "egress", "sink", sink, "thread", ends),
        )


def lay_out(stages: Sequence[tuple[str, str, tuple[int, ...], bool]]) -> RingLayout:
    """Place stages given as (name, key, depends_on, is native), in the order of the spec."""
    depended_on = {dependency for _, _, depends_on, _ in stages for dependency in depends_on}
    return RingLayout(
        tuple(
            StagePlace(
                index=index,
                name=name,
                key=key,
                after=depends_on,
                terminal=index not in depended_on,
                row=index + 1,
                where="thread" if native else "process",
            )
            for index, (name, key, depends_on, native) in enumerate(stages)
        )
    )
