"""The producing calls in Python."""

from __future__ import annotations

import time
from collections.abc import Iterable

from byteor.indexbus import abi
from byteor.indexbus.abi import End
from byteor.indexbus.errors import oversize
from byteor.indexbus.pure import party
from byteor.indexbus.pure.party import TICK_NS, U64, Party

Buffer = bytes | bytearray | memoryview


def _buffer(message: object) -> bytes | memoryview:
    return message if type(message) is bytes else memoryview(message).cast("B")  # type: ignore[arg-type]


class Producer(Party):
    """See ``byteor.indexbus.sequenced.Producer``."""

    is_producer = True
    _since_stamp = 0
    _stamp_every = 1
    _stamped_ns = 0

    def _room(self, timeout_s: float | None) -> bool:
        state = self._i[self._stream]
        if state != abi.OPEN:
            self._ended = End.ABORTED if state & abi.ABORTED_STREAM else End.FINISHED
            return False
        if self._limit != self._next:
            return True
        end = self._await(self._next + 1, 0)
        if end == End.TIMEOUT and timeout_s != 0:
            self._add("full_waits", 1)
            end = self._await(self._next + 1, timeout_s)
        self._ended = end
        return end == End.OK

    def _fill(self, sequence: int, message: bytes | memoryview, ingress: int, origin: int) -> None:
        at = self._slots + (sequence & self._mask) * self._stride
        n = len(message)
        word = at >> 3
        self._q[word] = n | ingress << 48
        self._q[word + 1] = origin & U64
        self._b[at + 16 : at + 16 + n] = message

    def _one(self, payload: object, ingress: int, origin: int | None, timeout_s: float | None) -> bool:
        self._enter()
        message = payload if type(payload) is bytes else _buffer(payload)
        if not 0 <= ingress <= 0xFFFF:
            raise ValueError("ingress is 0 to 65535")
        n = len(message)
        if n > self._slot_bytes:
            raise oversize(0, n, self._slot_bytes)
        if (self._limit == self._next or self._i[self._stream]) and not self._room(timeout_s):
            return False
        sequence = self._next
        at = self._slots + (sequence & self._mask) * self._stride
        word = at >> 3
        self._q[word] = n | ingress << 48
        self._q[word + 1] = sequence if origin is None else origin
        self._b[at + 16 : at + 16 + n] = message
        self._since_stamp += 1
        if self._since_stamp >= self._stamp_every:
            self._stamp(sequence)
        self._publish(sequence + 1)
        if self._row is not None:
            self._count_batch(1, 1, 0)
        self._count_lane(1)
        return True

    def _many(
        self, messages: Iterable[object], ingress: int, origin: int | None, timeout_s: float | None
    ) -> int:
        self._enter()
        if not 0 <= ingress <= 0xFFFF:
            raise ValueError("ingress is 0 to 65535")
        items = [_buffer(message) for message in messages]
        for index, message in enumerate(items):
            if len(message) > self._slot_bytes:
                raise oversize(index, len(message), self._slot_bytes)
        done = 0
        while done < len(items) and self._room(timeout_s):
            first = self._next
            count = min(len(items) - done, (self._limit - first) & U64)
            for k in range(count):
                sequence = (first + k) & U64
                self._fill(
                    sequence, items[done + k], ingress, sequence if origin is None else origin + done + k
                )
            self._since_stamp += count
            if self._since_stamp >= self._stamp_every:
                self._stamp(first)
            self._publish(first + count)
            self._count_batch(count, count, 0)
            self._count_lane(count)
            done += count
        return done

    def _stamp(self, sequence: int) -> None:
        now = time.monotonic_ns()
        if now - self._stamped_ns > 1_000_000:
            self._stamp_every = 1
        elif self._stamp_every < 64:
            self._stamp_every *= 2
        self._stamped_ns = now
        self._since_stamp = 0
        self._stamp_with(sequence, now)
        if self._row is not None and now - self._ticked >= TICK_NS:
            self._tick(now)

    def _stamp_with(self, sequence: int, time_ns: int) -> None:
        at = self._stamps + 2 * abi.stamp_index(sequence)
        self._q[at] = ~sequence & U64
        self._q[at + 1] = time_ns
        self._q[at] = sequence
        self._q[(self._slots + (sequence & self._mask) * self._stride) >> 3] |= abi.STAMPED << 32

    def free(self) -> int:
        self._enter()
        self._ended = End.TIMEOUT
        return (self._limit - self._next) & U64 if self._room(0) else 0

    def put(self, payload: object, ingress: int, origin: int, flags: int = 0, stamp_ns: int = 0) -> bool:
        message = _buffer(payload)
        if len(message) > self._slot_bytes:
            raise oversize(0, len(message), self._slot_bytes)
        if not self.free():
            return False
        sequence = self._next
        self._fill(sequence, message, ingress, origin)
        flags &= ~abi.STAMPED
        self._q[(self._slots + (sequence & self._mask) * self._stride) >> 3] |= flags << 32
        if stamp_ns:
            self._stamp_with(sequence, stamp_ns)
        self._publish(sequence + 1)
        if not flags & (abi.FILTERED | abi.ABORTED | abi.WATERMARK):
            self._count_batch(1, 1, 0)
            self._count_lane(1)
        return True

    def dropped(self, cause: str, n: int) -> None:
        self._enter()
        if cause not in ("full", "aborted", "oversize", "no_credit"):
            raise ValueError("a cause is full, aborted, oversize or no_credit")
        self._dropped(cause, n)

    def publish(self, payload: object, ingress: int = 0, origin: int | None = None) -> bool:
        sequence = self._next
        if (
            self._hot
            and self._limit != sequence
            and type(payload) is bytes
            and not ingress
            and origin is None
            and (length := len(payload)) <= self._slot_bytes
            and self._forks == party._forks
            and not (i := self._i)[self._stream]
        ):  # the twin's hot path, without a call
            at = self._slots + (sequence & self._mask) * self._stride
            q, word, cell = self._q, at >> 3, self._only
            q[word] = length
            q[word + 1] = sequence
            at += 16
            self._map[at : at + length] = payload
            self._since_stamp += 1
            if self._since_stamp >= self._stamp_every:
                self._stamp(sequence)
            self._next = q[cell] = sequence + 1 & U64
            if i[self._parked]:
                self._wake(cell)
            return True
        return self._one(payload, ingress, origin, None)

    def try_publish(self, payload: object, ingress: int = 0, origin: int | None = None) -> bool:
        return self._one(payload, ingress, origin, 0)

    def publish_many(self, messages: Iterable[object], ingress: int = 0, origin: int | None = None) -> int:
        return self._many(messages, ingress, origin, None)

    def try_publish_many(
        self, messages: Iterable[object], ingress: int = 0, origin: int | None = None
    ) -> int:
        return self._many(messages, ingress, origin, 0)

    def publish_buffer(
        self, buffer: object, record_bytes: int, ingress: int = 0, origin: int | None = None
    ) -> int:
        return self._many(_records(buffer, record_bytes), ingress, origin, None)

    def try_publish_buffer(
        self, buffer: object, record_bytes: int, ingress: int = 0, origin: int | None = None
    ) -> int:
        return self._many(_records(buffer, record_bytes), ingress, origin, 0)

    def wait_room(self, timeout_s: float | None) -> bool:
        self._enter()
        return self._room(timeout_s)


def _records(buffer: object, record_bytes: int) -> list[memoryview]:
    view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
    if record_bytes < 1 or len(view) % record_bytes:
        raise ValueError("the buffer is a whole number of records; ingress is 0 to 65535")
    return [view[at : at + record_bytes] for at in range(0, len(view), record_bytes)]
