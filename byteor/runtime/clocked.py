"""The time of clocked stages: of each message its arrival at the run, by its ticket.

A stage's results must not hang on how its input happened to be cut into batches, so the time of each message
is its own. The jobs of a clocked stage run in Python, where the batch at hand can be looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

from byteor.indexbus import Wait
from byteor.indexbus.abi import ABORTED, FILTERED, WATERMARK
from byteor.indexbus.jobs import AnyJob, Rx, WorkEnd
from byteor.runtime.arrivals import Arrivals
from byteor.runtime.stages import ResolvedStage

_NOT_GIVEN = FILTERED | ABORTED | WATERMARK  # slots that a stage never sees


class MessageClock:
    """Tells the arrival of message ``index`` of the batch that ``rx`` has peeked."""

    def __init__(self, rx: Rx, arrivals: Arrivals) -> None:
        self._rx, self._arrivals = rx, arrivals
        self._sequence = -1  # where the batch began that ``_tickets`` are of
        self._tickets: list[int] = []

    def __call__(self, index: int) -> int:
        rx = self._rx
        if rx.sequence != self._sequence:
            shapes = [rx.describe(i) for i in range(rx.peeked)]
            self._tickets = [shape[3] for shape in shapes if not shape[1] & _NOT_GIVEN]
            self._sequence = rx.sequence
        return self._arrivals.at(self._tickets[index])


def is_clocked(resolved: ResolvedStage | None) -> bool:
    return resolved is not None and resolved.definition.kind == "clocked"


def batch_of(resolved: ResolvedStage, batch: int) -> int:
    """One for a stage that waits, whose results must not wait too; and for a stage of one message that asks
    for its time, which is that of the only message at hand.
    """
    definition = resolved.definition
    one = definition.waits or (definition.shape == "message" and definition.kind == "clocked")
    return 1 if one else batch


def work_by_the_clock(jobs: Sequence[AnyJob], batch: int, wait: Wait) -> WorkEnd:
    """``byteor.indexbus.work.work``, in Python whatever the kernel."""
    from byteor.indexbus.pure.work import run

    return WorkEnd(*run(jobs, batch, wait))
