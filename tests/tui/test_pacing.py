"""The rate of drawing as a function of the situation, and the meter of its cost."""

from __future__ import annotations

import pytest

from byteor_tui.pacing import Because, CostMeter, Situation, rate

CALM = {"ssh": False, "focused": True, "frozen": False, "idle_s": 0.0, "too_dear": False}


@pytest.mark.parametrize(
    ("changes", "hz", "because"),
    [
        ({}, 10, Because.FULL),
        ({"ssh": True}, 4, Because.SSH),
        ({"focused": False}, 2, Because.BLURRED),
        ({"idle_s": 59.9}, 10, Because.FULL),
        ({"idle_s": 60.0}, 2, Because.IDLE),
        ({"ssh": True, "focused": False}, 2, Because.BLURRED),
        ({"frozen": True, "focused": False}, 1, Because.FROZEN),
        ({"too_dear": True, "frozen": True}, 1, Because.COST),
    ],
)
def test_the_slowest_rule_that_applies_wins(changes: dict[str, object], hz: float, because: Because) -> None:
    assert rate(Situation(**{**CALM, **changes})) == (hz, because)  # type: ignore[arg-type]


def feed(
    meter: CostMeter, seconds: int, share: float, hz: int, start: tuple[float, float]
) -> tuple[float, float]:
    now, cpu = start
    for _ in range(seconds * hz):
        now, cpu = now + 1 / hz, cpu + share / hz
        meter.add(now, cpu)
    return now, cpu


def test_three_dear_seconds_step_down_and_a_burst_does_not() -> None:
    meter = CostMeter()
    at = feed(meter, 2, 0.30, 10, (0.0, 0.0))
    at = feed(meter, 5, 0.05, 10, at)
    assert not meter.too_dear
    feed(meter, 5, 0.30, 10, at)
    assert meter.too_dear


def test_it_stays_down_while_the_full_rate_would_be_too_dear_and_comes_back_when_not() -> None:
    meter = CostMeter()
    at = feed(meter, 6, 0.30, 10, (0.0, 0.0))
    at = feed(meter, 10, 0.03, 1, at)  # 3 % at 1 Hz is 30 % at 10 Hz
    assert meter.too_dear
    feed(meter, 10, 0.004, 1, at)
    assert not meter.too_dear
