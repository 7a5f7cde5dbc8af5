"""What a stage is: its definition and its errors. ``declare`` makes definitions, ``catalogue`` finds them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from byteor.errors import ByteorError, Exit, Where
from byteor.runtime.stages.context import Context

Kind = Literal["pure", "seeded", "clocked", "external"]
Shape = Literal["message", "batch", "native"]

Message = bytes | memoryview
Result = Message | Sequence[Message] | None
MessageFunction = Callable[[bytes], bytes | list[bytes] | None]
BatchFunction = Callable[[Sequence[Message]], Sequence[Result]]

# What msgspec raises for bytes that are no JSON of the wanted type: also for bad UTF-8 and endless nesting.
NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

ATTRIBUTE = "__byteor_stage__"  # where a decorated function carries its definition


class StageError(ByteorError):
    """A stage cannot be found, made or applied.

    Codes: ``E_STAGE_KEY`` (no such key, exit 3), ``E_STAGE_PARAMETERS`` (3), ``E_STAGE_MODULE``,
    ``E_STAGE_CLASH`` and ``E_STAGE_DEFINITION`` (2), ``E_STAGE_INPUT`` (a message that the stage cannot
    work on, 11), ``E_STAGE_TABLE`` (a file that a stage needs, 11). ``index`` is the offending message's
    place in the batch, where there was a batch.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        where: Where | None = None,
        exit: Exit | None = None,
        index: int | None = None,
    ) -> None:
        super().__init__(code, message, hint=hint, where=where, exit=exit)
        self.index = index


class Example(msgspec.Struct, frozen=True):
    """What a stage does, shown: the key, messages that go in one after the other, and what each becomes.

    A string stands for its UTF-8 bytes; None is filtered. Examples of built-in stages are run as tests.
    """

    key: str
    given: tuple[str, ...] = ()
    gives: tuple[str | None, ...] = ()


class StageDef(msgspec.Struct, frozen=True):
    """A stage as its author declares it.

    ``kind`` says what a replay may expect: ``pure`` (a function of the messages so far), ``seeded``
    (randomness from the recording), ``clocked`` (time from the recording), ``external`` (acts outside).
    ``writes`` is False for a stage that never changes a message's bytes (it may still filter).
    ``make(context)`` gives a function with state of its own; None for a native stage, which the
    kernel runs, and then ``native(parameters)`` gives the kernel's argument.
    """

    key: str
    kind: Kind
    shape: Shape
    writes: bool
    doc: str
    module: str
    parameters: str = ""  # how they are written, as help shows it; empty: the stage takes none
    required: bool = False  # parameters must be given
    make: Callable[[Context], Callable[..., Any]] | None = None
    native: Callable[[str], bytes] | None = None
    example: Example | None = None
    views: bool = False  # of batches: it gets writable memoryviews of the slots, and may return None
    waits: bool = False  # it holds messages back: each goes on before the next is handed over

    @property
    def usage(self) -> str:
        if not self.parameters:
            return self.key
        return f"{self.key}:{self.parameters}" if self.required else f"{self.key}[:{self.parameters}]"


def told(message: Message) -> str:
    """A message as errors name it: by digest and length, for its content may be nobody's business."""
    return f"the message sha256:{hashlib.sha256(message).hexdigest()} ({len(message):,} bytes)"


def bad_input(key: str, why: object, index: int | None = None, hint: str | None = None) -> StageError:
    """``E_STAGE_INPUT``: ``key`` cannot work on a message."""
    return StageError("E_STAGE_INPUT", f"{key} {why}", hint=hint, index=index)
