"""What takes a stage's place in a replay: itself, a watched copy, or for an outside effect a record of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from byteor.runtime.stages import Context, Message, ResolvedStage, Result


class Trace:
    """What one stage took and gave: a digest a message, in the order of its work."""

    def __init__(self) -> None:
        self._taken: list[bytes] = []
        self._given: list[bytes] = []

    def note(self, message: Message, result: Result) -> None:
        """One message and its result."""
        parts: Sequence[Message | None] = (
            [result] if result is None or isinstance(result, bytes | bytearray | memoryview) else result
        )
        given = hashlib.sha256()
        for part in parts:
            given.update(b"\0" if part is None else b"\1" + len(part).to_bytes(8, "little"))
            given.update(b"" if part is None else part)
        taken = hashlib.sha256(message).digest()
        self._taken.append(taken)
        self._given.append(taken + given.digest())

    @property
    def messages(self) -> int:
        return len(self._taken)

    def taken(self, ordered: bool) -> str:
        """The digest of all that was taken; without regard to its order where that depends on timing."""
        return _total(self._taken, ordered)

    def given(self, ordered: bool) -> str:
        """The digest of all results, each with what it came of."""
        return _total(self._given, ordered)


def _total(rows: list[bytes], ordered: bool) -> str:
    return hashlib.sha256(b"".join(rows if ordered else sorted(rows))).hexdigest()


class StandIn(msgspec.Struct, frozen=True):
    """``resolved`` is what runs. ``acts``: how many effects one that was ``replaced`` would have had."""

    resolved: ResolvedStage
    replaced: bool = False
    acts: list[int] = msgspec.field(default_factory=list)
    trace: Trace | None = None


def stand_ins(
    stages: Mapping[int, ResolvedStage], *, dry_run: bool, traced: bool = False
) -> dict[int, StandIn]:
    """For each stage what runs in its place."""
    found = {}
    for index, resolved in stages.items():
        trace = Trace() if traced else None
        if dry_run and resolved.definition.kind == "external":
            acts = [0]
            found[index] = StandIn(_replaced(resolved, acts), True, acts, trace)
        elif trace is not None and resolved.native is None:
            found[index] = StandIn(_watched(resolved, trace), trace=trace)
        else:
            found[index] = StandIn(resolved, trace=trace)
    return found


def _replaced(resolved: ResolvedStage, acts: list[int]) -> ResolvedStage:
    """An action forwards what it gets; only the acting is left out."""

    def make(context: Context) -> Callable[[Sequence[Message]], Sequence[Message]]:
        def pass_on(messages: Sequence[Message]) -> Sequence[Message]:
            acts[0] += len(messages)
            return messages

        return pass_on

    definition = msgspec.structs.replace(resolved.definition, shape="batch", make=make, native=None)
    return msgspec.structs.replace(resolved, definition=definition)


def _watched(resolved: ResolvedStage, trace: Trace) -> ResolvedStage:
    make = resolved.definition.make
    assert make is not None

    def make_watched(context: Context) -> Callable[..., Any]:
        function = make(context)
        if resolved.definition.shape == "batch":

            def batch(messages: Sequence[Message]) -> Any:
                before = [bytes(message) for message in messages]
                results = function(messages)
                if results is not None:
                    for message, result in zip(before, results, strict=False):
                        trace.note(message, result)
                return results

            return _with_life(function, batch)

        def single(message: bytes) -> Any:
            result = function(message)
            trace.note(message, result)
            return result

        return _with_life(function, single)

    definition = msgspec.structs.replace(resolved.definition, make=make_watched)
    return msgspec.structs.replace(resolved, definition=definition)


def _with_life(function: Callable[..., Any], wrapped: Callable[..., Any]) -> Callable[..., Any]:
    """``wrapped`` with the ``setup`` and ``teardown`` of ``function``, where it has them."""
    for name in ("setup", "teardown"):
        if hasattr(function, name):
            setattr(wrapped, name, getattr(function, name))
    return wrapped
