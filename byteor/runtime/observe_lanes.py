"""The lanes of a run from outside: how full each is, how far each reader is behind."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from byteor.indexbus import IndexBusError, RowSample, SequencedSlots
from byteor.runtime.folders import LaneIdentity, RunIdentity
from byteor.runtime.lanes import Lane, observe_lane, released
from byteor.runtime.sample import LaneSample, RingSample

MAX_OPEN = 512  # an observer holds a descriptor a lane; of more lanes only the rows are read
_TRIES = 8
_U64 = (1 << 64) - 1


class LaneView:
    """One lane open to look at; ``lane`` is None when its region is gone."""

    def __init__(self, identity: LaneIdentity, path: Path, lane: Lane | None) -> None:
        self.identity, self.path, self.lane = identity, path, lane

    def lags(self) -> dict[int, int]:
        """Row of each reader -> messages that it could take now and has not released. ``E_REGION_GONE``."""
        lane, readers = self.lane, self.identity.readers
        if lane is None:
            return {}
        if isinstance(lane, SequencedSlots) and self.identity.gates:
            return self._ring_lags(lane)
        return {row: _behind(lane.cursor, done) for row, done in zip(readers, released(lane), strict=False)}

    def _ring_lags(self, ring: SequencedSlots) -> dict[int, int]:
        """Stages wait for the gates in ``after``, the sink for the terminal ones."""
        finished, gating, cursor = ring.finished, ring.gating, ring.cursor
        *stages, sink = self.identity.readers
        found = {}
        for gate, row in enumerate(stages):
            after = self.identity.after[gate] if gate < len(self.identity.after) else ()
            ahead = min((finished[g] for g in after), default=cursor)
            found[row] = _behind(ahead, finished[gate])
        ends = self.identity.egress
        ahead = min((finished[g] for g in ends), default=cursor)
        found[sink] = _behind(ahead, min((gating[g] for g in ends), default=cursor))
        return found

    def ring_sample(self, names: Mapping[int, str]) -> RingSample:
        """Of a ring. Raises ``IndexBusError`` when its region is gone."""
        assert isinstance(self.lane, SequencedSlots)
        return sample_ring(self.lane, str(self.path), [names.get(row, "?") for row in self.identity.readers])

    def sample(self, row: RowSample | None, names: Mapping[int, str]) -> LaneSample:
        """As plain values, as far as they can be read."""
        cursor, stream = row.taken if row else 0, "gone"
        done: tuple[int, ...] = ()
        if self.lane is not None:
            with contextlib.suppress(IndexBusError):
                done, cursor, stream = released(self.lane), self.lane.cursor, self.lane.state
        depth = max((_behind(cursor, one) for one in done), default=-1)
        told = zip((names.get(reader, "?") for reader in self.identity.readers), done, strict=False)
        return LaneSample(
            name=self.identity.name,
            kind=self.identity.kind,
            path=str(self.path),
            capacity=self.identity.capacity,
            slot_bytes=self.identity.slot_bytes,
            published=row.taken if row else cursor,
            depth=depth,
            high_water=row.high_water if row else 0,
            readers=tuple(told),
            dropped=row.dropped if row else 0,
            dropped_full=row.dropped_full if row else 0,
            dropped_aborted=row.dropped_aborted if row else 0,
            dropped_oversize=row.dropped_oversize if row else 0,
            dropped_no_credit=row.dropped_no_credit if row else 0,
            full_waits=row.full_waits if row else 0,
            stream=stream,
        )


def open_views(identity: RunIdentity, regions: Path, stack: contextlib.ExitStack) -> list[LaneView]:
    """A view of every lane; one whose region is gone has nothing to look at."""
    views = []
    for number, lane in enumerate(identity.lanes):
        path = regions / lane.file
        found: Lane | None = None
        if number < MAX_OPEN and path.parent == regions:
            with contextlib.suppress(IndexBusError):
                found = observe_lane(lane.kind, path)
                stack.callback(found.close)
        views.append(LaneView(lane, path, found))
    return views


def sample_ring(ring: SequencedSlots, path: str, names: Sequence[str]) -> RingSample:
    """Gates, then cursor, then gates again: consistent when the gates did not move meanwhile, in 8 tries."""
    consistent = False
    for _ in range(_TRIES):
        gates, cursor = ring.gating, ring.cursor
        if ring.gating == gates and ring.cursor == cursor:
            consistent = True
            break
    lowest = min(gates, key=lambda gate: -((cursor - gate) & _U64))
    return RingSample(
        path=path,
        capacity=ring.geometry.capacity,
        slot_bytes=ring.geometry.slot_bytes,
        cursor=cursor,
        gating=tuple(zip(names, gates, strict=False)),
        in_flight=(cursor - lowest) & _U64,
        consistent=consistent,
    )


def _behind(ahead: int, done: int) -> int:
    """A reader that comes between two stores may see a worker ahead of what it waits for."""
    behind = (ahead - done) & _U64
    return behind if behind < _U64 >> 1 else 0
