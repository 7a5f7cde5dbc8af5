"""The stage ``json_normalise``: measurements get one shape, counters become rates, text becomes JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from byteor.runtime.stages.api import NOT_JSON, Example, Message, StageError
from byteor.runtime.stages.declare import batch_stage
from byteor.runtime.stages.parameters import at_most, whole

MAX_METRICS = 1 << 16  # beyond it the metric seen first is forgotten, so that memory stays bounded
DEFAULT_WINDOW_MS = 100


class Measurement(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One value of one metric at one time (``t_ns``: Unix, ns). A rate is per second; null: not yet known."""

    t_ns: int
    metric: str
    kind: Literal["counter", "gauge", "rate"]
    value: int | float | None


class Rates:
    """Counters to rates per second, over a span of one to two windows.

    A metric keeps two anchors (time, value); the rate is taken against the older one, so that a counter
    that moves in steps (CPU ticks are 10 ms) gives a steady rate however often it is sampled.
    """

    def __init__(self, window_ns: int) -> None:
        self._window_ns = window_ns
        # metric -> [older time, older value, newer time, newer value]
        self._anchors: dict[str, list[Any]] = {}

    def rate(self, metric: str, t_ns: int, value: int | float) -> float | None:
        """None for a metric's first value, after counter or clock went back, and beyond what floats hold."""
        anchors = self._anchors.get(metric)
        if anchors is None:
            if len(self._anchors) >= MAX_METRICS:
                del self._anchors[next(iter(self._anchors))]
            self._anchors[metric] = [t_ns, value, t_ns, value]
            return None
        older_t, older, newer_t, newer = anchors
        if value < newer or t_ns < newer_t:
            self._anchors[metric] = [t_ns, value, t_ns, value]
            return None
        if t_ns == older_t:
            return None
        if t_ns - newer_t >= self._window_ns:
            anchors[:] = newer_t, newer, t_ns, value
        try:
            # Three decimals: what a person reads, and what fits a slot.
            return int((value - older) * 1_000_000_000_000 / (t_ns - older_t) + 0.5) / 1000
        except OverflowError:  # numbers that no counter has
            return None


@batch_stage(
    "json_normalise",
    parameters="WINDOW_MS[,error|drop]",
    example=Example(
        "json_normalise:100,drop",
        ("plain text", '{ "a": 1 }', '{"metric": 1, "kind": 2}'),
        ('{"line":"plain text"}', '{"a":1}', None),
    ),
)
def json_normalise(parameters: str) -> Callable[[Sequence[Message]], Sequence[Message | None]]:
    """Gives measurements one compact shape and turns counters into rates per second.

    Measurement: {"t_ns": Unix ns, "metric": name, "kind": "counter" | "gauge", "value": number}. A counter
    leaves as kind "rate", per second over WINDOW_MS (100) to twice that; null at first and after a reset.
    Further members stay. Another JSON object is passed on, compacted. A line that is no object becomes
    {"line": text} (bytes that are not UTF-8 become U+FFFD). A broken object, or one with "metric" and
    "kind" that is no measurement, stops the run; with "drop" it is filtered.
    """
    parts = at_most(parameters, 2)
    window_ms = whole(parts[0], "WINDOW_MS", 1, 3_600_000) if parts else DEFAULT_WINDOW_MS
    malformed = parts[1] if len(parts) > 1 else "error"
    if malformed not in ("error", "drop"):
        raise ValueError(f"what to do with a broken message is error or drop, not {malformed!r}")
    rates = Rates(window_ms * 1_000_000)
    decode = msgspec.json.Decoder(Measurement).decode
    encode = msgspec.json.Encoder().encode

    def normalise(messages: Sequence[Message]) -> list[Message | None]:
        results: list[Message | None] = []
        for message in messages:
            try:
                reading = decode(message)
            except NOT_JSON:
                try:
                    results.append(normalise_other(message, rates))
                except NOT_JSON as error:
                    if malformed == "error":
                        raise _malformed(error, message, len(results)) from error
                    results.append(None)
                continue
            if reading.kind == "counter":
                reading.kind = "rate"
                if reading.value is not None:
                    reading.value = rates.rate(reading.metric, reading.t_ns, reading.value)
            results.append(encode(reading))
        return results

    return normalise


def normalise_other(message: Message, rates: Rates) -> bytes:
    """What is no plain measurement: text, another object, or a measurement with further members.

    Raises one of ``NOT_JSON`` when it is broken.
    """
    text = bytes(message)
    if not text.lstrip().startswith(b"{"):
        return msgspec.json.encode({"line": text.decode("utf-8", "replace")})
    text.decode()  # values that are passed on unread are text, too
    document = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    if not ("metric" in document and "kind" in document):
        return msgspec.json.format(text, indent=-1)
    reading = msgspec.convert(
        {
            name: msgspec.json.decode(document[name])
            for name in Measurement.__struct_fields__
            if name in document
        },
        Measurement,
    )
    if reading.kind == "counter":
        rate = None if reading.value is None else rates.rate(reading.metric, reading.t_ns, reading.value)
        document["kind"] = msgspec.Raw(b'"rate"')
        document["value"] = msgspec.Raw(msgspec.json.encode(rate))
    return msgspec.json.format(msgspec.json.encode(document), indent=-1)


def _malformed(error: Exception, message: Message, index: int) -> StageError:
    shown = bytes(message[:80])
    return StageError(
        "E_STAGE_INPUT",
        f"json_normalise cannot read {shown!r}: {error}",
        hint="mend the source, or filter such messages with the key json_normalise:100,drop",
        index=index,
    )
