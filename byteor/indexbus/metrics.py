"""Metrics: one fixed row a worker in one region, one writer a row; a reader gets everything with one
``pread``.
"""

from __future__ import annotations

import os
import struct
from typing import Self

import msgspec

from byteor.closing import Closing
from byteor.indexbus import abi
from byteor.indexbus.abi import METRICS_ROW, Capability, Kind
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.kernel_choice import kernel
from byteor.indexbus.metrics_claims import RowClaims
from byteor.indexbus.peers import process_start_time
from byteor.indexbus.region import Header, Region, create, open_region

ROLES = ("source", "stage", "sink", "bridge", "router", "merge", "lane")
PLACES = ("thread", "process")
STATES = ("starting", "running", "draining", "finished", "failed")
MAX_ROWS = 4096
_AT = {field.name: field.offset for field in METRICS_ROW.fields}
# The row's counters in their order, under the names of RowSample ("in" is a keyword).
_COUNTERS = (
    "taken", "handed_on", "filtered", "dropped", "errors", "busy_ns", "idle_ns", "batches", "batch_max",
    "full_waits", "high_water", "dropped_full", "dropped_aborted", "dropped_oversize", "dropped_no_credit",
    "in_hand",
)  # fmt: skip
_NUMBERS = struct.Struct(f"<{len(_COUNTERS)}Q")
_HISTOGRAM = struct.Struct(f"<{abi.HISTOGRAM_BUCKETS}Q")


class RowSample(msgspec.Struct, frozen=True):
    """One worker's row at one instant. Counters are totals; ``histogram[b]`` counts latencies of ``b`` bits
    in ns. Role ``lane``: what its writers published (``taken``) and dropped, and its high water.
    """

    index: int
    name: str
    key: str
    role: str
    where: str
    pid: int
    pid_start: int
    state: str
    heartbeat_ns: int
    taken: int
    handed_on: int
    filtered: int
    dropped: int
    errors: int
    busy_ns: int
    idle_ns: int
    batches: int
    batch_max: int
    full_waits: int
    error_sequence: int
    error_text: str
    histogram: tuple[int, ...]
    high_water: int = 0
    dropped_full: int = 0
    dropped_aborted: int = 0
    dropped_oversize: int = 0
    dropped_no_credit: int = 0
    in_hand: int = 0  # a Python stage: 1 + sequence of what it was last given
    latency_ns: int = 0  # sum of the latencies

    def quantile_ns(self, q: float) -> int:
        """The upper edge in ns of the bucket that holds quantile ``q`` of the latencies; 0 without any."""
        left = q * sum(self.histogram)
        for bits, count in enumerate(self.histogram):
            left -= count
            if count and left <= 0:
                return (1 << bits) - 1
        return 0


class MetricsRow(Closing):
    """The writing end of one row. One writer: the worker, or the loop that it hands the row to. Belongs to
    the process that took it.
    """

    def __init__(self, region: Region, index: int, claims: RowClaims, *, shared: bool) -> None:
        """Take the row. Raises ``E_ROLE_TAKEN``."""
        self.buffer = region.mapping
        self.offset = abi.LINE + index * METRICS_ROW.size
        claims.take(self.offset, index, shared=shared)
        self._claims: RowClaims | None = claims
        view = memoryview(self.buffer)[self.offset : self.offset + METRICS_ROW.size]
        self._words, self._halves, self._bytes = view.cast("Q"), view.cast("I"), view

    def begin(self, name: str, key: str, role: str, where: str) -> None:
        """Say who writes here: zero the row, then identity, pid and state ``starting``."""
        self._bytes[:] = bytes(METRICS_ROW.size)
        self._text("name", 32, name)
        self._text("key", 96, key)
        self._halves[_AT["role"] >> 2] = ROLES.index(role)
        self._halves[_AT["where"] >> 2] = PLACES.index(where)
        self._words[_AT["pid_start"] >> 3] = process_start_time(os.getpid())
        self._halves[_AT["pid"] >> 2] = os.getpid()
        self.beat()

    def set_state(self, state: str) -> None:
        """One of ``STATES``."""
        self._halves[_AT["state"] >> 2] = STATES.index(state)
        self.beat()

    def add(self, field: str, n: int = 1) -> None:
        """Count: ``in``, ``out``, ``filtered``, ``dropped``, ``errors``, ``busy_ns``, ``idle_ns``,
        ``batches``...
        """
        at = _AT[field] >> 3
        self._words[at] = (self._words[at] + n) & abi.U64

    def value(self, field: str) -> int:
        """What a counter says now."""
        return self._words[_AT[field] >> 3]

    def at_least(self, field: str, n: int) -> None:
        """Raise a maximum such as ``batch_max``."""
        self._words[_AT[field] >> 3] = max(n, self._words[_AT[field] >> 3])

    def latency(self, ns: int, count: int = 1) -> None:
        """Count a latency in its power-of-two bucket."""
        bucket = min(max(ns, 0).bit_length(), abi.HISTOGRAM_BUCKETS - 1)
        self._words[(_AT["histogram"] >> 3) + bucket] += count
        self.add("latency_ns", max(ns, 0) * count)

    def error(self, sequence: int, text: str) -> None:
        """Note the last error, uncounted. Text beyond 256 bytes is cut at a character."""
        version = self._words[_AT["error_version"] >> 3] | 1
        self._words[_AT["error_version"] >> 3] = version
        self._words[_AT["error_sequence"] >> 3] = sequence & abi.U64
        self._text("error_text", 256, text)
        self._words[_AT["error_version"] >> 3] = (version + 1) & abi.U64

    def hold(self, sequence: int) -> None:
        """A stage is given ``sequence`` now: should it hang, somebody outside can say over what."""
        self._words[_AT["in_hand"] >> 3] = (sequence + 1) & abi.U64

    @property
    def state(self) -> str:
        number = self._halves[_AT["state"] >> 2]
        return STATES[number] if number < len(STATES) else "unknown"

    def beat(self) -> None:
        """A sign of life; a worker without a loop of the kernel gives one at least every 100 ms."""
        self._words[_AT["heartbeat_ns"] >> 3] = kernel().clock_ns()

    def close(self) -> None:
        """Leave the row to the next writer; first the handle that counts into it. Closing twice is fine."""
        if self._claims is None:
            return
        for view in (self._words, self._halves, self._bytes):
            view.release()
        self._give_back()

    def _give_back(self) -> None:
        if self._claims is not None:
            self._claims.give_back(self.offset)
            self._claims = None

    def __del__(self) -> None:
        if getattr(self, "_claims", None) is not None:
            self._give_back()

    def _text(self, field: str, room: int, text: str) -> None:
        data = text.encode("utf-8", "replace")[:room]
        data = data.decode("utf-8", "ignore").encode()
        self._bytes[_AT[field] : _AT[field] + room] = data.ljust(room, b"\0")


