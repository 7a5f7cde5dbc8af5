"""Stages that judge measurements: ``zscore`` (rolling, per metric) and ``threshold``."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from byteor.runtime.stages.api import NOT_JSON, Example, Message
from byteor.runtime.stages.declare import batch_stage
from byteor.runtime.stages.fields import with_members
from byteor.runtime.stages.parameters import at_most, number, whole

MAX_METRICS = 1 << 14  # beyond it the metric seen first is forgotten, so that memory stays bounded
MAX_VALUE = 1e100  # its square is still a number
MIN_VALUES = 8  # fewer say nothing about spread
DEFAULT_WINDOW, DEFAULT_THRESHOLD = 120, 4.0


class Value(msgspec.Struct, gc=False):
    """What a detector needs of a measurement."""

    metric: str
    value: float
    z: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    outlier: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    breach: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Window:
    """The last ``size`` values of one metric, with their mean and spread in constant time.

    Sums are kept of differences from ``base`` (the mean when they were last made anew), else the square
    of a large value would drown its spread; they are made anew every ``size`` values, so that rounding
    errors cannot add up.
    """

    __slots__ = ("base", "fresh", "size", "squares", "total", "values")

    def __init__(self, size: int) -> None:
        self.size = size
        self.values: deque[float] = deque(maxlen=size)
        self.base = 0.0
        self.total = 0.0
        self.squares = 0.0
        self.fresh = 0  # values to come before the sums are made anew

    def judge(self, value: float) -> float | None:
        """How many standard deviations ``value`` lies off the window before it, which it then joins.

        None while there are too few values; infinite when they were all equal and this one is not.
        """
        values = self.values
        count = len(values)
        z: float | None = None
        if count >= MIN_VALUES or count == self.size:
            z = self._score(value, count)
        if self.fresh == 0:
            values.append(value)
            self._make_anew()
            return z
        difference = value - self.base
        if count == self.size:
            gone = values[0] - self.base
            self.total -= gone
            self.squares -= gone * gone
        values.append(value)
        self.total += difference
        self.squares += difference * difference
        self.fresh -= 1
        return z

    def _score(self, value: float, count: int) -> float:
        mean = self.total / count
        power = self.squares / count
        variance = power - mean * mean
        level = self.base + mean
        rounding = 1e-30 * level * level
        if variance < 1e-6 * power and power > 100 * rounding:  # the base is far off: digits cancel out
            self._make_anew()
            mean = self.total / count
            variance = self.squares / count - mean * mean
        off = value - self.base - mean
        if variance > rounding:
            return off / math.sqrt(variance)
        # Constant but for rounding.
        return 0.0 if abs(off) <= 1e-14 * abs(level) else math.copysign(math.inf, off)

    def _make_anew(self) -> None:
        count = len(self.values)
        self.base = math.fsum(self.values) / count
        differences = [item - self.base for item in self.values]
        self.total = math.fsum(differences)
        self.squares = math.fsum([item * item for item in differences])
        # While the window fills, anew at every doubling: the first values say little about the base.
        self.fresh = count


@batch_stage(
    "zscore",
    parameters="WINDOW[,THRESHOLD]",
    example=Example(
        "zscore:120,4.0",
        ('{"metric":"load","value":1.5}',),
        ('{"metric":"load","value":1.5,"z":null,"outlier":false}',),
    ),
)
def zscore(parameters: str) -> Callable[[Sequence[Message]], Sequence[Message | None]]:
    """Adds "z" and "outlier" to each measurement, against the last WINDOW (120) values of its metric.

    z is the distance from their mean in standard deviations; the value judged is not among them. It is
    null before 8 values, and when they were all equal and this one is not (that is an outlier too).
    outlier: |z| >= THRESHOLD (4.0). Messages without "metric" and a numeric "value" (up to 1e100) pass as
    they are.
    """
    parts = at_most(parameters, 2)
    size = whole(parts[0], "WINDOW", 2, 10_000) if parts else DEFAULT_WINDOW
    threshold = number(parts[1], "THRESHOLD") if len(parts) > 1 else DEFAULT_THRESHOLD
    if threshold <= 0:
        raise ValueError(f"THRESHOLD must be over 0, not {threshold:g}")
    windows: dict[str, Window] = {}
    decode = msgspec.json.Decoder(Value).decode

    def judge(messages: Sequence[Message]) -> list[Message | None]:
        results: list[Message | None] = []
        for message in messages:
            try:
                reading = decode(message)
            except NOT_JSON:
                results.append(message)
                continue
            if abs(reading.value) > MAX_VALUE:
                results.append(message)
                continue
            window = windows.get(reading.metric)
            if window is None:
                if len(windows) >= MAX_METRICS:
                    del windows[next(iter(windows))]
                window = windows[reading.metric] = Window(size)
            z = window.judge(reading.value)
            if z is None:
                members = b'"z":null,"outlier":false'
            elif math.isinf(z):
                members = b'"z":null,"outlier":true'
            else:
                members = b'"z":%.3f,"outlier":%b' % (z, b"true" if abs(z) >= threshold else b"false")
            plain = reading.z is msgspec.UNSET and reading.outlier is msgspec.UNSET
            results.append(with_members(message, members, plain))
        return results

    return judge


@batch_stage(
    "threshold",
    parameters="METRIC,LOW,HIGH",
    required=True,
    example=Example(
        "threshold:load,0,8",
        ('{"metric":"load","value":9}',),
        ('{"metric":"load","value":9,"breach":"high"}',),
    ),
)
def threshold(parameters: str) -> Callable[[Sequence[Message]], Sequence[Message | None]]:
    """Adds "breach": "low", "high" or null to the measurements of METRIC.

    low: value < LOW, high: value > HIGH. Every other message passes as it is.
    """
    parts = at_most(parameters, 3)
    if len(parts) != 3:
        raise ValueError("METRIC, LOW and HIGH are all needed")
    metric, low, high = parts[0], number(parts[1], "LOW"), number(parts[2], "HIGH")
    if low > high:
        raise ValueError(f"LOW ({low:g}) is over HIGH ({high:g})")
    decode = msgspec.json.Decoder(Value).decode

    def judge(messages: Sequence[Message]) -> list[Message | None]:
        results: list[Message | None] = []
        for message in messages:
            try:
                reading = decode(message)
            except NOT_JSON:
                results.append(message)
                continue
            if reading.metric != metric:
                results.append(message)
                continue
            breach = b'"low"' if reading.value < low else b'"high"' if reading.value > high else b"null"
            results.append(with_members(message, b'"breach":' + breach, reading.breach is msgspec.UNSET))
        return results

    return judge
