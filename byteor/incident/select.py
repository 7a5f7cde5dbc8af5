"""Choosing records of a capture: by origin, time, size, or a field of a JSON payload."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from byteor.errors import ByteorError, Exit
from byteor.incident.frames import EGRESS, INGRESS, Frame

_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
DIRECTIONS = {INGRESS: "in", EGRESS: "out"}


class Record(msgspec.Struct, frozen=True):
    """One message of a frame. ``k`` counts the outputs of one origin within the frame, from 0.

    ``payload`` holds the SHA-256 where the capture kept only that (``digest``); ``length`` is the message's.
    """

    direction: str
    endpoint: int
    shard: int
    ingress: int
    origin: int
    at_ns: int
    length: int
    payload: bytes
    digest: bool


class Where(msgspec.Struct, frozen=True):
    """A JSON pointer (RFC 6901) and the value that must stand there; None: anything does."""

    pointer: tuple[str, ...]
    value: object = None
    any_value: bool = False


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """What to keep; None does not ask. Origins and times are inclusive at both ends."""

    first: int | None = None
    last: int | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    min_bytes: int | None = None
    max_bytes: int | None = None
    where: tuple[Where, ...] = ()
    direction: str | None = None  # in | out

    def takes(self, record: Record) -> bool:
        """Whether ``record`` is chosen."""
        return (
            _within(record.origin, self.first, self.last)
            and _within(record.at_ns, self.since_ns, self.until_ns)
            and _within(record.length, self.min_bytes, self.max_bytes)
            and self.direction in (None, record.direction)
            and all(_holds(where, record) for where in self.where)
        )

    def may_take(self, frame: Frame) -> bool:
        """False when no record of ``frame`` can be chosen: a frame is passed over without looking inside."""
        if frame.kind not in DIRECTIONS or self.direction not in (None, DIRECTIONS[frame.kind]):
            return False
        if not _within(frame.at_ns, self.since_ns, self.until_ns):
            return False
        if not isinstance(frame.origins, range) or not frame.count:
            return True
        low, high = frame.origins[0], frame.origins[-1]
        return not (
            (self.first is not None and high < self.first) or (self.last is not None and low > self.last)
        )


def records_of(frame: Frame) -> Iterator[Record]:
    """Every message of ``frame``; none of a note."""
    if frame.kind not in DIRECTIONS:
        return
    direction = DIRECTIONS[frame.kind]
    for origin, ingress, length, payload in zip(
        frame.origins, frame.ingresses, frame.lengths, frame.payloads(), strict=True
    ):
        yield Record(
            direction,
            frame.endpoint,
            frame.shard,
            ingress,
            origin,
            frame.at_ns,
            length,
            payload,
            frame.digests,
        )


def selected(frames: Iterable[Frame], selection: Selection) -> Iterator[Record]:
    """The records of ``frames`` that ``selection`` takes, in order."""
    for frame in frames:
        if selection.may_take(frame):
            yield from (record for record in records_of(frame) if selection.takes(record))


def parse_where(text: str) -> Where:
    """``/a/b=VALUE`` or ``/a/b`` (it is there); VALUE is JSON, else text. Raises ``E_USAGE``."""
    path, equals, value = text.partition("=")
    if not path.startswith("/") or _bad_escape(path):
        raise ByteorError(
            "E_USAGE", f"{text!r} is no condition", hint="write /field=VALUE or /a/0/b", exit=Exit.USAGE
        )
    pointer = tuple(part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/"))
    if not equals:
        return Where(pointer, any_value=True)
    try:
        return Where(pointer, msgspec.json.decode(value))
    except (msgspec.DecodeError, UnicodeError):
        return Where(pointer, value)


def _bad_escape(path: str) -> bool:
    return any(part[:1] not in ("0", "1") for part in path.split("~")[1:])


def _holds(where: Where, record: Record) -> bool:
    if record.digest:
        return False
    try:
        value = msgspec.json.decode(record.payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    for part in where.pointer:
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and _INDEX.fullmatch(part) and int(part) < len(value):
            value = value[int(part)]
        else:
            return False
    return where.any_value or (
        value == where.value and isinstance(value, bool) == isinstance(where.value, bool)
    )


def _within(value: int, low: int | None, high: int | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)
