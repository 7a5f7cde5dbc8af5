"""One role of one ring in Python: cells, waiting, peers. Mirrors ``kernel/core.c`` name by name.

Correct only where an aligned 8-byte store is single and stores stay in order (x86-64):
``memoryview.cast("Q")`` stores with one instruction, ``struct.pack_into`` does not.
"""

from __future__ import annotations

import os
import platform
import struct
import sys
import threading
import time
import weakref
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from byteor.indexbus import abi
from byteor.indexbus.abi import End, Wait
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.peers import lock_is_free
from byteor.indexbus.pure import futex
from byteor.indexbus.pure.counting import TICK_NS, U64, Counting, signed

NAPS = 4 * 10 + 16  # of a wait that backs off: some 20 ms; then it sleeps as a blocking one does

_forks = 0
_parties: weakref.WeakSet[Party] = weakref.WeakSet()


def _in_child() -> None:
    global _forks
    _forks += 1
    for party in list(_parties):
        party._cool()


os.register_at_fork(after_in_child=_in_child)


@lru_cache(maxsize=1024)
def _slot_struct(length: int) -> struct.Struct:
    """A slot: the word of length, flags and ingress, then the origin, then ``length`` bytes of payload."""
    return struct.Struct(f"<QQ{length}s")


def require_ordered_stores() -> None:
    """Raise ``E_UNSUPPORTED`` on machines where the twin would be wrong."""
    if platform.machine() not in ("x86_64", "AMD64") or sys.byteorder != "little":
        raise IndexBusError("E_UNSUPPORTED", f"the pure-Python kernel is not correct on {platform.machine()}")


