"""IndexBus: bounded shared-memory lanes between threads and processes of one host; usable alone.

The API in a page::

    ring = SequencedSlots.create(path, capacity=1024, slot_bytes=256, gates=2, egress=(1,))
    ring = SequencedSlots.open(path)     # take roles, in any process
    ring = SequencedSlots.observe(path)  # only look: cursor, gating, finished, peers(), slot(seq), state

    with ring.producer(wait=Wait.BACKOFF) as producer:  # a second one is refused: E_ROLE_TAKEN
        producer.publish(b"...", ingress=0)             # -> bool; waits for room, False when the stream ended
        producer.publish_many([b"...", ...])            # -> how many; short only when the stream ended
        producer.publish_buffer(buffer, record_bytes)
        producer.try_publish(...)                       # never waits
        producer.close_stream()                         # consumers finish, then End.FINISHED

    with ring.stage(0) as stage: stage.drive(function)              # behind the producer
    with ring.stage(1, after=(0,)) as stage: stage.run_native("crc32c")
    with ring.egress() as egress: egress.receive_many(256, timeout_s=0.05)

    ring.abort(reason, sequence); ring.close_stream()   # from outside any role, as a supervisor
    any_handle.attach_row(metrics.row(i)); any_handle.stop(); any_handle.ended; any_handle.abort()

Loops (``drive``, ``drive_batch``, ``run_native``) return ``LoopEnd(reason, sequence, error)``; receiving
calls come back empty at the end and ``handle.ended`` says why (``End``). A dead peer is ``E_PEER_DEAD``
within 100 ms, in a loop
``End.DEAD``. A handle belongs to one thread at a time; only ``stop`` and ``abort`` may come from another.
Other lanes: ``Events`` (a queue: one consumer, one or many producers), ``Fanout`` (one producer, everybody
sees everything), ``Queues`` (a router with drop, park, detach, work queue, credits), ``Journal`` (records in
a rolling window), ``DiskJournalWriter`` and ``DiskJournalReader``, ``State`` (the latest value).
Metrics: ``MetricsRegion.create(path, rows)``, ``.row(i)`` to write (one writer: E_ROLE_TAKEN),
``MetricsRegion.observe(path).rows()`` to read.

Workers: ``work([jobs])`` of ``byteor.indexbus.work`` runs stages, bridges, routers, merges, a generator and a
sink between lanes in one thread: the jobs of ``byteor.indexbus.jobs``.

The hot calls exist twice: a C kernel and a pure-Python twin over the same bytes
(``BYTEOR_KERNEL=native|pure``).
Offsets and constants: ``byteor.indexbus.abi``. Errors: ``IndexBusError`` with a code of ``errors.CODES``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from byteor.indexbus.abi import End, Kind, Wait
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.events import Events
from byteor.indexbus.fanout import Fanout
from byteor.indexbus.handles import Batch, Consumer, LoopEnd, Producer
from byteor.indexbus.journal import Journal
from byteor.indexbus.kernel_choice import crc32c, install_sigbus, kernel_name, native_stage_names
from byteor.indexbus.metrics import MetricsRegion, MetricsRow, RowSample
from byteor.indexbus.sequenced import SequencedSlots

if TYPE_CHECKING:
    from byteor.indexbus.journal_disk import DiskJournalReader, DiskJournalWriter
    from byteor.indexbus.router import Queues
    from byteor.indexbus.state import State

__all__ = [
    "Batch",
    "Consumer",
    "DiskJournalReader",
    "DiskJournalWriter",
    "End",
    "Events",
    "Fanout",
    "IndexBusError",
    "Journal",
    "Kind",
    "LoopEnd",
    "MetricsRegion",
    "MetricsRow",
    "Producer",
    "Queues",
    "RowSample",
    "SequencedSlots",
    "State",
    "Wait",
    "crc32c",
    "install_sigbus",
    "kernel_name",
    "native_stage_names",
]

# What few processes use is loaded when it is first asked for: a worker starts sooner without.
_ON_USE = {
    "DiskJournalReader": "journal_disk",
    "DiskJournalWriter": "journal_disk",
    "Queues": "router",
    "State": "state",
}


def __getattr__(name: str) -> Any:
    if name not in _ON_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_ON_USE[name]}"), name)
