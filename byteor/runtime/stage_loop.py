"""Run one stage's loop to its end, native or Python, and put the end into words."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from byteor.indexbus import Consumer, LoopEnd
from byteor.indexbus.abi import FILTERED, End
from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.jobs import Rx, WorkEnd
from byteor.runtime.folders import Failure
from byteor.runtime.stages import BatchFunction, Context, Message, ResolvedStage, Result, StageError
from byteor.runtime.words import in_words
from byteor.runtime.workers import Outcome

# What the kernel's own stages can say; Python stages bring an exception.
NATIVE_ENDS = {
    End.STAGE_ERROR: ("E_STAGE_INPUT", "it cannot work on this message"),
    End.TOO_LONG: ("E_STAGE_OVERSIZE", "its result does not fit the slot"),
    End.DEAD: ("E_PEER_DEAD", "another worker of the ring died"),
    End.CORRUPT: ("E_CORRUPT", "something wrote over the ring"),
}


def run_stage(
    name: str,
    stage: Consumer,
    resolved: ResolvedStage,
    batch: int,
    context: Context | None = None,
    ready: Callable[[], None] = lambda: None,
) -> Outcome:
    """Drive ``resolved`` until the stream is finished or aborted, or the stage fails.

    ``ready`` is called when the stage is set up; what a set-up raises comes before that.
    """
    if resolved.native is not None:
        kind, parameter = resolved.native
        ready()
        return _outcome(name, stage, stage.run_native(kind, parameter, batch))
    outcome: Outcome | None = None
    try:
        with resolved.opened(context or Context(name, resolved.key)) as function:
            ready()
            outcome = _outcome(name, stage, _drive(stage, resolved, function, batch))
    except Exception:
        if outcome is None or outcome.failure is None:
            raise
        # What stopped the stage is told; that its teardown failed after that is only a consequence.
    return outcome


def _outcome(name: str, stage: Consumer, end: LoopEnd) -> Outcome:
    if end.reason == End.FINISHED:
        return Outcome(name, "finished")
    if end.reason in (End.ABORTED, End.STOPPED):
        return Outcome(name, "aborted")
    return Outcome(name, "failed", failure_of(name, stage, end))


def _drive(stage: Consumer, resolved: ResolvedStage, function: Callable[..., Any], batch: int) -> LoopEnd:
    try:
        if resolved.definition.shape == "batch":
            views = resolved.definition.views
            return stage.drive_batch(function if views else never_none(function), batch, views=views)
        return stage.drive(function, batch)
    except Exception:
        raise
    except BaseException as error:  # noqa: BLE001
        # Signals are not for us here: the stage raised it, so it is the stage's failure.
        return LoopEnd(End.STAGE_ERROR, stage.sequence, error)


def never_none(function: BatchFunction) -> BatchFunction:
    """A forgotten ``return`` must not pass messages on as they are, which the kernel makes of None."""

    def checked(messages: Sequence[Message]) -> Sequence[Result]:
        results = function(messages)
        if results is None:
            raise StageError("E_STAGE_RESULT", f"it returned None for a batch of {len(messages)} messages")
        return results

    return checked


def failure_of(name: str, stage: Rx | None, end: LoopEnd | WorkEnd) -> Failure:
    """Which message was at fault, by sequence and by the digest of its payload, and what went wrong."""
    error = end.error
    if isinstance(error, IndexBusError) and error.code == "E_OVERSIZE":
        code, text = "E_STAGE_OVERSIZE", "its result has " + error.message.partition(" has ")[2]
    elif _is_list_result(error):
        code, text = "E_STAGE_FANOUT", "it returned a list, and a ring has one slot for each message"
    elif error is not None:
        code, text = in_words(error)
    else:
        code, text = NATIVE_ENDS[end.reason]
    if stage is None:
        return Failure(name, None, text, code)
    sequence, digest = _culprit(stage, end.sequence, getattr(error, "index", None))
    return Failure(name, sequence, text, code, digest)


def _is_list_result(error: BaseException | None) -> bool:
    """The kernel's refusal of a list as a result; not what a stage's own code raised."""
    if not (
        isinstance(error, TypeError) and str(error).endswith("bytes-like object is required, not 'list'")
    ):
        return False
    import traceback

    *_, last = [None, *traceback.walk_tb(error.__traceback__)]
    return last is None or str(last[0].f_globals["__name__"]).startswith("byteor.indexbus.")


def _culprit(stage: Rx, sequence: int, index: int | None) -> tuple[int, str | None]:
    """``index`` counts the messages that the batch function was given, so filtered ones are stepped over."""
    count = stage.peek(4096, 0.0)
    start, given = sequence - stage.sequence, -1  # what came of those before it waited for room
    for i in range(start, count):
        given += not stage.describe(i)[1] & FILTERED
        if given == (index or 0):
            payload = stage.payload(i)
            return stage.sequence + i, f"sha256:{hashlib.sha256(payload).hexdigest()}"
    return sequence, None
