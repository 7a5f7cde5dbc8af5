"""The consuming calls in Python, and the loops that run stages."""

from __future__ import annotations

import ctypes
import sys
import time
from array import array
from collections.abc import Callable, Sequence
from typing import Any

from byteor.indexbus import abi
from byteor.indexbus.abi import End
from byteor.indexbus.errors import IndexBusError, oversize
from byteor.indexbus.pure.counting import TICK_NS, U64
from byteor.indexbus.pure.party import Party
from byteor.indexbus.pure.stages import STAGES, StageRefusal

SKIP = (abi.FILTERED | abi.ABORTED | abi.WATERMARK) << 32
MARK = abi.WATERMARK << 32
LENGTH = 0xFFFFFFFF
LoopEnd = tuple[int, int, BaseException | None]


class Consumer(Party):
    """See ``byteor.indexbus.sequenced.Consumer``."""

    _batch = 0

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._views: list[tuple[memoryview, Any]] = []

    def _release(self) -> None:
        if self._open_flag:
            self._enter()
            self._revoke()
        super()._release()

    # -- peek and advance

    @property
    def peeked(self) -> int:
        """Messages peeked and not advanced."""
        return self._batch

    def _wait(self, most: int, timeout_s: float | None) -> int:
        if self._i[self._stream] & abi.ABORTED_STREAM:
            self._ended = End.ABORTED
            return 0
        if self._limit == self._next:
            end = self._await(self._next + 1, timeout_s)
            if end != End.OK:
                self._ended = end
                return 0
        return min(most, (self._limit - self._next) & U64)

    def peek(self, max: int = 256, timeout_s: float | None = None) -> int:
        self._enter()
        if max < 1:
            raise ValueError("max is at least 1")
        self._revoke()
        self._cool()
        self._batch = self._wait(max, timeout_s)
        return self._batch

    def _at(self, i: int) -> int:
        self._enter()
        if not 0 <= i < self._batch:
            raise IndexError("outside the peeked batch")
        return self._slot(self._next + i)

    def _slot(self, sequence: int) -> int:
        at = self._slots + (sequence & self._mask) * self._stride
        if self._i[at >> 2] > self._slot_bytes:
            raise _corrupt()
        return at

    def _hand_out(self, at: int, length: int) -> memoryview:
        # A ctypes array of its own per view: what still points into it later shows in its reference count.
        owner = (ctypes.c_ubyte * length).from_buffer(self._b, at)
        view = memoryview(owner).cast("B")
        self._views.append((view, owner))
        return view

    def _copy(self, at: int, length: int) -> bytes:
        return bytes(self._b[at : at + length])

    def _revoke(self) -> None:
        while self._views:
            try:
                self._views[-1][0].release()
            except BufferError:
                pass
            # The tuple and the argument; a slice or an array is one more. No local name: a traceback keeps
            # those.
            if sys.getrefcount(self._views[-1][1]) > 2:
                text = "a view (or an array over one) of this batch is still held"
                raise IndexBusError("E_VIEW_HELD", text)
            self._views.pop()

    def view(self, i: int) -> memoryview:
        at = self._at(i)
        return self._hand_out(at + 16, self._i[at >> 2])

    def room(self, i: int) -> memoryview:
        return self._hand_out(self._at(i) + 16, self._slot_bytes)

    def payload(self, i: int) -> bytes:
        at = self._at(i)
        return bytes(self._b[at + 16 : at + 16 + self._i[at >> 2]])

    def describe(self, i: int) -> tuple[int, int, int, int]:
        at = self._at(i)
        word = self._q[at >> 3]
        return word & 0xFFFFFFFF, word >> 32 & 0xFFFF, word >> 48, self._q[(at >> 3) + 1]

    def stamp(self, i: int) -> int:
        flags = self._q[self._at(i) >> 3]
        return self._stamp_of((self._next + i) & U64) if flags & abi.STAMPED << 32 else 0

    def filter(self, i: int) -> None:
        at = self._at(i)
        if not self._q[at >> 3] & abi.FILTERED << 32:
            self._add("filtered", 1)
        self._q[at >> 3] |= abi.FILTERED << 32

    def set_length(self, i: int, length: int) -> None:
        at = self._at(i)
        if not 0 <= length <= self._slot_bytes:
            raise oversize(i, length, self._slot_bytes)
        self._i[at >> 2] = length

    def write(self, i: int, payload: object) -> None:
        at = self._at(i)
        self._write(at, payload, i)

    def _write(self, at: int, payload: object, index: int) -> None:
        data = bytes(memoryview(payload))  # type: ignore[arg-type]
        if len(data) > self._slot_bytes:
            raise oversize(index, len(data), self._slot_bytes)
        self._b[at + 16 : at + 16 + len(data)] = data
        self._i[at >> 2] = len(data)

    def raw(self, start: int, count: int) -> memoryview:
        self._enter()
        place = (self._next + start) & self._mask
        if (
            count < 1
            or not 0 <= start < self._batch
            or count > min(self._batch - start, self._capacity - place)
        ):
            raise IndexError("outside the peeked batch, or across the end of the slots")
        return self._hand_out(self._slots + place * self._stride, count * self._stride)

    def views(self) -> list[memoryview]:
        self._enter()
        places = [self._slot(self._next + i) for i in range(self._batch)]
        return [self._hand_out(at + 16, self._i[at >> 2]) for at in places if not self._q[at >> 3] & SKIP]

    def gather(self) -> tuple[bytes, bytes, bytes, bytes]:
        """Origins (u64), ingresses (u16), lengths (u32) and payloads of what is not filtered."""
        self._enter()
        rows = [(*self.describe(i), i) for i in range(self._batch)]
        kept = [row for row in rows if not row[1] << 32 & SKIP]
        payloads = [self.payload(row[4]) for row in kept]
        return (
            array("Q", [row[3] for row in kept]).tobytes(),
            array("H", [row[2] for row in kept]).tobytes(),
            array("I", map(len, payloads)).tobytes(),
            b"".join(payloads),
        )

    def advance(self, n: int) -> None:
        self._enter()
        if not 0 <= n <= self._batch:
            raise IndexError("outside the peeked batch")
        self._revoke()
        self._pass(n)
        self._batch -= n

    def _pass(self, n: int) -> None:
        if self._row is None:
            self._publish(self._next + n)
            return
        skipped = marks = 0
        for i in range(n):
            word = self._q[(self._slots + (self._next + i & self._mask) * self._stride) >> 3]
            skipped += bool(word & SKIP)
            marks += bool(word & MARK)
            if word & abi.STAMPED << 32:
                self._latency((self._next + i) & U64)
        self._publish(self._next + n)
        self._count_batch(n - marks, n - skipped, 0)

    # -- receiving copies

    def _no_batch(self) -> None:
        self._enter()
        if self._batch:
            raise IndexBusError("E_VALUE", "advance past the peeked batch before receiving")

    def receive(self, timeout_s: float | None = None) -> bytes | None:
        sequence = self._next
        if sequence != self._until and not (i := self._i)[self._stream]:  # the short way
            place = self._place
            word, _, found = self._unpack(self._b, place)
            message = found if word & (LENGTH | SKIP) == self._length else self._other(word, place)
            if message is not None:
                self._place = place + self._stride
                self._next = self._q[self._only] = sequence + 1
                if i[self._parked]:
                    self._wake(self._only)
                return message
        return self._receive(timeout_s)

    def _other(self, word: int, place: int) -> bytes | None:
        """The message of a slot whose length was not expected; ``None`` when it is to be skipped."""
        if not self._adopt(word & LENGTH):
            raise _corrupt()
        return None if word & SKIP else self._unpack(self._b, place)[2]

    def _read(self, sequence: int) -> bytes | None:
        """The message at ``sequence``; ``None``, counted, when it is to be skipped."""
        place = self._slots + (sequence & self._mask) * self._stride
        word, _, message = self._unpack(self._b, place)
        if word & (LENGTH | SKIP) == self._length:
            return message
        other = self._other(word, place)
        self.filtered += other is None and not word & MARK
        return other

    def _receive(self, timeout_s: float | None) -> bytes | None:
        self._no_batch()
        while self._wait(1, timeout_s):
            message = self._read(self._next)
            self._pass(1)
            if message is not None:
                self._warm(self._capacity)
                return message
        return None

    def receive_many(self, max: int = 256, timeout_s: float | None = None) -> list[bytes]:
        self._no_batch()
        while n := self._wait(max, timeout_s):
            read = [self._read(sequence) for sequence in range(self._next, self._next + n)]
            messages = [message for message in read if message is not None]
            self._pass(n)
            if messages:
                return messages
        return []

    def receive_into(self, buffer: object, record_bytes: int, timeout_s: float | None = None) -> int:
        self._no_batch()
        out = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        if record_bytes < 1 or len(out) < record_bytes:
            raise ValueError("the buffer holds at least one record")
        kept = 0
        while not kept and (n := self._wait(len(out) // record_bytes, timeout_s)):
            done = 0
            for done in range(n):
                at = self._slots + (self._next + done & self._mask) * self._stride
                if (word := self._q[at >> 3]) & SKIP:
                    self.filtered += not word & MARK
                    continue
                if self._i[at >> 2] != record_bytes:
                    break
                out[kept * record_bytes : (kept + 1) * record_bytes] = self._b[
                    at + 16 : at + 16 + record_bytes
                ]
                kept += 1
            else:
                done = n
            self._pass(done)
            if done < n and not kept:
                odd = self._i[self._slot(self._next) >> 2]
                raise IndexBusError("E_VALUE", f"a message of {odd} bytes among records of {record_bytes}")
        return kept

    # -- loops

    def _ended_loop(self, code: int, error: BaseException | None = None) -> LoopEnd:
        if error is not None:
            self._add("errors", 1)
        return code, self._next, error

    def _loop_wait(self, most: int) -> tuple[int, LoopEnd]:
        if self._stop:
            return 0, self._ended_loop(End.STOPPED)
        try:
            n = self._wait(most, None)
        except IndexBusError as error:
            return 0, self._ended_loop(End.DEAD if error.code == "E_PEER_DEAD" else End.CORRUPT, error)
        return n, self._ended_loop(self._ended)

    def _settle(self, at: int, given: object, result: object) -> bool:
        """Put a result into its slot; whether the message goes on."""
        if result is given:
            return True
        if result is None:
            self._q[at >> 3] |= abi.FILTERED << 32
            return False
        self._write(at, result, 0)
        return True

    def _handle(self, at: int, function: Callable[[bytes], object]) -> bool:
        given = bytes(self._b[at + 16 : at + 16 + self._i[at >> 2]])
        return self._settle(at, given, function(given))

    def _step(self, function: Callable[[bytes], object]) -> None:
        """Handle the message at ``next`` and publish; the cell moves message by message."""
        sequence = self._next
        at = self._slot(sequence)
        word = self._q[at >> 3]
        skipped = bool(word & SKIP)
        if not skipped:
            self._given(sequence)
        kept = not skipped and self._handle(at, function)
        if word & abi.STAMPED << 32:
            self._latency(sequence)
        self._publish(sequence + 1)
        self._add("in", int(not word & MARK))
        self._add("out", int(kept))
        self._add("filtered", int(not skipped and not kept))

    def _drive(self, function: Callable[[bytes], object], max_batch: int = 256) -> LoopEnd:
        self._enter()
        while True:
            n, end = self._loop_wait(max_batch)
            if not n:
                return end
            for _ in range(n):
                try:
                    self._step(function)
                except Exception as error:  # noqa: BLE001  (whatever a stage raises is the loop's result)
                    return self._ended_loop(_reason(error), error)
                now = time.monotonic_ns()
                if now - self._ticked >= TICK_NS:
                    self._tick(now)
                if self._stop or self._i[self._stream] & abi.ABORTED_STREAM:
                    break
            self._count_batch(0, 0, 0, n)

    def _drive_batch(
        self,
        function: Callable[[list[Any]], Sequence[object] | None],
        max_batch: int = 256,
        views: bool = False,
    ) -> LoopEnd:
        self._enter()
        while True:
            n, end = self._loop_wait(min(max_batch, 4096))
            if not n:
                return end
            done = 0
            try:
                places = [self._slot(self._next + i) for i in range(n)]
                kept = [(i, at) for i, at in enumerate(places) if not self._q[at >> 3] & SKIP]
                marks = sum(bool(self._q[at >> 3] & MARK) for at in places)
                read = self._hand_out if views else self._copy
                given: list[Any] = [read(at + 16, self._i[at >> 2]) for _, at in kept]
                if given:
                    self._given(self._next + kept[0][0])
                results = function(given) if given else None
                filtered = 0
                if results is not None:
                    if len(results) != len(given):
                        raise ValueError(f"a batch of {len(given)} messages gave {len(results)} results")
                    for (i, at), message, result in zip(kept, given, results, strict=True):
                        done = i
                        filtered += not self._settle(at, message, result)
                self._revoke()
                done = n
            except Exception as error:  # noqa: BLE001
                self._publish(self._next + done)
                self._add("in", done)
                return self._ended_loop(_reason(error), error)
            for i, at in enumerate(places):
                if self._q[at >> 3] & abi.STAMPED << 32:
                    self._latency((self._next + i) & U64)
            self._publish(self._next + n)
            self._count_batch(n - marks, len(kept) - filtered, filtered)

    def _run_native(self, kind: int, param: bytes, max_batch: int = 256) -> LoopEnd:
        stage = list(STAGES.values())[kind]
        end = self._drive(lambda message: stage(message, param), max_batch)
        if isinstance(end[2], StageRefusal) or end[0] == End.TOO_LONG:
            return end[0], end[1], None
        return end


def _corrupt() -> IndexBusError:
    return IndexBusError("E_CORRUPT", "a slot claims more bytes than it holds")


def _reason(error: Exception) -> int:
    code = error.code if isinstance(error, IndexBusError) else ""
    return {"E_OVERSIZE": End.TOO_LONG, "E_CORRUPT": End.CORRUPT}.get(code, End.STAGE_ERROR)
