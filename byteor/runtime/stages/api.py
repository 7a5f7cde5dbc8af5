"""What a stage is: its definition, the two decorators that make one, and its errors."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar, get_args, overload

import msgspec

from byteor.errors import ByteorError, Exit, Where

Kind = Literal["pure", "seeded", "clocked", "external"]
Shape = Literal["message", "batch", "native"]

Message = bytes | memoryview
MessageFunction = Callable[[bytes], bytes | None]
BatchFunction = Callable[[Sequence[Message]], Sequence[Message | None]]

# What msgspec raises for bytes that are no JSON of the wanted type: also for bad UTF-8 and endless nesting.
NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

ATTRIBUTE = "__byteor_stage__"  # where a decorated function carries its definition
BASE_KEY = re.compile(r"[a-z][a-z0-9_]*")

Function = TypeVar("Function", bound=Callable[..., Any])


class StageError(ByteorError):
    """A stage cannot be found, made or applied.

    Codes: ``E_STAGE_KEY`` (no such key, exit 3), ``E_STAGE_PARAMETERS`` (3), ``E_STAGE_MODULE``,
    ``E_STAGE_CLASH`` and ``E_STAGE_DEFINITION`` (2), ``E_STAGE_INPUT`` (a message that the stage cannot
    work on, 11). ``index`` is the offending message's place in the batch, where there was a batch.
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


class StageDef(msgspec.Struct, frozen=True):
    """A stage as its author declares it.

    ``kind`` says what a replay may expect: ``pure`` (a function of the messages so far), ``seeded``
    (randomness from the recording), ``clocked`` (time from the recording), ``external`` (acts outside).
    ``writes`` is False for a stage that never changes a message's bytes (it may still filter).
    ``make(parameters)`` gives a function with state of its own; None for a native stage, which the
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
    make: Callable[[str], Callable[..., Any]] | None = None
    native: Callable[[str], bytes] | None = None

    @property
    def usage(self) -> str:
        if not self.parameters:
            return self.key
        return f"{self.key}:{self.parameters}" if self.required else f"{self.key}[:{self.parameters}]"


@overload
def stage(key: Function, /) -> Function: ...


@overload
def stage(
    key: str | None = None,
    /,
    *,
    kind: Kind = "pure",
    writes: bool = True,
    parameters: str = "",
    required: bool = False,
    decode: type | None = None,
) -> Callable[[Function], Function]: ...


def stage(
    key: Function | str | None = None,
    /,
    *,
    kind: Kind = "pure",
    writes: bool = True,
    parameters: str = "",
    required: bool = False,
    decode: type | None = None,
) -> Function | Callable[[Function], Function]:
    """Declare a function ``bytes -> bytes | None`` as a stage; None filters the message.

    With ``decode`` (a msgspec struct, or any type that msgspec reads) each message is JSON: the function
    gets that type and returns something that msgspec encodes, or None. Other JSON is ``E_STAGE_INPUT``.

    The key is the function's name unless given. With ``parameters`` (their spelling, for people) the
    decorated function is a factory: it takes the text behind the key's first ``:`` and returns the
    function, and raises ``ValueError`` with a sentence when it cannot read that text. A factory is called
    once when the key is resolved and once in each worker, so state belongs inside it.

    >>> @stage
    ... def shout(message: bytes) -> bytes | None:
    ...     return message.upper()
    """
    if callable(key):
        return _define(key, None, "message", kind, writes, parameters, required)
    return lambda function: _define(function, key, "message", kind, writes, parameters, required, decode)


def batch_stage(
    key: str | None = None,
    /,
    *,
    kind: Kind = "pure",
    writes: bool = True,
    parameters: str = "",
    required: bool = False,
) -> Callable[[Function], Function]:
    """Declare a function of a whole batch as a stage: many times faster than one call a message.

    It takes a sequence of bytes or memoryviews (valid only during the call) and returns one result for
    each: bytes, None to filter, or the very object that came in to leave the message as it is. Raise
    ``StageError`` with ``index`` to name the message that is at fault. Parameters as in :func:`stage`.
    """
    return lambda function: _define(function, key, "batch", kind, writes, parameters, required)


def _define(
    function: Function,
    key: str | None,
    shape: Shape,
    kind: Kind,
    writes: bool,
    parameters: str,
    required: bool,
    decode: type | None = None,
) -> Function:
    key = key or function.__name__
    if not BASE_KEY.fullmatch(key):
        raise _misdeclared(key, "a key is [a-z][a-z0-9_]*")
    if kind not in get_args(Kind):
        raise _misdeclared(key, f"its kind is one of {', '.join(get_args(Kind))}, not {kind!r}")
    make: Callable[[str], Callable[..., Any]] = function if parameters else lambda _: function
    definition = StageDef(
        key=key,
        kind=kind,
        shape=shape,
        writes=writes,
        doc=inspect.getdoc(function) or "",
        module=function.__module__,
        parameters=parameters,
        required=required,
        make=make if decode is None else lambda text: _typed(key, make(text), decode),
    )
    setattr(function, ATTRIBUTE, definition)
    return function


def _typed(key: str, function: Callable[[Any], object], decode: type) -> MessageFunction:
    read: Callable[[bytes], Any] = msgspec.json.Decoder(decode).decode
    write = msgspec.json.Encoder().encode

    def run(message: bytes) -> bytes | None:
        try:
            value = read(message)
        except NOT_JSON as error:
            raise StageError("E_STAGE_INPUT", f"{key} cannot read {message[:80]!r}: {error}") from error
        result = function(value)
        return None if result is None else write(result)

    return run


def _misdeclared(key: str, why: str) -> StageError:
    return StageError("E_STAGE_DEFINITION", f"stage {key!r} is declared wrongly: {why}", exit=Exit.USAGE)
