"""Which part of a recording is replayed: its inputs, and the outputs that belong to them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Set
from heapq import heappop, heappush
from itertools import accumulate
from typing import Any

import msgspec

from byteor.errors import Exit
from byteor.incident.errors import IncidentError
from byteor.incident.frames import EGRESS, INGRESS, NOTE, Frame
from byteor.incident.recording import Recording

REORDER_FRAMES = 256


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """Inputs by origin, both ends inclusive; or the ``newest`` so many; or those in ``only``."""

    first: int | None = None
    last: int | None = None
    newest: int | None = None
    only: frozenset[int] | None = None


class Extent(msgspec.Struct, frozen=True):
    """What a recording holds. ``state``: how the run ended, None when nobody was left to say.

    ``recorded_to``: the highest origin of any output, by egress. ``lost``: messages that best-effort capture
    could not record. ``choices``: of each merge and work queue by its row, complete or absent; ``turns``: of
    producers by their row and end, likewise, as ``Producer.turns`` gives them in pairs.
    """

    inputs: int
    input_bytes: int
    first: int | None
    last: int | None
    first_recorded: bool
    outputs: int
    egresses: tuple[int, ...]
    recorded_to: dict[int, int]
    digests: bool
    state: str | None
    lost: int
    since_ns: int | None
    until_ns: int | None
    choices: dict[int, list[tuple[int, int]]] = {}
    turns: dict[int, dict[int, list[tuple[int, int]]]] = {}

    @property
    def finished(self) -> bool:
        """Whether every output was recorded."""
        return self.state == "finished" and not self.lost


class _Note(msgspec.Struct):
    """What is asked of a note; one that says something else says nothing."""

    state: str | None = None
    lost: int = 0
    choices: int | None = None
    turns: int | None = None
    end: int = 0
    runs: list[int] = []
    undecided: int | None = None


def extent(recording: Recording) -> Extent:
    """Walk the whole recording once."""
    inputs = size = outputs = lost = 0
    first = last = since = until = None
    recorded_to: dict[int, int] = {}
    digests = False
    state: str | None = None
    decided = _Decided()
    for _, frame in recording.read():
        if frame.kind == NOTE:
            note = _noted(frame)
            state = note.state or state
            lost += max(0, note.lost)
            decided.add(note)
            continue
        since = frame.at_ns if since is None else since
        until = frame.at_ns
        if frame.kind == INGRESS:
            inputs += frame.count
            size += len(frame.body)
            first = frame.origins[0] if first is None else min(first, frame.origins[0])
            last = frame.origins[-1] if last is None else max(last, frame.origins[-1])
        else:
            outputs += frame.count
            digests = digests or frame.digests
            recorded_to[frame.endpoint] = max(recorded_to.get(frame.endpoint, 0), max(frame.origins))
    choices, turns = decided.whole() if state and first == 0 and not lost else ({}, {})
    return Extent(
        inputs, size, first, last, first == 0, outputs, tuple(sorted(recorded_to)), recorded_to, digests,
        state, lost, since, until, choices, turns,
    )  # fmt: skip


Pairs = list[tuple[int, int]]


class _Decided:
    """What the notes say of timing."""

    def __init__(self) -> None:
        self._choices: dict[int, Pairs] = {}
        self._turns: dict[int, dict[int, Pairs]] = {}
        self._undecided: set[int] = set()

    def add(self, note: _Note) -> None:
        pairs = list(zip(note.runs[::2], note.runs[1::2], strict=False))
        if note.choices is not None:
            self._choices.setdefault(note.choices, []).extend(pairs)
        if note.turns is not None:
            self._turns.setdefault(note.turns, {}).setdefault(note.end, []).extend(pairs)
        if note.undecided is not None:
            self._undecided.add(note.undecided)

    def whole(self) -> tuple[dict[int, Pairs], dict[int, dict[int, Pairs]]]:
        return (
            {row: runs for row, runs in self._choices.items() if row not in self._undecided},
            {row: ends for row, ends in self._turns.items() if row not in self._undecided},
        )


def _noted(frame: Frame) -> _Note:
    try:
        return msgspec.json.decode(frame.body, type=_Note)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Note()


def note_of(frame: Frame) -> dict[str, Any]:
    """The facts of a note; empty when it holds none."""
    try:
        value = msgspec.json.decode(frame.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def resolved_range(wanted: Range, found: Extent) -> Range:
    """``wanted`` with ``newest`` turned into origins. Raises ``E_REPLAY_INPUT`` when nothing is left."""
    if found.first is None or found.last is None:
        raise _nothing("it holds no input")
    if wanted.only is not None:
        return wanted
    first = found.first if wanted.first is None else max(wanted.first, found.first)
    last = found.last if wanted.last is None else min(wanted.last, found.last)
    if wanted.newest is not None:
        first = max(first, last - wanted.newest + 1)
    if first > last:
        raise _nothing(f"it holds the messages {found.first} to {found.last}")
    return Range(first=first, last=last)


def inputs(recording: Recording, wanted: Range) -> Iterator[Frame]:
    """The ingress frames within ``wanted``, in the order of the recording."""
    yield from _within(recording, wanted, INGRESS, None)


def outputs(recording: Recording, wanted: Range, egress: int) -> Iterator[Frame]:
    """The frames of ``egress`` that came of inputs within ``wanted``."""
    yield from _within(recording, wanted, EGRESS, egress)


def _within(recording: Recording, wanted: Range, kind: int, endpoint: int | None) -> Iterator[Frame]:
    for _, frame in recording.read():
        if frame.kind == kind and endpoint in (None, frame.endpoint):
            kept = within(frame, wanted)
            if kept is not None:
                yield kept


def within(frame: Frame, wanted: Range) -> Frame | None:
    """``frame`` with only the messages in ``wanted``; None when there are none."""
    low = 0 if wanted.first is None else wanted.first
    high = (1 << 64) - 1 if wanted.last is None else wanted.last
    origins = frame.origins
    if wanted.only is None and isinstance(origins, range):
        if origins[0] > high or origins[-1] < low:
            return None
        if origins[0] >= low and origins[-1] <= high:
            return frame
    return _kept(frame, low, high, wanted.only)


def _kept(frame: Frame, low: int, high: int, only: Set[int] | None) -> Frame | None:
    """``frame`` with only the wanted messages; None when there are none."""
    places = [
        index
        for index, origin in enumerate(frame.origins)
        if (low <= origin <= high if only is None else origin in only)
    ]
    if not places:
        return None
    if len(places) == frame.count:
        return frame
    payloads = frame.payloads()
    return msgspec.structs.replace(
        frame,
        origins=[frame.origins[index] for index in places],
        ingresses=[frame.ingresses[index] for index in places],
        lengths=[frame.lengths[index] for index in places],
        body=b"".join(payloads[index] for index in places),
    )


def in_order_of_origin(frames: Iterable[Frame]) -> Iterator[Frame]:
    """``frames`` by origin. Sources take tickets at once and record a moment later, so that neighbours in the
    journal may have changed places; never by more than one batch a source.
    """
    waiting: list[tuple[int, int, Frame]] = []
    for number, frame in enumerate(frames):
        heappush(waiting, (frame.origins[0], number, frame))
        if len(waiting) > REORDER_FRAMES:
            yield heappop(waiting)[2]
    while waiting:
        yield heappop(waiting)[2]


def runs_of(frame: Frame) -> Iterator[tuple[int, list[bytes]]]:
    """(first origin, messages) of each run of consecutive origins, as a producer publishes them."""
    payloads = frame.payloads()
    if isinstance(frame.origins, range):
        yield frame.origins[0], payloads
        return
    breaks = [
        index for index in range(1, frame.count) if frame.origins[index] != frame.origins[index - 1] + 1
    ]
    for start, end in zip([0, *breaks], [*breaks, frame.count], strict=True):
        yield frame.origins[start], payloads[start:end]


def shards_of(recording: Recording) -> Callable[[int], int]:
    """A function from an origin to the shard that it came into."""
    firsts: list[int] = []
    shards: list[int] = []
    for frame in in_order_of_origin(inputs(recording, Range())):
        if not shards or shards[-1] != frame.shard:
            firsts.append(frame.origins[0])
            shards.append(frame.shard)
    return lambda origin: shards[bisect_right(firsts, origin) - 1]


def payload_at(recording: Recording, origin: int) -> bytes | None:
    """The input that got ``origin``; None when the recording does not hold it."""
    for frame in inputs(recording, Range(first=origin, last=origin)):
        starts = list(accumulate(frame.lengths, initial=0))
        at = list(frame.origins).index(origin)
        return frame.body[starts[at] : starts[at + 1]]
    return None


def _nothing(why: str) -> IncidentError:
    return IncidentError(
        "E_REPLAY_INPUT",
        f"there is nothing to replay: {why}",
        hint="byteor journal stat says what was recorded",
        exit=Exit.NOT_FOUND,
    )
