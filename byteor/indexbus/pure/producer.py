"""The producing calls in Python."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import count
from typing import Any

from byteor.indexbus import abi
from byteor.indexbus.abi import End
from byteor.indexbus.errors import oversize
from byteor.indexbus.pure.counting import TICK_NS, U64, signed
from byteor.indexbus.pure.party import Party


def _bytes(message: object) -> bytes:
    return message if type(message) is bytes else memoryview(message).cast("B").tobytes()  # type: ignore[arg-type]


class Producer(Party):
    """See ``byteor.indexbus.sequenced.Producer``."""

    is_producer = True
    _stamp_every = 1
    _stamped_ns = 0

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._stamp_at = self._next

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

    def _fill(self, sequence: int, message: bytes, kind: int, origin: int) -> None:
        """``kind``: flags from bit 32, ingress from bit 48, beside the length."""
        length = len(message)
        if length != self._length:
            self._adopt(length)
        at = self._slots + (sequence & self._mask) * self._stride
        self._pack(self._b, at, length | kind, origin & U64, message)

    def _maybe_stamp(self, first: int, n: int) -> None:
        if signed(first + n - self._stamp_at) >= 0:
            self._stamp(first)
            self._stamp_at = first + n + self._stamp_every

    def _one(self, payload: object, ingress: int, origin: int | None, timeout_s: float | None) -> bool:
        self._enter()
        message = _bytes(payload)
        if not 0 <= ingress <= 0xFFFF:
            raise ValueError("ingress is 0 to 65535")
        n = len(message)
        if n > self._slot_bytes:
            raise oversize(0, n, self._slot_bytes)
        if not self._room(timeout_s):
            return False
        sequence = self._next
        self._fill(sequence, message, ingress << 48, sequence if origin is None else origin)
        self._maybe_stamp(sequence, 1)
        self._publish(sequence + 1)
        if self._row is not None:
            self._count_batch(1, 1, 0)
        self._count_lane(1)
        self._warm(max(0, signed(self._stamp_at - self._next) - 1))
        return True

    def _many(
        self, messages: Iterable[object], ingress: int, origin: int | None, timeout_s: float | None
    ) -> int:
        self._enter()
        if not 0 <= ingress <= 0xFFFF:
            raise ValueError("ingress is 0 to 65535")
        items = [message if type(message) is bytes else _bytes(message) for message in messages]
        for index, message in enumerate(items):
            if len(message) > self._slot_bytes:
                raise oversize(index, len(message), self._slot_bytes)
        done, kind = 0, ingress << 48
        while done < len(items) and self._room(timeout_s):
            first = self._next
            run = items[done : done + ((self._limit - first) & U64)]
            origins = count(first if origin is None else origin + done)
            for sequence, message, ticket in zip(count(first), run, origins, strict=False):
                self._fill(sequence, message, kind, ticket)
            self._maybe_stamp(first, len(run))
            self._publish(first + len(run))
            self._count_batch(len(run), len(run), 0)
            self._count_lane(len(run))
            done += len(run)
        return done

    def _stamp(self, sequence: int) -> None:
        now = time.monotonic_ns()
        if now - self._stamped_ns > 1_000_000:
            self._stamp_every = 1
        elif self._stamp_every < 256:
            self._stamp_every *= 2
        self._stamped_ns = now
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
        message = _bytes(payload)
        if len(message) > self._slot_bytes:
            raise oversize(0, len(message), self._slot_bytes)
        if not self.free():
            return False
        sequence = self._next
        flags &= ~abi.STAMPED
        self._fill(sequence, message, flags << 32 | ingress << 48, origin)
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
            sequence != self._until
            and payload.__class__ is bytes
            and not ingress
            and origin is None
            and not (i := self._i)[self._stream]
            and ((length := len(payload)) == self._length or self._adopt(length))
        ):  # the short way
            place = self._place
            self._pack(self._b, place, length, sequence, payload)
            self._place = place + self._stride
            self._next = self._q[self._only] = sequence + 1
            if i[self._parked]:
                self._wake(self._only)
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


def _records(buffer: object, record_bytes: int) -> list[bytes]:
    data = _bytes(buffer)
    if record_bytes < 1 or len(data) % record_bytes:
        raise ValueError("the buffer is a whole number of records; ingress is 0 to 65535")
    return [data[at : at + record_bytes] for at in range(0, len(data), record_bytes)]
