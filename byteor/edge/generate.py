"""A source that makes its own messages: the same ones for the same seed, at a rate or as fast as they are
taken."""

from __future__ import annotations

import time
from collections.abc import Sequence

from byteor.edge.base import SourceEdge
from byteor.edge.errors import bad_argument
from byteor.edge.spelling import Spelled
from byteor.indexbus.generated import fill_text, messages
from byteor.runtime.adapter import Health, NativeSource

USAGE = "generate:COUNT,BYTES[,SEED]"
MAX_BYTES = 1 << 20  # the largest slot


class GenerateSource(SourceEdge):
    """``COUNT`` messages (0: endless) of ``BYTES`` bytes of printable ASCII.

    A message is its number from 0 in 16 decimal digits (the last ``BYTES`` of them when shorter), then
    text that depends on seed and number: a lost, doubled or swapped message shows. With a rate, message n is
    due n / rate seconds after the first read; what the run was too slow for comes late, and is not left out.
    """

    def __init__(self, count: int, size: int, seed: int, rate_per_s: float = 0.0) -> None:
        super().__init__(f"generate:{count},{size},{seed}")
        self._rate_per_s = rate_per_s
        self._began_s: float | None = None
        self._count = count
        self._seed = seed
        self._size = size
        self._text, self._period = fill_text(seed, size)
        self._next = 0
        self._resumed_at = 0

    def resume(self, position: object) -> None:
        """Begin with the message of this number; a rate counts from here. Before ``open``."""
        if not isinstance(position, int):
            raise bad_argument("generate", USAGE, f"{position!r} is no number to go on from")
        self._next = self._resumed_at = position

    @property
    def native(self) -> NativeSource | None:
        """The kernel makes the same messages by itself, from the first and as fast as they are taken."""
        return (
            None
            if self._rate_per_s or self._resumed_at
            else NativeSource(self._count, self._size, self._seed)
        )

    def open(self) -> None:
        """Nothing to acquire."""

    def read(self, max_messages: int, timeout_s: float) -> Sequence[bytes] | None:
        first = self._next
        last = first + max_messages if not self._count else min(first + max_messages, self._count)
        if first >= last:
            return None
        if self._rate_per_s:
            last = min(last, self._due(timeout_s))
            if first >= last:
                return []
        self._next = last
        return messages(first, last, self._size, self._text, self._period)

    def _due(self, timeout_s: float) -> int:
        """How many messages are due in all, after a wait of at most ``timeout_s`` for the next one."""
        now = time.monotonic()
        if self._began_s is None:
            self._began_s = now
        wait_s = self._began_s + (self._next - self._resumed_at) / self._rate_per_s - now
        if wait_s > 0:
            time.sleep(min(wait_s, timeout_s))
        return self._resumed_at + int((time.monotonic() - self._began_s) * self._rate_per_s) + 1

    def checkpoint(self) -> object:
        return self._next

    def health(self) -> Health:
        return Health(ok=True, detail=f"{self._next:,} messages made")


def generate_source(spelled: Spelled) -> GenerateSource:
    parts = spelled.argument.split(",")
    if not 2 <= len(parts) <= 3 or not all(part.isascii() and part.isdigit() for part in parts):
        raise bad_argument("generate", USAGE, f"cannot read {spelled.argument!r}: two or three whole numbers")
    count, size, seed = (*(int(part) for part in parts), 0)[:3]
    if not 1 <= size <= MAX_BYTES:
        raise bad_argument("generate", USAGE, f"BYTES must be 1 to {MAX_BYTES:,}, not {size:,}")
    return GenerateSource(count, size, seed, spelled.seconds("rate"))
