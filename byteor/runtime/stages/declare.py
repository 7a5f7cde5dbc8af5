"""The decorators that make a function or a class a stage: ``@stage`` and ``@batch_stage``."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any, TypeVar, get_args, overload

from byteor.errors import Exit
from byteor.runtime.stages.api import ATTRIBUTE, Example, Kind, Shape, StageDef, StageError
from byteor.runtime.stages.context import Context
from byteor.runtime.stages.typed import OnInvalid, typed_batch, typed_message

BASE_KEY = re.compile(r"[a-z][a-z0-9_]*")

Function = TypeVar("Function", bound=Callable[..., Any])


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
    on_invalid: OnInvalid = "fail",
    waits: bool = False,
    example: Example | None = None,
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
    on_invalid: OnInvalid = "fail",
    waits: bool = False,
    example: Example | None = None,
) -> Function | Callable[[Function], Function]:
    """Declare a function of one message as a stage.

    It takes bytes and returns bytes, None to filter the message, or a list of bytes to fan it out (in a
    LaneGraph; a ring refuses lists, ``E_STAGE_FANOUT``). The key is the function's name unless given.

    With ``decode`` (a msgspec struct, or any type that msgspec reads) each message is JSON: the function
    gets that type and returns something that msgspec encodes, None, or a list of such things. Other JSON is
    ``E_STAGE_INPUT``, or with ``on_invalid="filter"`` filtered.

    With ``parameters`` (their spelling, for people) the decorated function is a factory: it takes the text
    behind the key's first ``:`` and returns the function; it raises ``ValueError`` with a sentence when it
    cannot read that text. A class is such a factory with or without parameters; its object is called for
    each message. Either is called once when the key is resolved and once in each worker, so state belongs
    inside. ``setup()`` of the returned object is called in the worker only, before the first message, and
    ``teardown()`` once after the last, also after an error.

    Whatever has an argument called ``context`` gets the worker's :class:`Context`. Declare ``waits`` for a
    stage that calls ``context.wait``: messages then go on one by one, not when a whole batch is through.

    >>> @stage
    ... def shout(message: bytes) -> bytes | None:
    ...     return message.upper()
    """
    if callable(key):
        return _define(key, None, "message", kind, writes, parameters, required)
    return lambda function: _define(
        function, key, "message", kind, writes, parameters, required, decode, on_invalid, waits, example
    )


@overload
def batch_stage(key: Function, /) -> Function: ...


@overload
def batch_stage(
    key: str | None = None,
    /,
    *,
    kind: Kind = "pure",
    writes: bool = True,
    parameters: str = "",
    required: bool = False,
    decode: type | None = None,
    on_invalid: OnInvalid = "fail",
    waits: bool = False,
    views: bool = False,
    example: Example | None = None,
) -> Callable[[Function], Function]: ...


def batch_stage(
    key: Function | str | None = None,
    /,
    *,
    kind: Kind = "pure",
    writes: bool = True,
    parameters: str = "",
    required: bool = False,
    decode: type | None = None,
    on_invalid: OnInvalid = "fail",
    waits: bool = False,
    views: bool = False,
    example: Example | None = None,
) -> Function | Callable[[Function], Function]:
    """Declare a function of a whole batch as a stage: several times faster than one call a message.

    It takes a list of bytes and returns one result for each: bytes, None to filter, the very object that
    came in to leave the message as it is, or a list to fan it out. With ``views`` the list holds memoryviews
    of the slots themselves: nothing is copied, bytes may be changed in place (not their number), and None
    as the only result leaves every message as it is now. Views end with the call: copy what is kept.
    With ``decode`` it takes and returns lists of values. Raise ``StageError`` with ``index`` to name the
    message that is at fault. Everything else as in :func:`stage`.
    """
    if callable(key):
        return _define(key, None, "batch", kind, writes, parameters, required)
    return lambda function: _define(
        function, key, "batch", kind, writes, parameters, required, decode, on_invalid, waits, example, views
    )


def _define(
    function: Function,
    key: str | None,
    shape: Shape,
    kind: Kind,
    writes: bool,
    parameters: str,
    required: bool,
    decode: type | None = None,
    on_invalid: OnInvalid = "fail",
    waits: bool = False,
    example: Example | None = None,
    views: bool = False,
) -> Function:
    key = key or function.__name__
    if not BASE_KEY.fullmatch(key):
        raise _misdeclared(key, 'a key is [a-z][a-z0-9_]*; give it one: @stage("my_key")')
    if kind not in get_args(Kind):
        raise _misdeclared(key, f"its kind is one of {', '.join(get_args(Kind))}, not {kind!r}")
    if on_invalid not in get_args(OnInvalid):
        raise _misdeclared(key, f"on_invalid is one of {', '.join(get_args(OnInvalid))}, not {on_invalid!r}")
    make = _maker(function, key, parameters)
    definition = StageDef(
        key=key,
        kind=kind,
        shape=shape,
        writes=writes,
        doc=inspect.getdoc(function) or "",
        module=function.__module__,
        parameters=parameters,
        required=required,
        make=make if decode is None else _typed(make, key, shape, decode, on_invalid),
        example=example,
        waits=waits,
        views=views,
    )
    setattr(function, ATTRIBUTE, definition)
    return function


def _maker(
    function: Callable[..., Any], key: str, parameters: str
) -> Callable[[Context], Callable[..., Any]]:
    """How a worker gets its function: the decorated one itself, or what the factory or class gives."""
    taken = _arguments(function)
    with_context = "context" in taken
    others = [name for name in taken if name != "context"]
    needed = [name for name in others if not taken[name]]
    if len(needed) > 1:
        raise _misdeclared(key, f"it needs {' and '.join(needed)}; one of them, and context, is all there is")
    if not parameters and not inspect.isclass(function):
        return lambda context: functools.partial(function, context=context) if with_context else function
    with_text = bool(others if parameters else needed)

    def make(context: Context) -> Callable[..., Any]:
        given = (context.parameters,) if with_text else ()
        made: Callable[..., Any] = function(*given, **({"context": context} if with_context else {}))
        if not callable(made):
            raise _misdeclared(key, f"what it makes ({type(made).__name__}) cannot be called")
        return made

    return make


def _arguments(function: Callable[..., Any]) -> dict[str, bool]:
    """The names of ``function``'s arguments and whether each may be left out; of what C made, none."""
    try:
        found = inspect.signature(function).parameters.values()
    except ValueError:
        return {}
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {one.name: one.default is not one.empty or one.kind in variable for one in found}


class _Typed:
    """A typed stage with state: its messages go through ``run``, the rest is the made object's own."""

    def __init__(self, made: Callable[..., Any], run: Callable[..., Any]) -> None:
        self._run = run
        for name in ("setup", "teardown"):
            if hasattr(made, name):
                setattr(self, name, getattr(made, name))

    def __call__(self, given: Any) -> Any:
        return self._run(given)


def _typed(
    make: Callable[[Context], Callable[..., Any]],
    key: str,
    shape: Shape,
    decode: type,
    on_invalid: OnInvalid,
) -> Callable[[Context], Callable[..., Any]]:
    wrap = typed_batch if shape == "batch" else typed_message

    def make_typed(context: Context) -> Callable[..., Any]:
        made = make(context)
        run = wrap(key, made, decode, on_invalid)
        return _Typed(made, run) if hasattr(made, "setup") or hasattr(made, "teardown") else run

    return make_typed


def _misdeclared(key: str, why: str) -> StageError:
    return StageError("E_STAGE_DEFINITION", f"stage {key!r} is declared wrongly: {why}", exit=Exit.USAGE)
