"""Comparing what a replay puts out with what was recorded: equal, data, order, missing, extra.

While both agree, whole batches are compared as bytes. From the first difference on, outputs are aligned by
(origin, k-th output of that origin), so that one lost message does not make all behind it differ.
"""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import msgspec

from byteor.incident.frames import Batch, Frame

MAX_TOLD = 1_000
VERDICTS = ("equal", "data", "order", "missing", "extra")


class Counts(msgspec.Struct, frozen=True):
    """Outputs by verdict. ``beyond``: what a run that never finished did not record any more."""

    equal: int = 0
    data: int = 0
    order: int = 0
    missing: int = 0
    extra: int = 0
    beyond: int = 0

    @property
    def diverged(self) -> bool:
        return bool(self.data or self.order or self.missing or self.extra)

    def plus(self, other: Counts) -> Counts:
        mine, theirs = msgspec.structs.astuple(self), msgspec.structs.astuple(other)
        return Counts(*(a + b for a, b in zip(mine, theirs, strict=True)))


class Difference(msgspec.Struct, frozen=True):
    """One output that is not as recorded. ``place`` counts outputs of its egress from 0; ``k`` those of the
    same origin. ``digest``: the recording holds only the SHA-256, and so does ``expected``.
    """

    verdict: str
    egress: int
    origin: int
    k: int
    place: int
    expected: bytes | None
    actual: bytes | None
    digest: bool = False


class Compared(msgspec.Struct, frozen=True):
    """What the comparison of one egress came to. ``last_equal``: origin of the last output before the first
    difference that was equal. ``differing``: origins of outputs that differ, in order, and ``differences``:
    those outputs themselves, at most 1,000 of each.
    """

    counts: Counts
    first: Difference | None
    last_equal: int | None
    differing: tuple[int, ...] = ()
    differences: tuple[Difference, ...] = ()


