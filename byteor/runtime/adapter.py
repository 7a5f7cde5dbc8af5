"""The contract of sources and sinks; implementations live in ``byteor.edge``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec


class Health(msgspec.Struct, frozen=True):
    """How an adapter is, as an operator would say it. ``ok`` False means degraded, not ended."""

    ok: bool
    detail: str = ""


class DeadLetterBox(Protocol):
    """Where a message goes that nobody can deliver; ``count`` did. Any thread may call ``put``."""

    count: int

    def open(self) -> None: ...

    def put(
        self, end: str, code: str, why: str, message: bytes | memoryview, length: int | None = None
    ) -> None:
        """Set ``message`` of the source or sink ``end`` aside; ``length`` when only its first bytes are left.

        Raises ``EdgeError`` ``E_DEAD_LETTER``.
        """

    def close(self) -> None: ...


class NativeSource(msgspec.Struct, frozen=True):
    """What the kernel needs to play a source of generated messages itself: a source that carries one in its
    attribute ``native`` is never read. ``key``: where the bytes lie that choose a message's shard. A sink
    whose ``native`` is true only forgets."""

    count: int
    size: int
    seed: int
    key: tuple[int, int] | None = None


class Source(Protocol):
    """Where messages come from. One thread calls it; only ``health`` and ``counts`` may be called from
    another.

    ``delivery`` says in one line what may be lost or doubled. ``dead_letters`` is set before ``open``, or
    stays ``None``: then what cannot be taken is an error, or from an untrusted peer a refusal that ``counts``
    tells.
    """

    name: str
    delivery: str
    dead_letters: DeadLetterBox | None

    def open(self) -> None:
        """Acquire what is read from. Raises ``EdgeError`` with a hint when that is impossible."""

    def read(self, max_messages: int, timeout_s: float) -> Sequence[bytes] | None:
        """Up to ``max_messages`` messages; empty after ``timeout_s`` without one; ``None`` at the end."""

    def commit(self, position: object) -> None:
        """Everything up to ``position`` (a value of ``checkpoint``) has left the run; may be forgotten."""

    def close(self) -> None:
        """Release everything. Called once, also after an error."""

    def checkpoint(self) -> object:
        """The position after the last message that ``read`` returned; ``None`` where the peer keeps none."""

    def health(self) -> Health: ...

    def counts(self) -> Mapping[str, int]:
        """What happened so far, for the metrics: ``reconnects``, ``oversize``, ``dead_letters``..."""


class Sink(Protocol):
    """Where messages go. One thread calls it; only ``health``, ``counts`` and ``cancel`` may be called from
    another. ``delivery`` and ``dead_letters`` as in ``Source``.
    """

    name: str
    delivery: str
    dead_letters: DeadLetterBox | None

    def open(self) -> None: ...

    def write(self, messages: Sequence[bytes | memoryview]) -> None:
        """Take a batch; the views are valid only during the call. Raises ``EdgeError`` when it cannot."""

    def flush(self) -> None:
        """Hand everything written so far to the peer (a file: to the kernel)."""

    def cancel(self) -> None:
        """End a call that waits for the peer within 100 ms (``E_SINK_CANCELLED``), and every later one."""

    def close(self) -> None: ...

    def health(self) -> Health: ...

    def counts(self) -> Mapping[str, int]:
        """As of a source; ``retries`` too."""


class Tap(Protocol):
    """Who records what enters and leaves a run (capture). Raising from it stops the run.

    ``ingress`` and ``egress`` are called by different threads, each end by one of its own. The rest says
    what timing decided, so that a replay can decide the same.
    """

    def ingress(
        self, ingress: int, shard: int, first_origin: int, arrival_ns: int, messages: Sequence[bytes]
    ) -> None:
        """``messages`` with origins ``first_origin``, + 1... came by source ``ingress`` at ``arrival_ns``
        (Unix time); called before they are published."""

    def egress(self, egress: int, origins: bytes, ingresses: bytes, lengths: bytes, payload: bytes) -> None:
        """Sink ``egress`` took a batch: u64 origins, u16 ingresses, u32 lengths, and the payloads one behind
        the other, as ``Consumer.gather`` gives them."""

    def choices(self, worker: int, index: int, count: int) -> None:
        """The merge or work queue with the row ``worker`` took ``count`` messages from input, or gave them to
        lane, ``index`` (-1: dropped them); in its order."""

    def turns(self, worker: int, end: int, turns: Sequence[int]) -> None:
        """What the lane ``end`` of those that ``worker`` writes got from it, see ``Producer.turns``."""

    def ask(self, worker: int, end: int, turns: Callable[[], Sequence[int] | None]) -> None:
        """The turns of this end are to be had by asking, now and then and at the end of the run."""

    def undecided(self, worker: int) -> None:
        """Part of what ``worker`` chose, or of its turns, will never be known."""

    def close(self) -> None: ...