class Party(Counting):
    """What producer and consumer share. Constructor arguments are the kernel's; offsets are in bytes."""

    is_producer = False
    _pure = True

    def __init__(
        self,
        buffer: object,
        fd: int,
        capacity: int,
        slot_bytes: int,
        stride: int,
        slots_at: int,
        cursor_at: int,
        stream_at: int,
        stamps_at: int,
        peers_at: int,
        peer_count: int,
        self_index: int,
        strategy: int,
        watch: tuple[int, ...],
        own: tuple[int, ...],
        markers_at: int,
        fatal: int,
    ) -> None:
        if markers_at:
            raise IndexBusError("E_UNSUPPORTED", "an MPSC lane needs compare-and-swap: the native kernel")
        super().__init__()
        self._fatal = fatal
        self.aborted_slots = 0
        require_ordered_stores()
        self._map: Any = buffer  # its slices copy in one step; views are for stores that must be single
        self._b = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        self._q = self._b.cast("Q")
        self._i = self._b.cast("I")
        self._fd, self._capacity, self._mask = fd, capacity, capacity - 1
        self._slot_bytes, self._stride = slot_bytes, stride
        self._slots, self._cursor, self._stream = slots_at, cursor_at >> 3, stream_at >> 2
        self._stamps, self._peers, self._peer_count, self._self = (
            stamps_at >> 3,
            peers_at,
            peer_count,
            self_index,
        )
        self._strategy, self._watch, self._own = strategy, [at >> 3 for at in watch], [at >> 3 for at in own]
        self._only = self._own[0] if len(own) == 1 else 0
        self._parked = (self._only << 1) + 3
        self._lead = capacity if self.is_producer else 0
        self._next = self._limit = self._q[self._own[0]]
        self._address = futex.address_of(self._b)
        self._fenced = futex.register_fence()
        self._fence = threading.Lock()
        self._naps = 0  # since it last got what it waited for
        self._stop = self._open_flag = False
        self._open_flag = True
        self._busy = False
        self._forks = _forks
        self._ended = 0
        self._settle_plain()
        self._cool()
        self._adopt(min(64, slot_bytes))
        _parties.add(self)
        self.filtered = 0
        self._dead_peer = 0

    # -- the handle's common calls

    @property
    def sequence(self) -> int:
        """The sequence that this handle handles next."""
        return self._next

    def stop(self) -> None:
        """Make this handle's waits end, from any thread."""
        self._stop = True
        if self._open_flag:
            for cell in self._watch:
                self._wake(cell)

    def _release(self) -> None:
        if self._busy:
            raise IndexBusError("E_ROLE_TAKEN", "another thread is waiting on this handle; stop() it first")
        if not self._open_flag:
            return
        self._open_flag = False
        self._cool()
        for view in (self._row, self._rows, self._lane_row, self._q, self._i, self._b):
            if view is not None:
                view.release()

    @property
    def stopped(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stop

    def look_around(self) -> None:
        """Raise ``E_PEER_DEAD`` when a peer has died without which this handle would wait for ever."""
        self._enter()
        if self._peer_died():
            self._ended = End.DEAD
            raise IndexBusError("E_PEER_DEAD", f"peer {self._dead_peer} of the lane died without leaving it")

    # -- the short way: one message in as few steps as Python allows

    def _settle_plain(self) -> None:
        """Plain: nothing to count, one cell to publish and no fence to pay for."""
        uncounted = self._row is None and self._lane_row is None and self._did is None
        self._plain = uncounted and self._only != 0 and self._fenced
        self._cool()

    def _cool(self) -> None:
        """The next message takes the long way, which looks at everything."""
        self._until = self._next

    def _warm(self, most: int) -> None:
        """Open the short way for up to ``most`` messages: those for which the limit is known. It ends
        before the last slot, so that it need not wrap, neither the place nor (capacity divides 2^64) the
        sequence.
        """
        if self._plain:
            place = self._next & self._mask
            self._place = self._slots + place * self._stride
            self._until = self._next + min(most, (self._limit - self._next) & U64, self._mask - place)

    def _adopt(self, length: int) -> bool:
        """Expect payloads of this length; False when no slot holds one."""
        if length > self._slot_bytes:
            return False
        slot = _slot_struct(length)
        self._length, self._pack = length, slot.pack_into
        self._unpack: Callable[[memoryview, int], tuple[int, int, bytes]] = slot.unpack_from
        return True

    # -- inside

    def _enter(self) -> None:
        if self._forks != _forks:
            raise IndexBusError("E_FORKED", "this handle belongs to the process that forked")
        if not self._open_flag:
            raise IndexBusError("E_CLOSED", "this handle was closed")
        if self._busy:
            raise IndexBusError("E_ROLE_TAKEN", "another thread is using this handle")

    def _publish(self, value: int) -> None:
        value &= U64
        self._next = self._until = value
        q, i = self._q, self._i
        if self._only and self._fenced:
            q[self._only] = value
            if i[self._parked]:
                self._wake(self._only)
            return
        for cell in self._own:
            q[cell] = value
            if not self._fenced:
                with self._fence:  # a lock is a full fence: without membarrier the load below must not pass
                    pass
            if i[(cell << 1) + 3]:
                self._wake(cell)

    def _wake(self, cell: int) -> None:
        word = (cell << 1) + 2
        self._i[word + 1] = 0
        self._i[word] = (self._i[word] + 1) & 0xFFFFFFFF
        futex.wake(self._address + (word << 2))

    def _behind(self, target: int) -> tuple[int, int]:
        least, slowest = 1 << 63, self._watch[0]
        for cell in self._watch:
            d = signed(self._q[cell] + self._lead - target)
            if d < least:
                least, slowest = d, cell
        return least, slowest

    def _look(self, target: int) -> tuple[End | None, int]:
        """One look at the ring: how waiting for ``target`` ends, or ``None``; and the slowest cell."""
        d, slowest = self._behind(target)
        if d >= 0:
            if d >= self._capacity:
                return End.CORRUPT, slowest
            self._limit = (target + d) & U64
            self._naps = 0
            return End.OK, slowest
        if -d > (self._capacity if self._lead else 1):
            return End.CORRUPT, slowest
        state = self._i[self._stream]
        if state & abi.ABORTED_STREAM:
            return End.ABORTED, slowest
        if state != abi.OPEN and (self._lead or self._q[self._cursor] == self._next):
            return End.FINISHED, slowest
        return (End.STOPPED if self._stop else None), slowest

    def _await(self, target: int, timeout_s: float | None) -> End:
        target &= U64
        end, _ = self._look(target)
        if end is None and timeout_s != 0:
            self._busy = True
            self._cool()
            try:
                end = self._await_slow(target, timeout_s)
            finally:
                self._busy = False
        if end is None:
            return End.TIMEOUT
        if end != End.OK:
            self._ended = end
        if end == End.DEAD:
            raise IndexBusError("E_PEER_DEAD", f"peer {self._dead_peer} of the lane died without leaving it")
        if end == End.CORRUPT:
            raise IndexBusError("E_CORRUPT", "a cursor or a length in the region is impossible")
        return end

    def _await_slow(self, target: int, timeout_s: float | None) -> End:
        start = time.monotonic_ns()
        deadline = None if timeout_s is None else start + int(timeout_s * 1e9)
        relax = _RELAX[self._strategy]
        rounds = 0
        while True:
            end, slowest = self._look(target)
            now = time.monotonic_ns()
            if end is not None or (deadline is not None and now >= deadline):
                self._idle += now - start
                if now - self._ticked >= TICK_NS:
                    self._tick(now)
                return End.TIMEOUT if end is None else end
            if now - self._ticked >= TICK_NS:
                self._idle += now - start
                start = now
                self._tick(now)
                if self._peer_died():
                    return End.DEAD
            relax(self, rounds, slowest, target)
            rounds += 1

    def _park(self, rounds: int, cell: int, target: int) -> None:
        word = (cell << 1) + 2
        seen = self._i[word]
        self._i[word + 1] = 1
        # Not beyond the next look around: a sleep that ends just before it would put it off by one more.
        look_s = max(0, self._ticked + TICK_NS - time.monotonic_ns()) / 1e9
        timeout_s = look_s if self._fenced and futex.barrier() else min(look_s, 0.001)
        ready = signed(self._q[cell] + self._lead - target) >= 0
        if not ready and self._i[self._stream] == abi.OPEN and not self._stop:
            futex.wait(self._address + (word << 2), seen, timeout_s)

    def _doze(self, rounds: int, cell: int, target: int) -> None:
        if rounds < 64:
            time.sleep(0)
        elif self._naps < NAPS:
            time.sleep(min(1e-6 * 2 ** (self._naps // 4), 1e-3))
            self._naps += 1
        else:
            self._park(rounds, cell, target)

    def _yield(self, rounds: int, cell: int, target: int) -> None:
        # sleep(0) lets other threads of this interpreter in, but costs some 60 us: not every time.
        if rounds % 16 == 15:
            time.sleep(0)
        else:
            os.sched_yield()

    def _peer_died(self) -> bool:
        for n in range(self._peer_count):
            at = self._peers + n * abi.PEER.size
            attached = self._q[(at >> 3) + 3]
            if (
                n == self._self
                or not self._fatal >> n & 1
                or self._i[at >> 2] == 0
                or not lock_is_free(self._fd, at)
            ):
                continue
            if self._i[at >> 2] != 0 and self._q[(at >> 3) + 3] == attached:
                self._dead_peer = n
                return True
        return False


_RELAX: dict[int, Callable[[Party, int, int, int], None]] = {
    Wait.SPIN: Party._yield,
    Wait.YIELD: Party._yield,
    Wait.BACKOFF: Party._doze,
    Wait.BLOCK: Party._park,
}
