"""What every source and sink has: a name, counters, dead letters; a sink's wait can be ended."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NoReturn

from byteor.edge.errors import EdgeError
from byteor.edge.framing import breaks_lines
from byteor.runtime.adapter import DeadLetterBox


class Edge:
    """``delivery`` is set by the catalogue, from its table."""

    delivery = ""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead_letters: DeadLetterBox | None = None
        self._counted: Counter[str] = Counter()

    def counts(self) -> Mapping[str, int]:
        """A copy; any thread may ask."""
        return dict(self._counted)

    def set_aside(self, code: str, why: str, message: bytes | memoryview, length: int | None = None) -> bool:
        """Put ``message`` (or its first bytes, of ``length``) into the dead letters; False without any."""
        if self.dead_letters is None:
            return False
        self.dead_letters.put(self.name, code, why, message, length)
        self._counted["dead_letters"] += 1
        return True

    def told(self, first: str) -> str:
        """``first`` and every counter that is not zero, as health tells them."""
        rest = [
            f"{count:,} {name.replace('_', ' ')}" for name, count in sorted(self._counted.items()) if count
        ]
        return ", ".join([first, *rest])


class SourceEdge(Edge):
    """A source whose peer keeps no position."""

    def commit(self, position: object) -> None:
        """Nothing to forget."""

    def checkpoint(self) -> object:
        return None

    def close(self) -> None:
        """Nothing is held open."""


class SinkEdge(Edge):
    """A sink that can be told to stop waiting."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        self._cancelled.set()

    def check_cancelled(self) -> None:
        if self._cancelled.is_set():
            self.give_up_cancelled()

    def give_up_cancelled(self) -> NoReturn:
        raise EdgeError("E_SINK_CANCELLED", f"{self.name}: told to stop while waiting for its peer")

    def one_line_each(self, messages: Sequence[bytes | memoryview]) -> Sequence[bytes | memoryview]:
        """Without those whose newline would make two messages of one at the reader; they are set aside.

        Raises ``E_FRAMING`` without dead letters.
        """
        whole: list[bytes | memoryview] = []
        for message in messages:
            if not breaks_lines(message):
                whole.append(message)
            elif not self.set_aside("E_FRAMING", "a newline inside, on a stream of lines", message):
                raise EdgeError(
                    "E_FRAMING",
                    f"{self.name}: a message has a newline inside, and the stream's messages are lines",
                    hint="use framing=u32, or set such messages aside with --dead-letters PATH",
                )
        return whole

    def flush(self) -> None:
        """Nothing is kept back between calls."""
