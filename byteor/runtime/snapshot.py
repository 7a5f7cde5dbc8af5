"""``single_ring_snapshot.json`` and ``lane_graph_state.json``: what a run's shared memory says, taken without
the run's help. A ring of several shards has the fields of one a shard, under ``shards``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec

from byteor.indexbus import RowSample, SequencedSlots
from byteor.runtime.folders import RunInfo, WorkerIdentity
from byteor.runtime.observe import RunObserver
from byteor.runtime.observe_lanes import LaneView
from byteor.runtime.process import is_alive
from byteor.runtime.sample import LaneSample

RATE_WINDOW_S = 0.2
VERSION = 1


def take_snapshot(info: RunInfo) -> bytes:
    """The JSON document of ``info``'s run. Blocks no stage: everything is read with ``pread``.

    ``rate_1s`` of a live run's stages is measured over 0.2 s. Raises ``IndexBusError`` when the run's
    regions are gone.
    """
    with RunObserver(Path(info.folder)) as observer:
        before, started = observer.rows(), time.monotonic_ns()
        if info.alive:
            time.sleep(RATE_WINDOW_S)
        rows, ended = observer.rows(), time.monotonic_ns()
        rates = _rates(before, rows, (ended - started) / 1e9) if info.alive else {}
        document = _document(info, observer, {row.index: row for row in rows}, rates)
    return msgspec.json.format(msgspec.json.encode(document))


def _document(
    info: RunInfo, observer: RunObserver, rows: dict[int, RowSample], rates: dict[int, float]
) -> dict[str, Any]:
    identity = info.identity
    errors = [row for row in rows.values() if row.error_text]
    last = max(errors, key=lambda row: row.heartbeat_ns, default=None)

    def told(worker: WorkerIdentity) -> dict[str, Any]:
        return _stage(worker, rows.get(worker.row), info.alive, rates.get(worker.row))

    return {
        "schema": "byteor.snapshot/v1",
        "v": VERSION,
        "taken_unix_ns": time.time_ns(),
        "run_id": identity.run_id,
        "state": info.state,
        "model": identity.model,
        "pipeline": identity.pipeline,
        "spec_hash": identity.spec_hash,
        **(_lanes_part(observer) if identity.model == "lane_graph" else _rings_part(observer)),
        "stages": [told(worker) for worker in identity.workers if worker.role == "stage"],
        "roles": [{"role": w.role, **told(w)} for w in identity.workers if w.role != "stage"],
        "last_error": None
        if last is None
        else {"worker": last.name, "sequence": last.error_sequence, "error": last.error_text},
    }


def _lanes_part(observer: RunObserver) -> dict[str, Any]:
    lanes = observer.sample().lanes
    return {"lanes": [{**msgspec.structs.asdict(lane), "readers": _by_reader(lane)} for lane in lanes]}


def _by_reader(lane: LaneSample) -> list[dict[str, Any]]:
    return [{"worker": name, "released": released} for name, released in lane.readers]


def _rings_part(observer: RunObserver) -> dict[str, Any]:
    names = {worker.row: worker.name for worker in observer.identity.workers}
    rings = [_ring_part(view, names) for view in observer.rings()]
    if not rings:
        return {"region": None}
    return rings[0] if len(observer.identity.lanes) == 1 else {"shards": rings}


def _ring_part(view: LaneView, names: dict[int, str]) -> dict[str, Any]:
    ring = view.lane
    assert isinstance(ring, SequencedSlots)
    header = ring.region.header
    sample = view.ring_sample(names)
    producer = ring.peers()[0]
    return {
        "region": {
            "path": sample.path,
            "layout_bytes": header.layout_bytes,
            "capabilities": header.capabilities,
            "initialized": header.initialized,
        },
        "capacity": sample.capacity,
        "slot_bytes": sample.slot_bytes,
        "cursor": sample.cursor,
        "gating": [
            {"stage": name, "sequence": gate, "lag": sample.cursor - gate} for name, gate in sample.gating
        ],
        "min_gating": sample.cursor - sample.in_flight,
        "in_flight": sample.in_flight,
        "consistent": sample.consistent,
        "stream": ring.state,
        "producer": {"pid": producer.pid, "alive": is_alive(producer.pid, producer.start_time)},
    }


def _stage(
    worker: WorkerIdentity, row: RowSample | None, run_alive: bool, rate: float | None
) -> dict[str, Any]:
    known: dict[str, Any] = {"name": worker.name, "key": worker.key, "where": worker.where}
    if row is None:
        return {**known, "pid": None, "alive": False, "state": "starting"}
    time_ns = row.busy_ns + row.idle_ns
    return {
        **known,
        "pid": row.pid,
        "alive": run_alive and is_alive(row.pid, row.pid_start),
        "state": row.state,
        "processed": row.taken,
        "filtered": row.filtered,
        "errors": row.errors,
        "rate_1s": rate,
        "busy_ratio": row.busy_ns / time_ns if time_ns else None,
        "p50_ns": row.quantile_ns(0.5),
        "p99_ns": row.quantile_ns(0.99),
    }


def _rates(before: list[RowSample], after: list[RowSample], seconds: float) -> dict[int, float]:
    then = {row.index: row.taken for row in before}
    return {row.index: (row.taken - then.get(row.index, 0)) / seconds for row in after}
