"""Stages that let only some messages through: ``json_filter``, ``sample`` and ``sample_random``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from byteor.runtime.stages.api import NOT_JSON, Example, Message
from byteor.runtime.stages.context import Context
from byteor.runtime.stages.declare import batch_stage
from byteor.runtime.stages.expression import compile_expression
from byteor.runtime.stages.parameters import number, whole

BatchOf = Callable[[Sequence[Message]], Sequence[Message | None]]


@batch_stage(
    "json_filter",
    writes=False,
    parameters="EXPRESSION",
    required=True,
    example=Example(
        'json_filter:level in ["error","fatal"] or /http/status >= 500 and not path=health',
        ('{"level":"error"}', '{"level":"info","http":{"status":503},"path":"health"}', "text"),
        ('{"level":"error"}', None, None),
    ),
)
def json_filter(parameters: str) -> BatchOf:
    """Lets the JSON through for which EXPRESSION is true, as in json_filter:outlier=true.

    Comparisons = != < <= > >= of a member (NAME, or a JSON pointer as in /http/status) with text, a number,
    true, false, null or another member (a pointer); in and not in with a list ["a","b"], the text or the
    array of a member; exists NAME; and, or, not, parentheses. Numbers compare with numbers and text with
    text: a missing member, another type and what is no JSON make a comparison false.
    """
    passes = compile_expression(parameters)
    decode = msgspec.json.Decoder().decode

    def judge(messages: Sequence[Message]) -> list[Message | None]:
        results: list[Message | None] = []
        for message in messages:
            try:
                document = decode(message)
            except NOT_JSON:
                results.append(None)
                continue
            results.append(message if passes(document) else None)
        return results

    return judge


@batch_stage(
    "sample",
    writes=False,
    parameters="N",
    required=True,
    example=Example("sample:2", ("a", "b", "c"), ("a", None, "c")),
)
def sample(parameters: str) -> BatchOf:
    """Lets the first message through and then every N-th."""
    every = whole(parameters, "N", 1, 1 << 40)
    seen = 0

    def pick(messages: Sequence[Message]) -> list[Message | None]:
        nonlocal seen
        first = seen
        seen += len(messages)
        return [
            message if number % every == 0 else None for number, message in enumerate(messages, start=first)
        ]

    return pick


@batch_stage(
    "sample_random",
    kind="seeded",
    writes=False,
    parameters="FRACTION",
    required=True,
    example=Example("sample_random:0.01"),
)
def sample_random(parameters: str, context: Context) -> BatchOf:
    """Lets each message through with the probability FRACTION (over 0, at most 1), by the run's seed.

    A replay of the whole recording lets the same messages through.
    """
    fraction = number(parameters, "FRACTION")
    if not 0 < fraction <= 1:
        raise ValueError(f"FRACTION must be over 0 and at most 1, not {fraction:g}")
    draw = context.random.random
    return lambda messages: [message if draw() < fraction else None for message in messages]
