"""The steps that only move messages: routers and bridges, merges, the generator, the sink that forgets."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from byteor.indexbus.abi import ABORTED, WATERMARK, End
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.generated import fill_text, message
from byteor.indexbus.jobs import Bridge, Choices, Discard, Generate, Merge, Route
from byteor.indexbus.pure.crc32c import crc32c
from byteor.indexbus.pure.ports import SKIP, Item, Outlet
from byteor.indexbus.pure.step import JobFailed, Step


class Runs:
    """Choices run-length coded, told at the end of each step."""

    def __init__(self, tell: Choices | None) -> None:
        self._tell = tell
        self._runs: list[tuple[int, int]] = []

    def add(self, which: int) -> None:
        if self._tell is None:
            return
        if self._runs and self._runs[-1][0] == which:
            self._runs[-1] = (which, self._runs[-1][1] + 1)
        else:
            self._runs.append((which, 1))

    def flush(self) -> None:
        runs, self._runs = self._runs, []
        if self._tell is not None:
            for which, count in runs:
                self._tell(which, count)


class RouteStep(Step):
    """One lane to each of several, or to one of them; a bridge is a router with one lane.

    Each lane has its own place in the window of slots that lie in the inlet; the window moves on when all
    lanes are past a slot.
    """

    def __init__(
        self, job: Route | Bridge, rxs: list[Any], txs: list[Any], mode: str, tell: Choices | None
    ) -> None:
        super().__init__(job, rxs, txs)
        self._queue = mode == "work_queue"
        self._window: deque[Item] = deque()
        self._at = [0] * len(txs)
        self._turn = 0
        self._runs = Runs(tell)

    def move(self, most: int) -> int:
        inlet = self.inlets[0]
        for i in range(len(self._window), inlet.look(most)):
            self._window.append(inlet.item(i))
        out = self._share() if self._queue else sum(self._copy(j) for j in range(len(self._at)))
        done = min(self._at)
        if done:
            passed = [self._window.popleft() for _ in range(done)]
            self._at = [at - done for at in self._at]
            inlet.advance(done)
            self.latency(passed)
            aborted = sum(bool(item.flags & ABORTED) for item in passed)
            self.batch(sum(not item.flags & SKIP for item in passed) + aborted, out, 0, aborted)
        elif out:
            self.add(out=out)
        self._runs.flush()
        # What is said goes for everything up to here: a lane that still lacks a message is told later.
        told = 0
        if not self._window:
            told = self.tell(inlet.floor)
        elif self._queue:
            told = self.tell(self._window[0].origin)
        return done + out + told

    def _copy(self, j: int) -> int:
        """As much of the window to lane ``j`` as fits; how many messages."""
        outlet, out = self.outlets[j], 0
        for i in range(self._at[j], len(self._window)):
            item = self._window[i]
            if not item.flags & SKIP:
                lost = outlet.lost
                if not self._put(outlet, item, i):
                    break
                out += outlet.lost == lost
            self._at[j] = i + 1
        return out

    def _share(self) -> int:
        """Each message of the window to the next lane with room, in turn."""
        out, lanes = 0, len(self.outlets)
        for i in range(len(self._window)):
            item = self._window[i]
            if not item.flags & SKIP:
                order = [(self._turn + k) % lanes for k in range(lanes)]
                chosen = next((j for j in order if self.outlets[j].free()), -1)
                if chosen < 0 and not self.outlets[0].drop:
                    break
                outlet = self.outlets[chosen if chosen >= 0 else order[0]]
                if not self._put(outlet, item, i):
                    break  # another producer of that lane was faster
                self._runs.add(chosen)
                if chosen >= 0:
                    self._turn = chosen + 1
                    out += 1
            self._at = [i + 1] * lanes
        return out

    def _put(self, outlet: Outlet, item: Item, i: int) -> bool:
        try:
            return outlet.put(item)
        except IndexBusError as error:
            reason = End.TOO_LONG if error.code == "E_OVERSIZE" else End.CORRUPT
            raise JobFailed(reason, self.sequence + i, error) from error


class MergeStep(Step):
    """Several lanes into one: in turn, or in order of (origin, ingress, input)."""

    def __init__(self, job: Merge) -> None:
        super().__init__(job, job.rxs, [job.tx])
        self._ordered = job.policy == "in_order"
        self._turn = 0
        self._runs = Runs(job.choices)
        self._sequence = 0  # of the head that went last

    @property
    def sequence(self) -> int:
        return self._sequence

    def move(self, most: int) -> int:
        windows = [deque(inlet.items(inlet.look(most))) for inlet in self.inlets]
        seen = [len(window) for window in windows]
        self._taken = self._out = self._aborted = 0
        self._stamped: list[Item] = []
        try:
            self._in_order(windows) if self._ordered else self._in_turn(windows)
        finally:
            done = [n - len(window) for n, window in zip(seen, windows, strict=True)]
            for inlet, n in zip(self.inlets, done, strict=True):
                inlet.advance(n)
            self.latency(self._stamped)
            self.batch(self._taken + self._aborted, self._out, 0, self._aborted)
            self._runs.flush()
        # What still lies in a window has not been told downstream.
        live = [
            window[0].origin if window else inlet.floor
            for inlet, window in zip(self.inlets, windows, strict=True)
            if window or not inlet.finished
        ]
        return sum(done) + (self.tell(min(live)) if live else 0)

    def _emit(self, j: int, window: deque[Item]) -> bool:
        """The head of input ``j`` to the outlet; whether it went (or was dropped)."""
        item = window[0]
        self._sequence = self.inlets[j].sequence
        lost = self.outlets[0].lost
        try:
            if not self.outlets[0].put(item):
                return False
        except IndexBusError as error:
            reason = End.TOO_LONG if error.code == "E_OVERSIZE" else End.CORRUPT
            raise JobFailed(reason, self._sequence, error) from error
        window.popleft()
        self._runs.add(j)
        if item.stamp_ns:
            self._stamped.append(item)
        self._taken += 1
        self._out += self.outlets[0].lost == lost
        return True

    def _skip(self, window: deque[Item]) -> None:
        while window and window[0].flags & SKIP:
            self._aborted += bool(window.popleft().flags & ABORTED)

    def _in_turn(self, windows: list[deque[Item]]) -> None:
        inputs = len(windows)
        first = self._turn
        for k in range(inputs):
            j = (first + k) % inputs
            self._skip(windows[j])
            while windows[j]:
                if not self._emit(j, windows[j]):
                    self._turn = j
                    return
                self._skip(windows[j])
            self._turn = j + 1

    def _in_order(self, windows: list[deque[Item]]) -> None:
        while True:
            heads = []
            for j, window in enumerate(windows):
                self._skip(window)
                if window:
                    heads.append((window[0].origin, window[0].ingress, j))
            if not heads:
                return
            origin, _, j = min(heads)
            for k, inlet in enumerate(self.inlets):
                if windows[k] or inlet.finished:
                    continue
                if inlet.floor < origin:
                    return  # something lower may still come there
            if not self._emit(j, windows[j]):
                return


class GenerateStep(Step):
    """Makes messages."""

    def __init__(self, job: Generate) -> None:
        super().__init__(job, [], job.txs)
        self._job, self._next, self._over = job, 0, False
        self._text, self._period = fill_text(job.seed, job.size)
        self._stamped_ns = 0

    @property
    def empty(self) -> bool:
        return self._over

    @property
    def sequence(self) -> int:
        return self._next

    def move(self, most: int) -> int:
        job, start = self._job, self._next
        last = start + most if not job.count else min(start + most, job.count)
        self._over = start >= last or any(handle.stopped for handle in job.txs)
        if self._over:
            return 0
        lanes, out = len(self.outlets), 0
        while self._next < last:
            payload = message(self._next, job.size, self._text, self._period)
            turn = self._next if job.key is None else crc32c(payload[job.key_bytes])
            outlet = self.outlets[turn % lanes]
            lost = outlet.lost
            stamp = time.monotonic_ns() if self._next == start else 0
            if not outlet.put(Item(payload, 0, self._next, 0, stamp)):
                break
            out += outlet.lost == lost
            self._next += 1
        self.batch(self._next - start, out)
        return self._next - start


class DiscardStep(Step):
    """Takes and forgets."""

    def __init__(self, job: Discard) -> None:
        super().__init__(job, job.rxs, [])

    def move(self, most: int) -> int:
        moved = 0
        for inlet in self.inlets:
            n = inlet.look(most)
            if not n:
                continue
            flags = [(inlet.handle.describe(i)[1], inlet.handle.stamp(i)) for i in range(n)]
            inlet.advance(n)
            self.latency(Item(b"", 0, 0, 0, stamp) for flag, stamp in flags if not flag & SKIP)
            marks = sum(bool(flag & WATERMARK) for flag, _ in flags)
            aborted = sum(bool(flag & ABORTED) for flag, _ in flags)
            self.batch(n - marks, sum(not flag & SKIP for flag, _ in flags), 0, aborted)
            moved += n
        return moved
