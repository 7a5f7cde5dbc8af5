"""json_normalise: rates that are right, text that survives, and no message that vanishes."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byteor.runtime.stages import StageError, normalise, resolve

MS = 1_000_000


def counter(t_ms: float, value: float, metric: str = "m") -> bytes:
    return json.dumps({"t_ns": int(t_ms * MS), "metric": metric, "kind": "counter", "value": value}).encode()


def values(messages: list[bytes], key: str = "json_normalise") -> list[object]:
    return [json.loads(out)["value"] for out in resolve(key).make()(messages)]


def test_a_counter_leaves_as_a_rate_per_second() -> None:
    (first, second) = resolve("json_normalise").make()([counter(0, 100), counter(500, 150)])
    assert first == b'{"t_ns":0,"metric":"m","kind":"rate","value":null}'
    assert second == b'{"t_ns":500000000,"metric":"m","kind":"rate","value":100.0}'


def test_a_steady_counter_gives_a_steady_rate_however_often_it_is_sampled() -> None:
    # A tick each 10 ms, sampled each millisecond: the naive difference is 0 or 1,000.
    rates = values([counter(t, t // 10) for t in range(1000)])[200:]
    assert all(abs(rate - 100) <= 10.1 for rate in rates)


def test_the_window_is_what_the_parameter_says() -> None:
    # 1,000/s until 100 ms, then nothing: a window of 10 ms has forgotten it 20 ms later.
    messages = [counter(t, min(t, 100)) for t in range(150)]
    assert values(messages, "json_normalise:10")[120] == 0
    assert values(messages, "json_normalise:1000")[120] > 0


def test_metrics_do_not_touch_each_other() -> None:
    messages = [counter(0, 0, "a"), counter(0, 1000, "b"), counter(1000, 5, "a"), counter(1000, 1001, "b")]
    assert values(messages) == [None, None, 5, 1]


@pytest.mark.parametrize("second", [counter(1000, 99), counter(-1, 200), counter(0, 200)])
def test_after_a_reset_or_a_clock_that_stands_or_steps_back_there_is_no_rate(second: bytes) -> None:
    assert values([counter(0, 100), second])[1] is None


def test_after_a_reset_rates_start_again() -> None:
    assert values([counter(0, 100), counter(1000, 10), counter(2000, 30)]) == [None, None, 20]


def test_whole_numbers_of_64_bits_keep_their_precision() -> None:
    assert values([counter(0, 2**63), counter(1000, 2**63 + 7)])[1] == 7


@given(
    st.lists(st.tuples(st.integers(1, 10_000), st.integers(0, 10**9)), min_size=2, max_size=30),
    st.integers(1, 500),
)
def test_a_rate_is_the_slope_over_one_to_two_windows_or_the_whole(
    steps: list[tuple[int, int]], window: int
) -> None:
    points, t, value = [], 0, 0
    for step, growth in steps:
        t, value = t + step, value + growth
        points.append((t, value))
    rates = values([counter(*point) for point in points], f"json_normalise:{window}")
    for index, (rate, (t, value)) in enumerate(zip(rates, points, strict=True)):
        slopes = [(value - old) * 1000 / (t - at) for at, old in points[:index]]
        assert rate is None if not slopes else any(abs(rate - slope) <= 0.0006 for slope in slopes)


@given(st.lists(st.lists(st.integers(0, 3), max_size=5), max_size=10))
def test_batch_borders_never_show(cuts: list[list[int]]) -> None:
    messages = [counter(number, number * value) for number, value in enumerate(itertools.chain(*cuts))]
    whole = resolve("json_normalise:1").make()(messages)
    one_by_one = resolve("json_normalise:1").make()
    assert [one_by_one([memoryview(message)])[0] for message in messages] == whole


def run(message: bytes, key: str = "json_normalise") -> bytes | None:
    (out,) = resolve(key).make()([memoryview(message)])
    return out


OTHERS = [
    (b"Jan  1 host sshd[1]: hi", b'{"line":"Jan  1 host sshd[1]: hi"}'),
    (b"", b'{"line":""}'),
    (b'tab\there "quoted"', b'{"line":"tab\\there \\"quoted\\""}'),
    (b"\xff\xfe", '{"line":"��"}'.encode()),
    (b"[1, 2]", b'{"line":"[1, 2]"}'),
    (b"12", b'{"line":"12"}'),
    (b' {"level": "info", "n": [1, 2]}', b'{"level":"info","n":[1,2]}'),
    (b"{}", b"{}"),
    (
        b'{"t_ns": 1, "metric": "m", "kind": "gauge", "value": 2.50}',
        b'{"t_ns":1,"metric":"m","kind":"gauge","value":2.5}',
    ),
    (
        b'{"t_ns": 1, "metric": "m", "kind": "gauge", "value": 2, "host": {"a": 1}}',
        b'{"t_ns":1,"metric":"m","kind":"gauge","value":2,"host":{"a":1}}',
    ),
    (
        b'{"host": "a", "t_ns": 1, "metric": "m", "kind": "counter", "value": 2}',
        b'{"host":"a","t_ns":1,"metric":"m","kind":"rate","value":null}',
    ),
]


@pytest.mark.parametrize(("message", "expected"), OTHERS)
def test_every_line_comes_out_as_one_json_object(message: bytes, expected: bytes) -> None:
    assert run(message) == expected
    assert run(expected) == expected


BROKEN = [
    b"{",
    b'{"a": }',
    b'{"metric": "m", "kind": "counter"}',
    b'{"t_ns": "1", "metric": "m", "kind": "gauge", "value": 1}',
    b'{"t_ns": 1, "metric": "m", "kind": "odd", "value": 1}',
    b'{"t_ns": 1, "metric": "m", "kind": "gauge", "value": 1} x',
    b'{"metric": "m", "kind": "\xff"}',
    b'{"metric": "m", "kind": "gauge", "t_ns": 1, "value": ' + b"[" * 50_000,
    b'{"a":' + b"[" * 50_000,
    b'{"a": "\xff"}',
]


@pytest.mark.parametrize("message", BROKEN)
def test_a_broken_object_is_an_error_that_names_the_message_or_is_filtered(message: bytes) -> None:
    with pytest.raises(StageError) as caught:
        resolve("json_normalise").make()([b"fine", message])
    assert (caught.value.code, caught.value.index) == ("E_STAGE_INPUT", 1)
    assert run(message, "json_normalise:100,drop") is None


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_but_a_stage_error(message: bytes) -> None:
    out = run(message, "json_normalise:100,drop")
    assert out is None or isinstance(json.loads(out), dict)


def test_memory_for_metrics_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normalise, "MAX_METRICS", 2)
    messages = [
        counter(0, 0, "a"),
        counter(0, 0, "b"),
        counter(0, 0, "c"),
        counter(1000, 3, "a"),
        counter(1000, 4, "c"),
    ]
    assert values(messages) == [None, None, None, None, 4]


whole = st.integers(-(10**400), 10**400)
numbers = whole | st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(whole, numbers), max_size=8))
def test_no_numbers_stop_the_stage(points: list[tuple[int, float]]) -> None:
    normalise = resolve("json_normalise:1,drop").make()
    for t, value in points:
        message = counter(0, value).replace(b'"t_ns": 0', b'"t_ns": %d' % t)
        (out,) = normalise([message])
        assert out is None or "value" in json.loads(out)
