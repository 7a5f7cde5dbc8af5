"""The rate of drawing as a function of the situation, and the meter of its cost."""

from __future__ import annotations

import pytest

from byteor_tui.pacing import TRY_AGAIN_S, Answers, Because, CostMeter, Situation, rate

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


def test_three_dear_seconds_step_down_and_a_burst_or_the_start_does_not() -> None:
    meter = CostMeter()
    at = feed(meter, 4, 0.90, 10, (0.0, 0.0))
    at = feed(meter, 2, 0.30, 10, at)
    at = feed(meter, 5, 0.05, 10, at)
    at = feed(meter, 2, 0.30, 10, at)
    at = feed(meter, 5, 0.05, 10, at)
    assert not meter.too_dear
    feed(meter, 5, 0.30, 10, at)
    assert meter.too_dear and meter.share == pytest.approx(0.30)


def test_the_full_rate_is_tried_again_later_and_then_later_still() -> None:
    meter = CostMeter()
    at = feed(meter, 10, 0.30, 10, (0.0, 0.0))
    waits = []
    for _ in range(3):
        assert meter.too_dear
        waited = 0
        while meter.too_dear:
            at = feed(meter, 1, 0.01, 2, at)
            waited += 1
        waits.append(waited)
        at = feed(meter, 6, 0.30, 10, at)
    assert 25 <= waits[0] <= 32 and 50 <= waits[1] <= 62 and 100 <= waits[2] <= 122


def test_a_terminal_that_answers_is_at_most_two_frames_behind_and_one_that_never_did_is_not_waited_for() -> (
    None
):
    answers = Answers()
    for now in (0.0, 0.1, 0.2):
        assert not answers.behind(now)
        answers.asked(now)
    answers.answered()
    assert answers.behind(0.3)
    answers.answered()
    assert not answers.behind(0.4) and answers.expected == 1
    answers.asked(0.4)
    assert answers.behind(0.5) and answers.behind(10.3)


def test_lost_answers_are_given_up_in_time_and_late_ones_are_no_credit() -> None:
    answers = Answers()
    for now in (0.0, 0.1, 0.2):
        answers.asked(now)
    answers.answered()
    assert not answers.behind(0.2 + TRY_AGAIN_S)
    answers.asked(11.0)
    assert answers.expected == 1, "the two of before are lost"
    for _ in range(3):
        answers.answered()
    assert answers.expected == 0
    answers.asked(12.0)
    answers.asked(12.1)
    assert answers.behind(12.2), "answers that came late do not allow more frames"