class MetricsRegion(Closing):
    """All rows of a run."""

    def __init__(self, region: Region) -> None:
        self.region = region
        self._claims: RowClaims | None = None

    @classmethod
    def create(cls, path: str | os.PathLike[str], rows: int, *, spec_hash: bytes = b"") -> Self:
        """A region of ``rows`` empty rows. Raises ``E_GEOMETRY``, ``E_REGION_EXISTS``, ``E_SHM_SPACE``."""
        if not 1 <= rows <= MAX_ROWS:
            raise IndexBusError("E_GEOMETRY", f"{rows} rows, not 1 to {MAX_ROWS}")
        region = create(
            path,
            kind=Kind.METRICS,
            capabilities=Capability.METRICS | Capability.GEOMETRY,
            total=abi.LINE + rows * METRICS_ROW.size,
            capacity=rows,
            slot_bytes=METRICS_ROW.size,
            lanes=rows,
            slot_stride=METRICS_ROW.size,
            spec_hash=spec_hash,
        )
        return cls(region)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Open to write a row."""
        return cls(open_region(path, Kind.METRICS, expected_bytes))

    @classmethod
    def observe(cls, path: str | os.PathLike[str]) -> Self:
        """Open to read; survives a truncation (``E_REGION_GONE``)."""
        return cls(open_region(path, Kind.METRICS, expected_bytes, observe=True))

    def row(self, index: int, *, shared: bool = False) -> MetricsRow:
        """The writing end of row ``index``. Raises ``E_ROLE_TAKEN`` while another one, in any process, has
        it.

        ``shared``: a lane's row, into which each of the lane's producers counts (``attach_lane_row``).
        """
        if not 0 <= index < self.region.header.capacity:
            raise IndexBusError("E_VALUE", f"no row {index}; there are {self.region.header.capacity}")
        _ = self.region.mapping  # E_CLOSED, for observers too
        self._claims = self._claims or RowClaims(self.region)
        return MetricsRow(self.region, index, self._claims, shared=shared)

    def rows(self) -> list[RowSample]:
        """Every row that somebody has begun."""
        data = self.region.read(abi.LINE, self.region.header.capacity * METRICS_ROW.size)
        starts = range(0, len(data), METRICS_ROW.size)
        return [_sample(i, data, at, self._version(at)) for i, at in enumerate(starts) if data[at]]

    def _version(self, row_at: int) -> bytes:
        """Of a row's error text, once more after the row was copied: whether the text is whole."""
        return self.region.read(abi.LINE + row_at + _AT["error_version"], 8)

    def close(self) -> None:
        """Rows that are still held keep their memory and their claim until they go."""
        self._claims = None
        self.region.close()


def expected_bytes(header: Header) -> int | str:
    """What ``open_region`` asks of a metrics region."""
    if not 1 <= header.capacity <= MAX_ROWS or header.slot_stride != METRICS_ROW.size:
        return f"{header.capacity} rows of {header.slot_stride} bytes"
    return abi.LINE + header.capacity * METRICS_ROW.size


def _pick(names: tuple[str, ...], index: int) -> str:
    return names[index] if index < len(names) else "unknown"


def _string(data: bytes, at: int, room: int) -> str:
    return data[at : at + room].split(b"\0", 1)[0].decode("utf-8", "replace")


def _sample(index: int, data: bytes, at: int, version_after: bytes) -> RowSample:
    role, where, pid, state, pid_start, heartbeat = struct.unpack_from("<4I2Q", data, at + _AT["role"])
    error_sequence, error_version = struct.unpack_from("<2Q", data, at + _AT["error_sequence"])
    whole = not error_version & 1 and error_version == int.from_bytes(version_after, "little")
    text = "(being written)" if not whole else _string(data, at + _AT["error_text"], 256)
    counters = dict(zip(_COUNTERS, _NUMBERS.unpack_from(data, at + _AT["in"]), strict=True))
    return RowSample(
        index=index,
        name=_string(data, at, 32),
        key=_string(data, at + _AT["key"], 96),
        role=_pick(ROLES, role),
        where=_pick(PLACES, where),
        pid=pid,
        pid_start=pid_start,
        state=_pick(STATES, state),
        heartbeat_ns=heartbeat,
        **counters,
        error_sequence=error_sequence,
        error_text=text,
        histogram=_HISTOGRAM.unpack_from(data, at + _AT["histogram"]),
        latency_ns=struct.unpack_from("<Q", data, at + _AT["latency_ns"])[0],
    )
