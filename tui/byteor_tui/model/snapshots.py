"""A snapshot file as a source: the run as it was, on the screens of a live one. Every file is untrusted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from byteor.errors import ByteorError, Exit
from byteor.runtime.sample import LaneSample, RingSample, RunSample, WorkerSample
from byteor_tui.model.run import Run

SUFFIX = ".snapshot.json"
MAX_BYTES = 16 << 20
KEPT = 100
_LANE = frozenset(LaneSample.__struct_fields__)


def snapshots(folder: Path) -> list[Run]:
    """The newest snapshot files in ``folder`` as things to open; what is no snapshot is left out."""
    try:
        paths = sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: -path.stat().st_mtime_ns)[:KEPT]
    except OSError:
        return []
    return [_run(path) for path in paths]


def snapshot_run(path: Path) -> Run:
    """The file as something to open. Raises ``E_RUN_NOT_FOUND`` when there is no such file."""
    if not path.is_file():
        raise ByteorError(
            "E_RUN_NOT_FOUND", f"{path}: no such snapshot", hint="s takes one", exit=Exit.NOT_FOUND
        )
    return _run(path)


def _run(path: Path) -> Run:
    stem = path.name.removesuffix(SUFFIX)
    name = stem.partition(".")[0].rsplit("-", 2)[0]  # of a run's id the pipeline's name
    at = path.stat().st_mtime_ns
    return Run(stem, name, "snapshot", "", 0, False, at, str(path), "snapshot")


def run_folder_of(run: Run) -> Path | None:
    """The folder of the run that a snapshot was taken of, where this host still has it."""
    from byteor.runtime.folders import find_run

    try:
        return Path(find_run(run.run_id.partition(".")[0]).folder)
    except ByteorError:
        return None


class SnapshotSource:
    """Reads the file once; every sample is the same."""

    def __init__(self, path: Path) -> None:
        self._sample = read_snapshot(path)

    def sample(self) -> RunSample:
        return self._sample

    def close(self) -> None:
        pass


def read_snapshot(path: Path) -> RunSample:
    """The run that the file tells of. Raises ``E_SNAPSHOT`` for anything else."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _bad(path, f"over {MAX_BYTES >> 20} MiB long")
        document = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        if document.get("schema") != "byteor.snapshot/v1":
            raise _bad(path, "it is no byteor.snapshot/v1")
        return sample_of(document)
    except OSError as error:
        raise _bad(path, str(error.strerror)) from None
    except (
        msgspec.DecodeError,
        UnicodeDecodeError,
        RecursionError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:
        raise _bad(path, f"{type(error).__name__}: {error}") from None


def _bad(path: Path, why: str) -> ByteorError:
    return ByteorError(
        "E_SNAPSHOT", f"{path.name}: {why}", hint="byteor snapshot RUN writes one", exit=Exit.INVALID
    )


def sample_of(document: dict[str, Any]) -> RunSample:
    """The run that a snapshot's document tells of. Raises what a damaged one leads to."""
    taken = int(document["taken_unix_ns"])
    shards = document.get("shards") or [document]
    rings = tuple(ring for index, shard in enumerate(shards) if (ring := _ring(shard, index)) is not None)
    roles = document.get("roles", [])
    lags = {name: lag for shard in shards for name, lag in _lags(shard)}
    stages = [_worker({"role": "stage", **one}, lags) for one in document.get("stages", [])]
    ends = [_worker(one, lags) for one in roles]
    workers = (
        *(one for one in ends if one.role == "source"), *stages,
        *(one for one in ends if one.role != "source"),
    )  # fmt: skip
    last = document.get("last_error") or {}
    failure = f"stage {last['worker']} at sequence {last['sequence']}: {last['error']}" if last else ""
    return RunSample(
        run_id=str(document["run_id"]),
        name=str(document["pipeline"]),
        state=str(document["state"]),
        env="",
        pid=0,
        spec_hash=str(document["spec_hash"]),
        started_unix_ns=taken,
        taken_ns=taken,
        taken_unix_ns=taken,
        workers=workers,
        rings=rings,
        first_failure=failure if document["state"] == "failed" else "",
        lanes=tuple(_lane(one) for one in document.get("lanes", [])),
    )


def _ring(shard: dict[str, Any], index: int) -> RingSample | None:
    region = shard.get("region")
    if not region:
        return None
    return RingSample(
        path=str(region.get("path") or f"ring-{index}"),
        capacity=int(shard["capacity"]),
        slot_bytes=int(shard["slot_bytes"]),
        cursor=int(shard["cursor"]),
        gating=tuple((str(one["stage"]), int(one["sequence"])) for one in shard.get("gating", [])),
        in_flight=int(shard["in_flight"]),
        consistent=bool(shard.get("consistent", True)),
    )


def _lags(shard: dict[str, Any]) -> list[tuple[str, int]]:
    return [(str(one["stage"]), int(one["lag"])) for one in shard.get("gating") or []]


def _lane(one: dict[str, Any]) -> LaneSample:
    fields = {name: value for name, value in one.items() if name in _LANE}
    readers = tuple((str(reader["worker"]), int(reader["released"])) for reader in one.get("readers", []))
    return msgspec.convert({**fields, "readers": readers}, LaneSample)


def _worker(one: dict[str, Any], lags: dict[str, int]) -> WorkerSample:
    done = int(one["processed"])
    busy = float(one.get("busy_ratio") or 0.0)
    return WorkerSample(
        name=str(one["name"]),
        role=str(one["role"]),
        key=str(one.get("key") or ""),
        where=str(one.get("where") or ""),
        pid=int(one.get("pid") or 0),
        alive=bool(one["alive"]),
        state=str(one["state"]),
        age_ns=0,
        messages_in=0 if one["role"] == "source" else done,
        messages_out=done if one["role"] == "source" else done - int(one.get("filtered") or 0),
        filtered=int(one.get("filtered") or 0),
        errors=int(one.get("errors") or 0),
        lag=lags.get(str(one["name"]), 0),
        busy_ns=int(1e9 * busy),
        idle_ns=int(1e9 * (1 - busy)),
        p50_ns=int(one.get("p50_ns") or 0),
        p99_ns=int(one.get("p99_ns") or 0),
        last_error="",
    )
