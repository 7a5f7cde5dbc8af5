"""What timing decides in a run: collected beside the workers, and told to the supervisor by those that work
in processes of their own, now and then and at the end.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import msgspec

from byteor.indexbus import Producer
from byteor.runtime.posts import Post

TELL_S = 0.5
MOST_NUMBERS = 2000  # of one telling, so that it stays a short line


class Told(msgspec.Struct, frozen=True):
    """One telling of a worker's process. Index and count alternate in ``choices``; ``turns`` are those of
    ``Producer.turns``, None when some are lost. ``last``: nothing more comes of the row.
    """

    row: int
    choices: list[int] = []
    end: int = 0
    turns: list[int] | None = []
    last: bool = False


class Choices:
    """What merges and work queues chose, by row, run-length coded, until it is taken. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[int, list[int]] = {}

    def add(self, row: int, index: int, count: int) -> None:
        with self._lock:
            runs = self._runs.setdefault(row, [])
            if runs and runs[-2] == index:
                runs[-1] += count
            else:
                runs += (index, count)

    def take(self) -> dict[int, list[int]]:
        with self._lock:
            found, self._runs = self._runs, {}
        return found


@contextlib.contextmanager
def telling(
    posts: Sequence[Post],
    choosing: Sequence[int],
    turning: Sequence[tuple[int, int]],
    tell: Callable[[Told], None],
) -> Iterator[None]:
    """Until the block ends, tell what the rows ``choosing`` choose and what the ends ``turning`` do."""
    if not (choosing or turning):
        yield
        return
    choices, ends = Choices(), dict[tuple[int, int], Producer]()
    for post in posts:
        if post.plan.row in choosing:
            post.choices = partial(choices.add, post.plan.row)
        for end, tx in enumerate(post.tx):
            if (post.plan.row, end) in turning and isinstance(tx, Producer):
                tx.record_turns()
                ends[post.plan.row, end] = tx
    over = threading.Event()

    def look() -> None:
        for row, runs in choices.take().items():
            for part in _parts(runs):
                tell(Told(row, choices=part))
        for (row, end), tx in ends.items():
            turns = tx.turns()
            if turns is None:
                tell(Told(row, end=end, turns=None))
            for part in _parts(turns or []):
                tell(Told(row, end=end, turns=part))

    def keep_looking() -> None:
        while not over.wait(TELL_S):
            look()

    thread = threading.Thread(target=keep_looking, name="decided", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        look()
        for row in sorted({*choosing, *(row for row, _ in turning)}):
            tell(Told(row, last=True))


def _parts(numbers: list[int]) -> Iterator[list[int]]:
    for at in range(0, len(numbers), MOST_NUMBERS):
        yield numbers[at : at + MOST_NUMBERS]
