"""The contract of sources and sinks; implementations live in ``byteor.edge``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec


class Health(msgspec.Struct, frozen=True):
    """How an adapter is, as an operator would say it. ``ok`` False means degraded, not ended."""

    ok: bool
    detail: str = ""


class Source(Protocol):
    """Where messages come from. One thread calls it; only ``health`` may be called from another."""

    name: str

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


class Sink(Protocol):
    """Where messages go. One thread calls it; only ``health`` may be called from another."""

    name: str

    def open(self) -> None: ...

    def write(self, messages: Sequence[bytes | memoryview]) -> None:
        """Take a batch; the views are valid only during the call. Raises ``EdgeError`` when it cannot."""

    def flush(self) -> None:
        """Hand everything written so far to the peer (a file: to the kernel)."""

    def close(self) -> None: ...

    def health(self) -> Health: ...
