"""The table of ``byteor top``: rates between two looks, and what a person reads."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from byteor.acts.top import Pace, paces
from byteor.cli.top_table import duration, table
from byteor.runtime.sample import RunSample, WorkerSample

ROW = {
    "run_id": "pipe-1",
    "state": "running",
    "pid": 7,
    "in": 1_000,
    "out": 900,
    "dropped": 0,
    "errors": 0,
    "rate_per_s": 50.4,
    "stopped": False,
}


def worker(name: str, **fields: Any) -> WorkerSample:
    base = WorkerSample(
        name=name,
        role="stage",
        key="identity",
        where="thread",
        pid=7,
        alive=True,
        state="running",
        age_ns=0,
        messages_in=0,
        messages_out=0,
        filtered=0,
        errors=0,
        lag=0,
        busy_ns=0,
        idle_ns=0,
        p50_ns=0,
        p99_ns=0,
        last_error="",
    )
    return msgspec.structs.replace(base, **fields)


def sample(taken_ns: int, *workers: WorkerSample) -> RunSample:
    return RunSample(
        run_id="pipe-1",
        name="pipe",
        state="running",
        env="dev",
        pid=7,
        spec_hash="sha256:00",
        started_unix_ns=0,
        taken_ns=taken_ns,
        taken_unix_ns=0,
        workers=workers,
        rings=(),
        first_failure="",
    )


def test_rates_and_the_busy_part_are_between_two_looks() -> None:
    before = sample(10**9, worker("a", messages_in=100, messages_out=90, busy_ns=500, idle_ns=500))
    now = sample(3 * 10**9, worker("a", messages_in=300, messages_out=190, busy_ns=800, idle_ns=600))
    (pace,) = paces(now, before)
    assert (pace.in_per_s, pace.out_per_s, pace.busy) == (100.0, 50.0, 0.75)


def test_a_first_look_and_a_worker_that_is_new_have_no_rate() -> None:
    now = sample(10**9, worker("a", messages_in=100, busy_ns=5))
    assert [pace.in_per_s for pace in paces(now, None)] == [0.0]
    assert [pace.in_per_s for pace in paces(now, sample(1, worker("b")))] == [0.0]


def test_counters_that_go_back_bring_no_negative_rate() -> None:
    (pace,) = paces(sample(2, worker("a", messages_in=1)), sample(1, worker("a", messages_in=9)))
    assert (pace.in_per_s, pace.busy) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"age_ns": 1_900_000_000}, "running"),
        ({"age_ns": 2_100_000_000}, "silent"),
        ({"age_ns": 2_100_000_000, "alive": False}, "dead"),
        ({"age_ns": 9_000_000_000, "state": "finished"}, "finished"),
        ({"age_ns": 9_000_000_000, "state": "failed", "alive": False}, "failed"),
    ],
)
def test_a_worker_that_stopped_writing_its_row_is_silent(fields: dict[str, Any], state: str) -> None:
    now = sample(1, worker("a", **fields))
    assert [pace.state for pace in paces(now, None)] == [state]
    ended = msgspec.structs.replace(now, state="stopped")
    assert [pace.state for pace in paces(ended, None)] == [now.workers[0].state]


def pace(**fields: Any) -> Pace:
    (made,) = paces(sample(1, worker("parse")), None)
    return msgspec.structs.replace(made, **fields)


def test_a_run_is_a_head_and_a_line_a_worker() -> None:
    text = table([(ROW, (pace(), pace(name="x" * 40)))], colour=False)
    head, titles, first, second = text.split("\n")
    assert head.startswith("pipe-1  running  pid 7  in 1,000  out 900")
    assert "\x1b" not in text
    assert len(titles) == len(first) == len(second)
    assert table([], colour=True) == "no live runs"


def test_a_live_run_whose_regions_are_gone_is_not_hidden() -> None:
    text = table([(ROW, ())], colour=False)
    assert "pipe-1  running" in text
    assert "its regions cannot be read" in text


def test_what_is_wrong_is_red_and_a_degraded_end_is_told() -> None:
    ends = [
        {"endpoint": "egress", "name": "tcp:x", "ok": False, "detail": "reconnecting"},
        {"endpoint": "ingress", "name": "file:y", "ok": True, "detail": "fine"},
    ]
    text = table([({**ROW, "ends": ends}, (pace(errors=1), pace()))], colour=True)
    red = [line for line in text.split("\n") if line.startswith("\x1b[31m")]
    assert len(red) == 2
    assert "egress: tcp:x is degraded: reconnecting" in red[1]
    assert "file:y" not in text


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "-"),
        (850, "850ns"),
        (1_000, "1.0µs"),
        (12_345, "12µs"),
        (3_400_000, "3.4ms"),
        (1_200_000_000, "1.2s"),
        (90_000_000_000, "90s"),
    ],
)
def test_a_duration_is_told_in_its_unit(ns: int, text: str) -> None:
    assert duration(ns) == text