class Comparison:
    """Outputs of one egress against its recorded ``frames``. ``feed`` batches, then ``finish`` once."""

    def __init__(
        self,
        egress: int,
        frames: Iterable[Frame],
        *,
        ordered: bool = True,
        recorded_to: int | None = None,
        in_flight: int = 0,
        until_divergence: bool = False,
    ) -> None:
        """``recorded_to``: the run broke off, and what came of later origins was never recorded; nor, of so
        many outputs as were ``in_flight`` then, what came of earlier ones.
        """
        self._egress = egress
        self._frames = iter(frames)
        self._ordered = ordered
        self._recorded_to = recorded_to
        self._in_flight = in_flight
        self._until = until_divergence
        self._frame: Frame | None = None
        self._at = self._byte = 0  # within the frame at hand
        self._equal = 0
        self._last_equal: int | None = None
        self._others: list[tuple[int, bytes]] = []  # outputs from the first difference on
        self.diverged = False

    def feed(self, batch: Batch) -> bool:
        """Take a batch of outputs; False when nothing more need come (``until_divergence``)."""
        if not self.diverged:
            done = self._compare(batch)
            if done == batch.size:
                return True
            self.diverged = True
            batch = batch.part(done, batch.size)
        self._others.extend(zip(array("Q", batch.origins), batch.messages(), strict=True))
        return not self._until

    def finish(self) -> Compared:
        """No more outputs come."""
        left = list(self._expected_left())
        if self._until and self._others:
            horizon = max(origin for origin, _ in self._others)
            left = [item for item in left if item[0] <= horizon]
        if not left and not self._others:
            return Compared(Counts(equal=self._equal), None, self._last_equal)
        return self._align(left)

    # -- while both agree

    def _compare(self, batch: Batch) -> int:
        """How many messages of ``batch`` are as recorded, up to the first that is not."""
        done, count = 0, batch.size
        while done < count:
            frame = self._next_frame()
            if frame is None:
                return done
            take = min(frame.count - self._at, count - done)
            part = batch if take == count else batch.part(done, done + take)
            size = self._same(frame, part)
            if size is None:
                return done + self._agreeing(frame, part)
            self._pass(frame, take, size)
            done += take
        return done

    def _next_frame(self) -> Frame | None:
        if self._frame is None or self._at == self._frame.count:
            self._frame = next(self._frames, None)
            self._at = self._byte = 0
        return self._frame

    def _same(self, frame: Frame, batch: Batch) -> int | None:
        """The bytes that the batch takes in the frame's body when it is the same, else None."""
        start, end = self._at, self._at + batch.size
        if batch.lengths != _bytes("I", frame.lengths[start:end]):
            return None
        if batch.origins != _bytes("Q", frame.origins[start:end]):
            return None
        actual = batch.digests() if frame.digests else batch.payload
        # A frame that is compared whole need not be cut.
        recorded = (
            frame.body[self._byte : self._byte + len(actual)] if start or end < frame.count else frame.body
        )
        return len(actual) if recorded == actual else None

    def _agreeing(self, frame: Frame, batch: Batch) -> int:
        """How many messages of a batch that differs somewhere still agree."""
        for index in range(batch.size):
            size = self._same(frame, batch.part(index, index + 1))
            if size is None:
                return index
            self._pass(frame, 1, size)
        return batch.size

    def _pass(self, frame: Frame, count: int, size: int) -> None:
        self._at += count
        self._byte += size
        self._equal += count
        self._last_equal = frame.origins[self._at - 1]

    # -- from the first difference on

    def _expected_left(self) -> Iterator[tuple[int, bytes, int, bool]]:
        """(origin, payload or digest, length, is a digest) of what was recorded and not compared yet."""
        while (frame := self._next_frame()) is not None:
            payloads = frame.payloads()
            for index in range(self._at, frame.count):
                yield frame.origins[index], payloads[index], frame.lengths[index], frame.digests
            self._at = frame.count

    def _align(self, left: list[tuple[int, bytes, int, bool]]) -> Compared:
        if not self._ordered:  # nor is the order of several outputs of one origin
            digests = any(digest for *_, digest in left)
            left.sort(key=lambda item: item[:2])
            self._others.sort(
                key=lambda item: (item[0], hashlib.sha256(item[1]).digest() if digests else item[1])
            )
        wanted: dict[tuple[int, int], tuple[int, bytes, int, bool]] = {}
        seen: Counter[int] = Counter()
        for place, (origin, payload, length, digest) in enumerate(left):
            wanted[origin, seen[origin]] = (place, payload, length, digest)
            seen[origin] += 1
        found: list[Difference] = []
        matched: list[tuple[int, int, int]] = []  # (place recorded, origin, k) of equal ones, as they came
        beyond = extra = 0
        seen.clear()
        for place, (origin, actual) in enumerate(self._others):
            k = seen[origin]
            seen[origin] += 1
            match = wanted.pop((origin, k), None)
            if match is None:
                if self._recorded_to is not None and origin > self._recorded_to:
                    beyond += 1
                else:
                    extra += 1
                    found.append(self._difference("extra", origin, k, place, None, actual))
                continue
            at, expected, length, digest = match
            same = (
                length == len(actual) and hashlib.sha256(actual).digest() == expected
                if digest
                else actual == expected
            )
            if same:
                matched.append((at, origin, k))
            else:
                found.append(self._difference("data", origin, k, at, expected, actual, digest))
        if 0 < extra <= self._in_flight:
            found = [item for item in found if item.verdict != "extra"]
            beyond += extra
        for (origin, k), (at, expected, _, digest) in wanted.items():
            found.append(self._difference("missing", origin, k, at, expected, None, digest))
        if self._ordered:
            for index in _out_of_order([at for at, _, _ in matched]):
                at, origin, k = matched[index]
                found.append(self._difference("order", origin, k, at, left[at][1], left[at][1], left[at][3]))
        return self._result(found, len(matched), beyond)

    def _result(self, found: list[Difference], matched: int, beyond: int) -> Compared:
        verdicts = Counter(item.verdict for item in found)
        counts = Counts(
            equal=self._equal + matched - verdicts["order"],
            data=verdicts["data"],
            order=verdicts["order"],
            missing=verdicts["missing"],
            extra=verdicts["extra"],
            beyond=beyond,
        )
        found.sort(key=lambda item: (item.place, item.origin, item.k))
        first = found[0] if found else None
        differing = tuple(dict.fromkeys(item.origin for item in found))[:MAX_TOLD]
        return Compared(counts, first, self._last_equal, differing, tuple(found[:MAX_TOLD]))

    def _difference(
        self,
        verdict: str,
        origin: int,
        k: int,
        place: int,
        expected: bytes | None,
        actual: bytes | None,
        digest: bool = False,
    ) -> Difference:
        return Difference(verdict, self._egress, origin, k, self._equal + place, expected, actual, digest)


def _bytes(code: str, values: Sequence[int]) -> bytes:
    return (values if isinstance(values, array) else array(code, values)).tobytes()


def _out_of_order(places: list[int]) -> list[int]:
    """Indices of the fewest items of ``places`` without which it is increasing (patience sorting)."""
    if all(a < b for a, b in pairwise(places)):
        return []
    tails: list[int] = []  # smallest last place of an increasing run of each length
    holders: list[int] = []  # which item that is
    before: list[int] = []
    for index, place in enumerate(places):
        length = bisect_left(tails, place)
        before.append(holders[length - 1] if length else -1)
        if length == len(tails):
            tails.append(place)
            holders.append(index)
        else:
            tails[length], holders[length] = place, index
    kept: set[int] = set()
    at = holders[-1]
    while at >= 0:
        kept.add(at)
        at = before[at]
    return [index for index in range(len(places)) if index not in kept]
