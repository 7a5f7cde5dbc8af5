"""Stages about number and time: samples, duplicates within a window, limits and delays."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byteor.runtime.stages import Context, resolve
from byteor.runtime.stages.pace import Bucket

MS = 1_000_000


class Times:
    """A clock that tells each message of a batch its arrival."""

    def __init__(self) -> None:
        self.now: Sequence[int] = [0]

    def __call__(self, index: int) -> int:
        return self.now[index]


def test_a_random_sample_is_the_same_again_and_about_as_large_as_asked() -> None:
    def picked(seed: int) -> list[bool]:
        pick = resolve("sample_random:0.25").make(Context("s", "sample_random:0.25", seed=seed))
        return [one is not None for one in pick([b"x"] * 4000)]

    assert picked(1) == picked(1)
    assert picked(1) != picked(2)
    assert 850 < sum(picked(1)) < 1150


def test_a_fraction_of_one_is_everything() -> None:
    assert None not in resolve("sample_random:1").make()([b"x"] * 1000)


def test_a_duplicate_is_filtered_until_its_window_is_over() -> None:
    clock = Times()
    pick = resolve("dedupe_within:id,10").make(Context(key="dedupe_within:id,10", clock=clock))
    clock.now = [0, 5 * MS, 10 * MS - 1, 10 * MS, 11 * MS]
    assert [m is not None for m in pick([b'{"id":1}'] * 5)] == [True, False, False, True, False]


def test_a_window_remembers_the_newest_values_only() -> None:
    clock = Times()
    pick = resolve("dedupe_within:/o/id,1000,2").make(Context(key="dedupe_within:/o/id,1000,2", clock=clock))
    ids = [1, 2, 3, 1, 3, 2]
    clock.now = list(range(6))
    out = [m is not None for m in pick([b'{"o":{"id":%d}}' % i for i in ids])]
    assert out == [True, True, True, True, False, True]


def test_a_clock_that_was_set_back_lets_a_duplicate_through_once() -> None:
    clock = Times()
    pick = resolve("dedupe_within:id,10").make(Context(key="dedupe_within:id,10", clock=clock))
    clock.now = [3600_000 * MS, 5 * MS, 6 * MS]
    assert [m is not None for m in pick([b'{"id":1}'] * 3)] == [True, True, False]


@given(st.floats(0.5, 1e6), st.integers(1, 50), st.lists(st.integers(0, 2 * 10**9), max_size=60))
def test_a_limit_is_never_passed_over_any_stretch_of_time(per_s: float, burst: int, gaps: list[int]) -> None:
    bucket, now, passed = Bucket(per_s, burst), 1_800_000_000 * 10**9, []
    for gap in gaps:
        now += gap
        if not bucket.early_ns(now):
            passed.append(now)
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            allowed = burst + (passed[last] - passed[first]) * per_s / 1e9
            assert last - first + 1 <= allowed * (1 + 1e-6) + 1e-6


def test_a_limit_lets_through_what_conforms_and_a_burst_after_a_pause() -> None:
    clock = Times()
    limit = resolve("rate_limit:1000,3").make(Context(key="rate_limit:1000,3", clock=clock))
    clock.now = [0, 0, 0, 0, MS - 1, MS, MS, 100 * MS, 100 * MS, 100 * MS, 100 * MS]
    out = [m is not None for m in limit([b"x"] * 11)]
    assert out == [True, True, True, False, False, True, False, True, True, True, False]


def test_a_steady_stream_at_the_limit_passes_whole() -> None:
    clock = Times()
    limit = resolve("rate_limit:3,1").make(Context(key="rate_limit:3,1", clock=clock))
    start = 1_800_000_000 * 10**9 + 7
    clock.now = [start + i * 333_333_334 for i in range(1000)]
    assert None not in limit([b"x"] * 1000)


def test_a_limit_survives_a_clock_that_is_set_back_an_hour() -> None:
    clock = Times()
    limit = resolve("rate_limit:1000,1").make(Context(key="rate_limit:1000,1", clock=clock))
    hour = 3600_000 * MS
    clock.now = [hour, 0, MS, 2 * MS]
    assert [m is not None for m in limit([b"x"] * 4)] == [True, False, True, True]


def test_pace_holds_back_and_loses_nothing() -> None:
    hold = resolve("pace:200,1").make(Context(key="pace:200,1"))
    start = time.monotonic()
    assert [hold(b"%d" % i) for i in range(5)] == [b"0", b"1", b"2", b"3", b"4"]
    assert time.monotonic() - start >= 4 / 200


def test_delay_holds_until_the_time_after_arrival_and_never_longer_than_asked() -> None:
    arrival = time.time_ns()
    hold = resolve("delay:20").make(Context(key="delay:20", clock=lambda _: arrival))
    assert hold(b"x") == b"x"
    assert time.time_ns() - arrival >= 20 * MS
    future = resolve("delay:1").make(Context(key="delay:1", clock=lambda _: arrival + 3600 * 10**9))
    start = time.monotonic()
    future(b"x")
    assert time.monotonic() - start < 60


@pytest.mark.parametrize("key", ["pace:0.001,1", "delay:3600000"])
def test_a_replay_and_a_stopping_run_do_not_wait(key: str) -> None:
    for context in (Context(key=key, live=False), Context(key=key, stopping=lambda: True)):
        hold = resolve(key).make(context)
        assert [hold(b"x"), hold(b"y")] == [b"x", b"y"]


@pytest.mark.parametrize(
    "key",
    [
        "sample_random:0",
        "sample_random:1.5",
        "sample_random:nan",
        "dedupe_within:id",
        "dedupe_within:,5",
        "dedupe_within:id,0",
        "dedupe_within:id,5,0",
        "dedupe_within:id,5,5,5",
        "rate_limit:0",
        "rate_limit:x",
        "rate_limit:1,0",
        "rate_limit:1,2,3",
        "pace:-1",
        "delay:-1",
        "delay:1.5",
        "delay:3600001",
    ],
)
def test_parameters_out_of_range_are_refused(key: str) -> None:
    from byteor.runtime.stages import StageError

    with pytest.raises(StageError) as caught:
        resolve(key)
    assert caught.value.code == "E_STAGE_PARAMETERS"
