"""What one role counts: its row, its lane's row, the turns it took, the latency of what was stamped."""

from __future__ import annotations

import time
from array import array

from byteor.indexbus import abi

TICK_NS = 50_000_000
U64 = abi.U64
ROW = {field.name: field.offset for field in abi.METRICS_ROW.fields}


def signed(value: int) -> int:
    """A difference of two wrapping counters as a number with a sign."""
    value &= U64
    return value - (1 << 64) if value >> 63 else value


class Counting:
    """The part of a party that counts; positions and views are the party's."""

    _open_flag: bool
    _next: int
    _capacity: int
    _watch: list[int]
    _stamps: int
    _q: memoryview

    def __init__(self) -> None:
        self._row: memoryview | None = None
        self._rows: memoryview | None = None
        self._lane_row: memoryview | None = None
        self._did: list[int] | None = None  # of a producer, see handles.Producer.turns
        self._started = self._ticked = time.monotonic_ns()
        self._idle = 0

    def _enter(self) -> None:
        """Raise when this handle may not be used now."""
        raise NotImplementedError

    def _settle_plain(self) -> None:
        """Whether there is something to count has changed."""
        raise NotImplementedError

    def _set_row(self, buffer: object, offset: int) -> None:
        self._enter()
        self._rows = self._row = None
        self._settle_plain()
        if buffer is None:
            return
        self._rows = memoryview(buffer)  # type: ignore[arg-type]
        self._row = self._rows[offset : offset + abi.METRICS_ROW.size].cast("B").cast("Q")
        self._settle_plain()
        self._tick(time.monotonic_ns())

    def _set_lane_row(self, buffer: object, offset: int) -> None:
        self._enter()
        self._lane_row = None
        if buffer is not None:
            rows = memoryview(buffer)  # type: ignore[arg-type]
            self._lane_row = rows[offset : offset + abi.METRICS_ROW.size].cast("B").cast("Q")
        self._settle_plain()

    def beat(self) -> None:
        """Show a sign of life in the metrics row."""
        if self._open_flag:
            self._tick(time.monotonic_ns())

    def idled(self, ns: int) -> None:
        """This worker has waited elsewhere, which is not work."""
        if self._open_flag:
            self._idle += max(0, ns)

    def _add(self, name: str, n: int) -> None:
        if self._row is not None and n:
            at = ROW[name] >> 3
            self._row[at] = (self._row[at] + n) & U64

    def _given(self, sequence: int) -> None:
        """A stage is given ``sequence`` now: should it hang, somebody outside can say over what."""
        if self._row is not None:
            self._row[ROW["in_hand"] >> 3] = (sequence + 1) & U64

    def _count_batch(self, taken: int, out: int, filtered: int, size: int = 0) -> None:
        row = self._row
        if row is None:
            return
        for name, n in (("in", taken), ("out", out), ("filtered", filtered), ("batches", 1)):
            if n:
                at = ROW[name] >> 3
                row[at] = (row[at] + n) & U64
        at = ROW["batch_max"] >> 3
        if row[at] < size + taken:
            row[at] = size + taken
        now = time.monotonic_ns()
        if now - self._ticked >= TICK_NS:
            self._tick(now)

    def _record_turns(self) -> None:
        self._enter()
        self._did = self._did or []
        self._settle_plain()

    def _turns(self) -> tuple[bytes, bool]:
        did = self._did or []
        count = len(did)
        taken = array("q", did[:count])
        del did[:count]  # what the producer adds meanwhile stays
        return taken.tobytes(), False

    def _count_lane(self, n: int) -> None:
        if self._did is not None:
            self._did += (self._next - n, n)
        row = self._lane_row
        if row is None:
            return
        row[ROW["in"] >> 3] = (row[ROW["in"] >> 3] + n) & U64
        depth = max(signed(self._next - self._q[cell]) for cell in self._watch)
        at = ROW["high_water"] >> 3
        if row[at] < depth <= self._capacity:
            row[at] = depth

    def _dropped(self, cause: str, n: int) -> None:
        if self._did is not None and n:
            self._did += (0, -n)
        for row in (self._row, self._lane_row):
            if row is not None and n:
                for name in ("dropped", f"dropped_{cause}"):
                    row[ROW[name] >> 3] = (row[ROW[name] >> 3] + n) & U64

    def _stamp_of(self, sequence: int) -> int:
        """When ``sequence`` arrived, in ns; 0 when it is not stamped, or no longer."""
        at = self._stamps + 2 * abi.stamp_index(sequence)
        if self._q[at] != sequence:
            return 0
        stamped: int = self._q[at + 1]
        return stamped if self._q[at] == sequence else 0

    def _tick(self, now: int) -> None:
        self._ticked = now
        if self._row is not None:
            self._row[ROW["idle_ns"] >> 3] = self._idle
            self._row[ROW["busy_ns"] >> 3] = max(0, now - self._started - self._idle)
            self._row[ROW["heartbeat_ns"] >> 3] = now

    def _latency(self, sequence: int) -> None:
        if self._row is None:
            return
        stamped, now = self._stamp_of(sequence), time.monotonic_ns()
        if stamped and now >= stamped:
            bucket = (abi.HISTOGRAM_AT >> 3) + min((now - stamped).bit_length(), abi.HISTOGRAM_BUCKETS - 1)
            self._row[bucket] += 1
            self._row[ROW["latency_ns"] >> 3] = (self._row[ROW["latency_ns"] >> 3] + now - stamped) & U64
