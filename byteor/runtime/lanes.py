"""Lanes of a wiring as regions: create, open, and take the handle that a port means."""

from __future__ import annotations

from pathlib import Path

from byteor.indexbus import Consumer, Events, Fanout, Producer, SequencedSlots, Wait
from byteor.indexbus.journal_lane import JournalConsumer, JournalLane, JournalProducer
from byteor.runtime.wiring import LanePlan, Port

Lane = SequencedSlots | Events | Fanout | JournalLane


def create_lane(plan: LanePlan, folder: Path, spec_hash: bytes) -> Lane:
    """The region of ``plan`` in ``folder``. Raises ``E_GEOMETRY``, ``E_SHM_SPACE``."""
    path, capacity, slot_bytes = folder / plan.file, plan.capacity, plan.slot_bytes
    if plan.kind == "sequenced":
        return SequencedSlots.create(
            path,
            capacity=capacity,
            slot_bytes=slot_bytes,
            gates=max(1, plan.gates),
            egress=plan.egress or (0,),
            spec_hash=spec_hash,
        )
    if plan.kind == "fanout":
        return Fanout.create(
            path, capacity=capacity, slot_bytes=slot_bytes, consumers=plan.consumers, spec_hash=spec_hash
        )
    if plan.kind == "journal":
        return JournalLane.create(
            path, capacity=capacity, slot_bytes=slot_bytes, readers=plan.consumers, spec_hash=spec_hash
        )
    return Events.create(
        path, capacity=capacity, slot_bytes=slot_bytes, producers=plan.producers, spec_hash=spec_hash
    )


def open_lane(kind: str, path: Path) -> Lane:
    """Open an existing lane to take a role in it. Raises ``E_REGION_...``."""
    if kind == "sequenced":
        return SequencedSlots.open(path)
    if kind == "journal":
        return JournalLane.open(path)
    return Fanout.open(path) if kind == "fanout" else Events.open(path)


def observe_lane(kind: str, path: Path) -> Lane:
    """Open an existing lane to look at it. Raises ``E_REGION_...``."""
    if kind == "sequenced":
        return SequencedSlots.observe(path)
    if kind == "journal":
        return JournalLane.observe(path)
    return Fanout.observe(path) if kind == "fanout" else Events.observe(path)


def writing_end(lane: Lane, port: Port, wait: Wait) -> Producer | JournalProducer:
    """The producer that ``port`` means. Raises ``E_ROLE_TAKEN``."""
    if isinstance(lane, Events):
        return lane.producer(port.index, wait=wait)
    return lane.producer(wait=wait)


def reading_end(
    lane: Lane, plan: LanePlan, port: Port, wait: Wait, *, in_place: bool = False
) -> Consumer | JournalConsumer:
    """The consumer that ``port`` means: a stage of a ring when it works ``in_place``."""
    if isinstance(lane, SequencedSlots):
        if in_place:
            return lane.stage(port.index, after=port.after, wait=wait)
        return lane.egress(None if plan.gates else (), wait=wait)
    if isinstance(lane, Fanout | JournalLane):
        return lane.consumer(port.index, wait=wait)
    return lane.consumer(wait=wait)


def released(lane: Lane) -> tuple[int, ...]:
    """How many slots (of a journal: messages) each reader has released."""
    return (lane.head,) if isinstance(lane, Events) else lane.gating
