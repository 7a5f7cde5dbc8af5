"""What every worker had done at moments of the recording: a replay told as the run that it repeats.

A point is taken when the inputs up to it are in and nothing has moved for a moment since, so that a console
can go along the recording as if the pipeline ran. It costs a few milliseconds a point; hence it is asked for.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from byteor.incident.frames import Batch
from byteor.incident.replay.beat import Beat
from byteor.runtime.posts import Post

COUNTERS = ("in", "out", "filtered", "errors")
STEP_NS = 100_000_000
MAX_POINTS = 600
QUIET_S, LONGEST_S = 0.002, 0.05


class Point(msgspec.Struct, frozen=True):
    """Totals when the inputs up to ``origin``, which arrived at ``at_ns``, had passed; ``rows``: COUNTERS of
    each worker, in the order of ``Trace.workers``.
    """

    origin: int
    at_ns: int
    rows: tuple[tuple[int, ...], ...]


class TracedWorker(msgspec.Struct, frozen=True):
    name: str
    role: str
    key: str


class Trace(msgspec.Struct, frozen=True):
    workers: tuple[TracedWorker, ...] = ()
    points: tuple[Point, ...] = ()


class Tracer:
    """Notes points of one pass. ``fed`` and ``handed``: messages of each source and sink, by endpoint."""

    def __init__(self, posts: Sequence[Post], beat: Beat) -> None:
        self._posts, self._beat = posts, beat
        self._step_ns = STEP_NS
        self._points: list[Point] = []
        self.fed: Counter[int] = Counter()
        self.handed: Counter[int] = Counter()

    def counting(self, take: Callable[[int, Batch], bool]) -> Callable[[int, Batch], bool]:
        """``take`` that counts what it is handed."""

        def counted(egress: int, batch: Batch) -> bool:
            self.handed[egress] += batch.size
            return take(egress, batch)

        return counted

    def note(self, origin: int, at_ns: int, *, last: bool = False) -> None:
        """The inputs up to ``origin`` are in. Takes a point where one is due."""
        due = not self._points or at_ns - self._points[-1].at_ns >= self._step_ns
        if not (due or last):
            return
        if not last:
            self._settle()
        self._points.append(Point(origin, at_ns, self._rows()))
        if len(self._points) > MAX_POINTS:  # a longer recording gets points that are further apart
            self._points = self._points[::2]
            self._step_ns *= 2

    def trace(self) -> Trace:
        workers = tuple(TracedWorker(one.plan.name, one.plan.role, one.plan.key) for one in self._posts)
        return Trace(workers, tuple(self._points))

    def _rows(self) -> tuple[tuple[int, ...], ...]:
        return tuple(self._row(post) for post in self._posts)

    def _row(self, post: Post) -> tuple[int, ...]:
        plan = post.plan
        if plan.role == "source":
            return (0, self.fed[plan.endpoint], 0, 0)
        if plan.role == "sink":
            return (self.handed[plan.endpoint], 0, 0, 0)
        return tuple(post.row.value(name) for name in COUNTERS)

    def _settle(self) -> None:
        """Until nothing has moved for a moment. A slow stage is not waited for to its end."""
        end = time.monotonic() + LONGEST_S
        before, since = self._rows(), time.monotonic()
        while time.monotonic() < end:
            time.sleep(QUIET_S / 4)
            now = self._rows()
            if now != before:
                before, since = now, time.monotonic()
                self._beat.tell("the trace")
            elif time.monotonic() - since >= QUIET_S:
                return
