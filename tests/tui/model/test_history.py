"""Folding samples into frames: rates, trends, marks, needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byteor.runtime.sample import LaneSample, RingSample, RunSample, WorkerSample
from byteor_tui.model.frame import Mark
from byteor_tui.model.history import TREND_SECONDS, History, judge

Make = Callable[..., Any]


def with_worker(sample: RunSample, name: str, **changes: Any) -> RunSample:
    workers = tuple(
        msgspec.structs.replace(worker, **changes) if worker.name == name else worker
        for worker in sample.workers
    )
    return msgspec.structs.replace(sample, workers=workers)


def test_a_single_sample_claims_no_rate(sample: Make) -> None:
    frame = History().fold(sample(1.0))
    assert frame.rate_per_s is None
    assert {row.rate_per_s for row in frame.rows} == {None}


def test_the_rate_is_that_of_the_last_second(sample: Make) -> None:
    history = History()
    for tenth in range(30):
        history.fold(sample(tenth / 10, rate=1000))
    for tenth in range(11):
        frame = history.fold(sample(3 + tenth / 10, rate=1000 + 0))
    assert frame.rate_per_s == pytest.approx(1000, rel=0.01)
    moved = 4000
    for tenth in range(1, 12):
        stopped = sample(4 + tenth / 10, rate=0)
        for row in stopped.workers:
            stopped = with_worker(stopped, row.name, messages_in=moved, messages_out=moved)
        frame = history.fold(stopped)
    assert frame.rate_per_s == pytest.approx(0, abs=1)


def test_a_source_is_judged_by_what_it_publishes_and_a_sink_by_what_it_takes(sample: Make) -> None:
    history = History()
    history.fold(sample(0.0))
    frame = history.fold(sample(1.0, rate=500))
    rates = {row.name: row.rate_per_s for row in frame.rows}
    assert rates["host"] == rates["out"] == pytest.approx(500)
    assert (frame.messages_in, frame.messages_out) == (500, 500)


def test_counters_that_start_again_give_no_negative_rate(sample: Make) -> None:
    history = History()
    history.fold(sample(10.0))
    history.fold(sample(11.0))
    frame = history.fold(sample(11.5, rate=1))
    assert all(row.rate_per_s is None or row.rate_per_s >= 0 for row in frame.rows)


def test_a_trend_has_one_value_a_second_and_at_most_a_minute(sample: Make) -> None:
    history = History()
    for tenth in range(900):
        frame = history.fold(sample(tenth / 10, rate=2000))
    row = frame.rows[1]
    assert len(row.trend) == TREND_SECONDS
    assert row.trend_closed == 89
    assert all(value == pytest.approx(2000, rel=0.02) for value in row.trend)


def test_a_gap_in_reading_shows_as_unknown_seconds_and_loses_no_messages(sample: Make) -> None:
    history = History()
    history.fold(sample(0.0))
    history.fold(sample(1.0))
    frame = history.fold(sample(6.0))
    assert frame.rows[1].trend == (1000.0, None, None, None, None, 1000.0)


def test_a_steady_second_is_not_drawn_before_it_is_over(sample: Make) -> None:
    history = History()
    history.fold(sample(0.0))
    frames = [history.fold(sample(tenth / 10)) for tenth in range(1, 10)]
    assert all(frame.rows[1].trend == () for frame in frames)


@pytest.mark.parametrize(
    ("run_state", "changes", "word", "mark"),
    [
        ("running", {}, "run", Mark.NONE),
        ("starting", {"state": "starting"}, "start", Mark.NONE),
        ("running", {"state": "starting", "pid": 0, "alive": False, "age_ns": 10**12}, "start", Mark.NONE),
        ("dead", {"state": "starting", "pid": 0, "alive": False}, "DEAD", Mark.ALERT),
        ("draining", {"state": "draining"}, "drain", Mark.NONE),
        ("running", {"state": "failed"}, "FAILED", Mark.ALERT),
        ("running", {"alive": False}, "DEAD", Mark.ALERT),
        ("running", {"age_ns": 2_100_000_000}, "STALE", Mark.UNKNOWN),
        ("running", {"state": "finished", "alive": False, "age_ns": 10**12}, "done", Mark.NONE),
        ("finished", {"state": "finished", "alive": False, "age_ns": 10**12}, "done", Mark.NONE),
        ("failed", {"alive": False, "age_ns": 10**12}, "ended", Mark.NONE),
        ("failed", {"state": "failed", "alive": False}, "FAILED", Mark.ALERT),
        ("dead", {"alive": False, "age_ns": 10**12}, "DEAD", Mark.ALERT),
        ("running", {"state": "odd\x1b"}, "odd?", Mark.NONE),
    ],
)
def test_the_word_and_mark_of_a_worker(
    worker: Callable[..., WorkerSample], run_state: str, changes: dict[str, Any], word: str, mark: Mark
) -> None:
    assert judge(run_state, worker(**changes)) == (word, mark)


def test_a_healthy_run_needs_nobody(sample: Make) -> None:
    assert History().fold(sample(1.0)).needs == ()


def test_a_failed_stage_and_a_stale_worker_need_somebody_alerts_first(sample: Make) -> None:
    bad = with_worker(sample(1.0), "parse", age_ns=4_200_000_000)
    bad = with_worker(bad, "detect", state="failed", last_error="ValueError: no\x1b number", errors=1)
    needs = History().fold(bad).needs
    assert [(need.mark, need.subject) for need in needs] == [(Mark.ALERT, "detect"), (Mark.UNKNOWN, "parse")]
    assert needs[0].text == "ValueError: no? number"
    assert "4.2s" in needs[1].text


def test_an_alert_keeps_the_moment_it_was_first_seen_and_forgets_it_when_it_goes(sample: Make) -> None:
    history = History()
    first = with_worker(sample(1.0), "parse", age_ns=3_000_000_000)
    later = with_worker(sample(5.0), "parse", age_ns=7_000_000_000)
    assert history.fold(first).needs[0].since_unix_ns == first.taken_unix_ns
    assert history.fold(later).needs[0].since_unix_ns == first.taken_unix_ns
    assert history.fold(sample(6.0)).needs == ()
    again = with_worker(sample(9.0), "parse", age_ns=3_000_000_000)
    assert history.fold(again).needs[0].since_unix_ns == again.taken_unix_ns


def test_the_first_failure_of_the_run_is_told_once_and_by_the_name_of_its_stage(sample: Make) -> None:
    failed = with_worker(sample(1.0), "detect", state="failed", last_error="boom")
    failed = msgspec.structs.replace(failed, state="failed", first_failure="stage detect at sequence 7: boom")
    (need,) = History().fold(failed).needs
    assert (need.mark, need.subject, need.text) == (Mark.ALERT, "detect", "at sequence 7: boom")
    nameless = msgspec.structs.replace(failed, first_failure="supervisor: no space")
    assert "supervisor: no space" in {need.text for need in History().fold(nameless).needs}


def test_a_killed_supervisor_is_one_alert_not_one_a_worker(sample: Make) -> None:
    dead = sample(1.0, state="dead")
    for name in [worker.name for worker in dead.workers]:
        dead = with_worker(dead, name, alive=False)
    needs = History().fold(dead).needs
    assert len(needs) == 1 and "4242" in needs[0].text


def test_the_stage_everybody_waits_for_is_noted_only_while_the_ring_is_full(sample: Make) -> None:
    calm = History().fold(sample(2.0))
    assert {row.note for row in calm.rows} == {""}
    full = sample(2.0)
    ring = msgspec.structs.replace(full.rings[0], in_flight=4000)
    frame = History().fold(msgspec.structs.replace(full, rings=(ring,)))
    assert {row.name: row.note for row in frame.rows if row.note} == {"detect": "min gate"}


def test_an_ended_run_shows_no_present_rate(sample: Make) -> None:
    history = History()
    history.fold(sample(1.0))
    frame = history.fold(sample(2.0, state="finished"))
    assert frame.ended and frame.rate_per_s is None


counts = st.integers(min_value=-(2**63), max_value=2**63)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**40),
            counts,
            counts,
            st.text(max_size=5),
            st.sampled_from(["running", "failed", "finished", "?"]),
            st.booleans(),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_no_torn_or_hostile_sample_breaks_the_fold(steps: list[tuple[int, int, int, str, str, bool]]) -> None:
    """A reader may see torn rows of a dying run: anything in, a frame out."""
    history = History()
    for at_ns, one, two, name, state, alive in steps:
        worker = WorkerSample(
            name,
            "stage",
            "k",
            "thread",
            one,
            alive,
            state,
            two,
            one,
            two,
            one,
            two,
            one,
            two,
            one,
            two,
            one,
            name,
        )
        sample = RunSample("r", name, state, "", 1, "", 0, at_ns, at_ns, (worker, worker), (), name)
        frame = history.fold(sample)
        assert len(frame.rows) == 2


def test_nothing_a_run_says_can_steer_the_terminal() -> None:
    evil = "\x1b[2J\u202e\r\n"
    worker = WorkerSample(evil, evil, evil, evil, 1, True, evil, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, evil)
    ring = RingSample(evil, 1, 1, 1, ((evil, 1),), 1, False)
    sample = RunSample(evil, evil, evil, evil, 1, evil, 0, 0, 0, (worker,), (ring,), evil)

    def texts(value: Any) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            for part in value.values():
                yield from texts(part)
        elif isinstance(value, list | tuple):
            for part in value:
                yield from texts(part)

    found = list(texts(msgspec.to_builtins(History().fold(sample))))
    assert len(found) > 10
    assert [text for text in found if not text.isprintable()] == []


def test_a_ring_that_is_told_as_a_lane_too_is_one_row(sample: Any) -> None:
    made = sample(1.0)
    (ring,) = made.rings
    fields = {"name": "ring-0", "kind": "sequenced", "path": ring.path, "capacity": 4096, "slot_bytes": 256}
    zeros = dict.fromkeys(
        (
            *("published", "depth", "high_water", "dropped", "dropped_full", "dropped_aborted"),
            *("dropped_oversize", "dropped_no_credit", "full_waits"),
        ),
        0,
    )
    lane = LaneSample(**fields, **zeros, readers=(), stream="open")
    other = msgspec.structs.replace(lane, name="a", path="/dev/shm/a.region")
    frame = History().fold(msgspec.structs.replace(made, lanes=(lane, other)))
    assert [one.name for one in frame.rings] == ["ring-0", "a"]
