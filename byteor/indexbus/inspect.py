"""Looking at any region without taking part: for tools. Read-only, no mapping, survives truncation."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from byteor.indexbus.abi import Capability, Kind
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.events import Events
from byteor.indexbus.fanout import Fanout
from byteor.indexbus.journal import Journal
from byteor.indexbus.journal_lane import JournalLane
from byteor.indexbus.lane import Lane, SlotCopy
from byteor.indexbus.metrics import MetricsRegion, RowSample
from byteor.indexbus.peers import Peer, process_start_time
from byteor.indexbus.region import Header, open_region
from byteor.indexbus.router import Queues
from byteor.indexbus.sequenced import SequencedSlots
from byteor.indexbus.state import State


class Inspection(msgspec.Struct, frozen=True):
    """A region at one instant. ``positions`` and ``lag`` are by role; counts of messages (journals
    without registered readers: bytes). The cursor of a state is the number of writes.
    """

    kind: str
    version: int
    capabilities: list[str]
    layout_bytes: int
    initialized: int
    owner_pid: int
    capacity: int
    slot_bytes: int
    slot_stride: int
    lanes: int
    epoch: int
    spec_hash_prefix: str
    state: str | None
    cursor: int | None
    gating: list[int]
    positions: dict[str, int]
    lag: dict[str, int]
    peers: list[Peer]


def inspect_region(path: str | os.PathLike[str]) -> Inspection:
    """Header, cursors and peers of a region of any kind. Raises what ``open_region`` raises,
    ``E_CORRUPT``.
    """
    header = _header(path)
    if header.kind == Kind.JOURNAL:
        return _journal(path, header)
    if header.kind == Kind.METRICS:
        with MetricsRegion.observe(path) as metrics:
            return _make(header, None, None, [], {}, [_worker(row) for row in metrics.rows()])
    if header.kind == Kind.STATE:
        with State.observe(path) as state:
            return _make(header, None, state.version, [], {}, state.peers())
    if header.kind == Kind.SEQUENCER:
        return _make(header, None, None, [], {}, [])
    with _lane(header).observe(path) as lane:
        positions = _positions(lane)
        gating = list(lane.gating) if isinstance(lane, SequencedSlots | Fanout) else list(positions.values())
        # A router's consumers have queues of their own: each is behind its own tail.
        tails = [lane.tail_of(i) for i in range(lane.consumers)] if isinstance(lane, Queues) else None
        return _make(header, lane.state, lane.cursor, gating, positions, lane.peers(), tails)


def slots_of(path: str | os.PathLike[str], first: int | None, count: int, queue: int = 0) -> list[SlotCopy]:
    """Copies of up to ``count`` published slots from ``first`` (default: the oldest that the ring still
    has). ``queue``: whose of a router. Raises ``E_REGION_KIND``, ``E_VALUE``, ``E_CORRUPT``.
    """
    header = _header(path)
    if header.kind not in (Kind.EVENTS, Kind.FANOUT, Kind.SEQUENCED_SLOTS):
        raise IndexBusError("E_REGION_KIND", f"{path} has no slots")
    with _lane(header).observe(path) as lane:
        if not 0 <= queue < lane.geometry.rings:
            raise IndexBusError("E_VALUE", f"no queue {queue}; the lane has {lane.geometry.rings}")
        cursor = lane.tail_of(queue) if isinstance(lane, Queues) else lane.cursor
        capacity = lane.geometry.capacity
        start = max(cursor - capacity, 0) if first is None else first
        if not cursor - capacity <= start <= cursor:
            raise IndexBusError(
                "E_VALUE", f"the ring holds {max(cursor - capacity, 0)} to {cursor - 1}, not {start}"
            )
        return [lane.slot(sequence, queue) for sequence in range(start, min(start + count, cursor))]


def find_regions(folder: Path | None = None) -> list[tuple[Path, Inspection]]:
    """Every region below ``folder`` that opens; default: ``/dev/shm/byteor-<uid>*``. Raises
    ``E_REGION_MISSING`` when there is no such folder.
    """
    if folder is not None and not folder.exists():
        raise IndexBusError("E_REGION_MISSING", f"no folder {folder}", hint="check the path")
    roots = [folder] if folder else sorted(Path("/dev/shm").glob(f"byteor-{os.geteuid()}*"))
    found = []
    for root in roots:
        for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
            try:
                found.append((path, inspect_region(path)))
            except IndexBusError:
                continue  # no region, or one that ended meanwhile
    return found


def _journal(path: str | os.PathLike[str], header: Header) -> Inspection:
    with Journal.observe(path) as journal:
        if header.lanes == 1:
            return _make(header, None, journal.published, [], {"oldest": journal.oldest()}, journal.peers())
        lane = JournalLane(journal)
        positions = {f"reader {i}": at for i, at in enumerate(lane.gating)}
        return _make(header, lane.state, lane.cursor, list(lane.gating), positions, lane.peers())


def _worker(row: RowSample) -> Peer:
    """Who writes a metrics row, as a peer: by pid and start time, as a row has no lock."""
    alive = row.pid_start and process_start_time(row.pid) == row.pid_start
    ended = row.state in ("finished", "failed")
    state = "absent" if ended else "alive" if alive else "dead"
    return Peer(row.index, row.name, state, row.pid, row.pid_start, 0)


def _header(path: str | os.PathLike[str]) -> Header:
    with open_region(path, None, None, observe=True) as region:
        return region.header


def _lane(header: Header) -> type[Lane]:
    if header.kind == Kind.FANOUT:
        return Queues if header.capabilities & Capability.SEQUENCER else Fanout
    return SequencedSlots if header.kind == Kind.SEQUENCED_SLOTS else Events


def _positions(lane: Lane) -> dict[str, int]:
    if isinstance(lane, SequencedSlots):
        return {f"stage {i}": at for i, at in enumerate(lane.finished)}
    if isinstance(lane, Fanout):
        return {f"consumer {i}": at for i, at in enumerate(lane.gating)}
    if isinstance(lane, Queues):
        return {f"consumer {i}": lane.head_of(i) for i in range(lane.consumers)}
    assert isinstance(lane, Events)
    return {"consumer": lane.head}


def _make(
    header: Header,
    state: str | None,
    cursor: int | None,
    gating: list[int],
    positions: dict[str, int],
    peers: list[Peer],
    tails: list[int] | None = None,
) -> Inspection:
    ends = tails or [cursor or 0] * len(positions)
    lag = {name: (end - at) % (1 << 64) for (name, at), end in zip(positions.items(), ends, strict=True)}
    return Inspection(
        kind=Kind(header.kind).name.lower(),
        version=header.version,
        capabilities=[flag.name.lower() for flag in Capability(header.capabilities) if flag.name],
        layout_bytes=header.layout_bytes,
        initialized=header.initialized,
        owner_pid=header.owner_pid,
        capacity=header.capacity,
        slot_bytes=header.slot_bytes,
        slot_stride=header.slot_stride,
        lanes=header.lanes,
        epoch=header.epoch,
        spec_hash_prefix=header.spec_hash.hex() if any(header.spec_hash) else "",
        state=state,
        cursor=cursor,
        gating=gating,
        positions=positions,
        lag=lag,
        peers=peers,
    )
