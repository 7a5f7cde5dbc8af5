"""Where a message ends in a stream of bytes: at a newline (``lines``), or after its length (``u32``).

``u32`` is the length in four bytes, big endian, then the message. Decoders are bounded by ``max_bytes`` and
never keep more than one unfinished message.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Protocol

LINES, U32 = "lines", "u32"
KEPT_BYTES = 4096  # of a message that is too long: what its dead letter shows
_HEAD = struct.Struct(">I")

Told = Callable[[bytes, int], None]  # the first bytes of a message that is too long, and its length


class Untrusted(Exception):
    """A length-prefixed message claims to be longer than allowed: nothing behind it can be trusted.

    ``messages`` are those that ended before it.
    """

    def __init__(self, messages: list[bytes]) -> None:
        super().__init__()
        self.messages = messages


class Decoder(Protocol):
    """Turns chunks into messages. ``ended``: how many of a chunk's came before the one being told."""

    ended: int

    @property
    def partial(self) -> bool:
        """Whether a message has begun and not ended."""

    @property
    def too_long(self) -> bool:
        """Whether the message that has begun is too long already."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The messages that end in ``chunk``. Raises ``Untrusted`` (``u32`` only)."""

    def finish(self) -> bytes | None:
        """At the clean end of the stream: the last message when its end is missing and nothing else is."""


class LinesDecoder:
    """Lines without their newline. One over ``max_bytes`` is skipped to its end, then told."""

    def __init__(self, max_bytes: int, tell: Told) -> None:
        self._max_bytes = max_bytes
        self._tell = tell
        self._parts: list[bytes] = []
        self._length = 0
        self.ended = 0

    @property
    def partial(self) -> bool:
        return self._length > 0

    @property
    def too_long(self) -> bool:
        return self._length > self._max_bytes

    def feed(self, chunk: bytes) -> list[bytes]:
        head, newline, rest = chunk.partition(b"\n")
        self._add(head)
        if not newline:
            return []
        lines: list[bytes] = []
        self._end(lines)
        *whole, tail = rest.split(b"\n")
        if len(rest) <= self._max_bytes:  # then none of them is too long
            lines += whole
        else:
            for line in whole:
                self._add(line)
                self._end(lines)
        self._add(tail)
        return lines

    def _add(self, part: bytes) -> None:
        if not part:
            return
        self._length += len(part)
        if self._length <= self._max_bytes:
            self._parts.append(part)
        else:
            self._parts = [b"".join([*self._parts, part[:KEPT_BYTES]])[:KEPT_BYTES]]

    def _end(self, lines: list[bytes]) -> None:
        line = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        if self._length > self._max_bytes:
            self.ended = len(lines)
            self._tell(line, self._length)
        else:
            lines.append(line)
        self._parts, self._length = [], 0

    def finish(self) -> bytes | None:
        lines: list[bytes] = []
        if self._length:
            self._end(lines)
        return lines[0] if lines else None


class U32Decoder:
    """Length-prefixed messages. A length over ``max_bytes`` is told and raises ``Untrusted``."""

    def __init__(self, max_bytes: int, tell: Told) -> None:
        self._max_bytes = max_bytes
        self._tell = tell
        self._parts: list[bytes] = []
        self._have = 0
        self._need = _HEAD.size
        self.ended = 0

    @property
    def partial(self) -> bool:
        return self._have > 0

    @property
    def too_long(self) -> bool:
        return False  # its length is told before it comes

    def feed(self, chunk: bytes) -> list[bytes]:
        self._parts.append(chunk)
        self._have += len(chunk)
        if self._have < self._need:  # joined only once it is whole: many small chunks stay cheap
            return []
        data = b"".join(self._parts)
        messages: list[bytes] = []
        at, end, head = 0, len(data), _HEAD.size
        self._need = head
        while end - at >= head:
            length = _HEAD.unpack_from(data, at)[0]
            if length > self._max_bytes:
                self.ended = len(messages)
                self._tell(data[at + head : at + head + KEPT_BYTES], length)
                self._parts, self._have = [], 0
                raise Untrusted(messages)
            if end - at - head < length:
                self._need = head + length
                break
            messages.append(data[at + head : at + head + length])
            at += head + length
        self._parts = [data[at:]] if at < end else []
        self._have = end - at
        return messages

    def finish(self) -> bytes | None:
        return None


def decoder(framing: str, max_bytes: int, tell: Told) -> Decoder:
    """A new decoder for one stream."""
    kind = LinesDecoder if framing == LINES else U32Decoder
    return kind(max_bytes, tell)


def encode(framing: str, messages: Sequence[bytes | memoryview]) -> bytes:
    """The messages as one piece of the stream. For ``lines`` see ``breaks_lines`` first."""
    if framing == LINES:
        return b"\n".join(messages) + b"\n"
    parts: list[bytes | memoryview] = []
    for message in messages:
        parts += (_HEAD.pack(len(message)), message)
    return b"".join(parts)


def breaks_lines(message: bytes | memoryview) -> bool:
    """Whether ``message`` holds a newline, so that a reader of lines would see two messages."""
    return b"\n" in bytes(message)
