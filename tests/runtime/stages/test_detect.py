"""zscore against the textbook computation, and threshold."""

from __future__ import annotations

import json
import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byteor.runtime.stages import detect, resolve
from byteor.runtime.stages.detect import Window


def message(value: object, metric: str = "m") -> bytes:
    return json.dumps({"metric": metric, "value": value}, separators=(",", ":")).encode()


def scores(values: list[object], key: str = "zscore:10,3") -> list[tuple[object, object]]:
    out = resolve(key).make()([memoryview(message(value)) for value in values])
    return [(record.get("z"), record.get("outlier")) for record in map(json.loads, map(bytes, out))]


def textbook(values: list[float], size: int) -> list[float | None]:
    found: list[float | None] = []
    for index, value in enumerate(values):
        before = values[max(0, index - size) : index]
        if len(before) < min(8, size):
            found.append(None)
            continue
        spread = statistics.pstdev(before)
        found.append((value - statistics.fmean(before)) / spread if spread else None)
    return found


@given(st.lists(st.integers(-1000, 1000), max_size=80), st.integers(2, 20))
def test_z_is_the_distance_from_the_mean_of_the_window_before(values: list[int], size: int) -> None:
    window = Window(size)
    for value, expected in zip(values, textbook([float(v) for v in values], size), strict=True):
        z = window.judge(value)
        if expected is not None:
            assert z == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("level", [0.0, 1e6, 1e12])
def test_rounding_does_not_add_up_over_a_long_stream(level: float) -> None:
    numbers = random.Random(7)
    values = [level + numbers.gauss(0, 1) for _ in range(20_000)]
    window = Window(50)
    scored = [window.judge(value) for value in values]
    assert scored[-200:] == pytest.approx(textbook(values[-300:], 50)[-200:], rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("huge", [1e9, 1e12, -1e15])
def test_a_huge_value_that_has_left_the_window_leaves_no_trace(huge: float) -> None:
    numbers = random.Random(3)
    values = [numbers.gauss(0, 1) for _ in range(200)]
    for place in (70, 71, 99):
        spoiled = [*values[:place], huge, *values[place:]]
        window = Window(50)
        scored = [window.judge(value) for value in spoiled]
        behind = slice(place + 51, None)
        assert scored[behind] == pytest.approx(textbook(spoiled, 50)[behind], rel=1e-3, abs=1e-3)


@given(st.floats(-1e15, 1e15), st.integers(2, 40))
def test_a_constant_is_never_an_outlier(value: float, size: int) -> None:
    window = Window(size)
    assert {window.judge(value) for _ in range(3 * size)} <= {None, 0.0}


def test_an_outlier_is_flagged_and_the_ordinary_is_not() -> None:
    ordinary = [100.0 + number % 3 for number in range(20)]
    judged = scores([*ordinary, 150.0, 101.0])
    assert [outlier for _, outlier in judged] == [False] * 20 + [True, False]
    assert scores([*ordinary, 50.0])[-1][1] is True, "downwards, too"
    assert judged[20][0] == pytest.approx(
        statistics.NormalDist.from_samples(ordinary[10:]).mean * 0 + 60, rel=0.2
    )


def test_too_few_values_say_nothing() -> None:
    assert scores([1, 2, 3, 1000, 5, 6, 7, 8]) == [(None, False)] * 8


def test_a_constant_that_moves_is_an_outlier_without_a_number() -> None:
    assert scores([5] * 10 + [5, 6])[-2:] == [(0.0, False), (None, True)]
    assert scores([0.1] * 10 + [0.1])[-1] == (0.0, False)


def test_what_is_judged_is_not_part_of_its_own_window() -> None:
    window = Window(8)
    for value in (0.0, 2.0) * 4:
        window.judge(value)
    assert window.judge(11.0) == pytest.approx(10.0)


def test_metrics_have_windows_of_their_own() -> None:
    judge = resolve("zscore:8,3").make()
    quiet = [message(value, "quiet") for value in (1, 2) * 4]
    loud = [message(value, "loud") for value in (1000, 2000) * 4]
    mixed = [item for pair in zip(quiet, loud, strict=True) for item in pair]
    judge(mixed)
    out = judge([message(1500, "loud"), message(1500, "quiet")])
    assert [json.loads(item)["outlier"] for item in out] == [False, True]


@pytest.mark.parametrize(
    "other", [b"text", b"", b'{"a":1}', b'{"metric":"m","value":null}', b'{"metric":1,"value":2}']
)
def test_what_is_no_measurement_passes_as_the_very_same_object(other: bytes) -> None:
    for key in ("zscore", "threshold:m,0,1"):
        (out,) = resolve(key).make()([other])
        assert out is other


def test_every_other_byte_of_the_message_stays() -> None:
    text = b'{ "metric":"m" ,"value":1.50, "x":{"y":[1]} }\n'
    (out,) = resolve("zscore").make()([text])
    assert out == b'{ "metric":"m" ,"value":1.50, "x":{"y":[1]} ,"z":null,"outlier":false}'


def test_a_second_judgement_replaces_the_first() -> None:
    (once,) = resolve("zscore").make()([message(1)])
    (twice,) = resolve("zscore").make()([once])
    assert twice == once


def test_memory_for_windows_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect, "MAX_METRICS", 1)
    judge = resolve("zscore:8,3").make()
    judge([message(value) for value in (1, 2) * 4])
    judge([message(1, "other")])
    assert json.loads(judge([message(99)])[0])["z"] is None


THRESHOLDS = [(-1, "low"), (0, None), (0.5, None), (1, None), (1.01, "high")]


@pytest.mark.parametrize(("value", "breach"), THRESHOLDS)
def test_a_threshold_says_which_side_was_left(value: float, breach: str | None) -> None:
    (out,) = resolve("threshold:m,0,1").make()([message(value)])
    assert json.loads(out)["breach"] == breach
    assert not math.isnan(value)


def test_a_threshold_leaves_other_metrics_alone() -> None:
    other = message(99, "other")
    assert resolve("threshold:m,0,1").make()([other])[0] is other


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([1e308, -1e308, 0, 1e100]))
)
def test_no_numbers_stop_the_stage_or_break_its_json(values: list[float]) -> None:
    for out in resolve("zscore:4,3").make()([message(value) for value in values]):
        record = json.loads(out, parse_constant=lambda name: pytest.fail(name))
        assert record["metric"] == "m"
