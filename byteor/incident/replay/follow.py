"""A merge or a work queue that chooses as it did when it was recorded, and not by who is quicker now."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from byteor.indexbus import Consumer, Producer
from byteor.indexbus.abi import ABORTED, FILTERED, WATERMARK, End
from byteor.runtime.posts import Post
from byteor.runtime.wiring import LanePlan, WorkerPlan
from byteor.runtime.workers import Outcome

Runs = Sequence[tuple[int, int]]  # (input, how many messages, negative: lost) or (lane, -1: lost; how many)
Item = tuple[bytes, int, int]  # payload, ingress, origin

LOOK_S = 0.002
_NO_MESSAGE = ABORTED | FILTERED | WATERMARK


def fits(plan: WorkerPlan, lanes: Sequence[LanePlan], runs: Runs) -> bool:
    """Whether ``follow`` can stand in for this worker with ``runs``: between lanes of slots only. It tells
    nobody downstream what comes of no message.
    """
    most = len(plan.rx if plan.role == "merge" else plan.tx)
    least = 0 if plan.role == "merge" else -1
    journals = any(lanes[port.lane].kind == "journal" for port in (*plan.rx, *plan.tx))
    return not journals and all(least <= which < most for which, _ in runs)


def follow(post: Post, runs: Runs) -> Outcome:
    """Do the work of ``post`` by ``runs``; where nothing is left to follow, by turns. A run whose input has
    ended is shorter than recorded: a part of the recording is replayed.
    """
    post.attach()
    inputs = [_Input(rx) for rx in post.consumers]
    outputs: list[Producer] = post.producers
    merges = post.plan.role == "merge"
    for which, count in _then_by_turns(runs, len(inputs) if merges else len(outputs)):
        source = inputs[which] if merges else inputs[0]
        for _ in range(abs(count)):
            item = source.take(inputs)
            if item is None:
                break
            payload, ingress, origin = item
            if (
                which >= 0
                and count > 0
                and not outputs[0 if merges else which].publish(payload, ingress, origin)
            ):
                return Outcome(post.plan.name, "aborted")
        if all(one.over for one in inputs):
            break
    for end in outputs:
        end.close_stream()
    return Outcome(post.plan.name, "finished")


def _then_by_turns(runs: Runs, count: int) -> Iterator[tuple[int, int]]:
    yield from runs
    while True:
        yield from ((which, 1) for which in range(count))


class _Input:
    """The messages of one lane, copied out."""

    def __init__(self, rx: Consumer) -> None:
        self._rx = rx
        self.items: deque[Item] = deque()
        self._ended = False

    @property
    def over(self) -> bool:
        return self._ended and not self.items

    def fill(self, timeout_s: float) -> None:
        """Copy out what is there, after at most ``timeout_s``."""
        count = 0 if self._ended else self._rx.peek(256, timeout_s)
        for i in range(count):
            _, flags, ingress, origin = self._rx.describe(i)
            if not flags & _NO_MESSAGE:
                self.items.append((self._rx.payload(i), ingress, origin))
        if count:
            self._rx.advance(count)
        else:
            self._ended = self._ended or self._rx.ended != End.TIMEOUT

    def take(self, others: Sequence[_Input]) -> Item | None:
        """The next message; None at the end. Meanwhile the ``others`` are kept from filling up: one feeder
        feeds them all, and what is waited for may come behind what fills them.
        """
        while not self.items and not self._ended:
            self.fill(LOOK_S)
            for other in others:
                if other is not self and not self.items:
                    other.fill(0.0)
        return self.items.popleft() if self.items else None
