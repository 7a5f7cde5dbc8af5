"""The tape, the time cursor's words, links, visits, moments: everything that says where and when."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byteor.errors import ByteorError
from byteor_tui.actions.places import PLACE_IDS
from byteor_tui.acts.times import parse_time
from byteor_tui.model.evidence import AuditRow
from byteor_tui.model.history import History
from byteor_tui.model.link import Place, link_of, place_of
from byteor_tui.model.moments import moments
from byteor_tui.model.tape import MAX_FRAMES, MAX_MINUTES, MAX_ROWS, Tape
from byteor_tui.model.view import Moment
from byteor_tui.model.visits import Visits

SECOND = 1_000_000_000
START = 1_760_000_000 * SECOND


def taped(sample: Any, seconds: int, per_s: int = 10) -> Tape:
    tape, history = Tape(), History()
    for tick in range(seconds * per_s):
        tape.add(history.fold(sample(tick / per_s)))
    return tape


def test_the_tape_keeps_a_frame_a_second_and_finds_the_one_before_a_moment(sample: Any) -> None:
    tape = taped(sample, 20)
    assert tape.span == (START, START + 19 * SECOND)
    found = tape.at(START + 7 * SECOND + SECOND // 2)
    assert found is not None and found.taken_unix_ns == START + 7 * SECOND
    before, after = tape.at(0), tape.at(START + 10**15)
    assert before is not None and before.taken_unix_ns == START
    assert after is not None and after.taken_unix_ns == START + 19 * SECOND


def test_a_trend_at_the_cursor_ends_at_the_cursor(sample: Any) -> None:
    tape = taped(sample, 20)
    found = tape.at(START + 9 * SECOND)
    assert found is not None
    assert all(len(row.trend) == 10 and row.trend[-1] == row.rate_per_s for row in found.rows)


def test_stages_that_come_go_and_change_places_have_trends_of_their_own(sample: Any) -> None:
    tape, history, frames = Tape(), History(), []
    for second in range(12):
        made = sample(float(second), rate=100.0 * second)
        workers = made.workers[::-1] if second % 3 else made.workers[second % 4 :]
        frames.append(history.fold(msgspec.structs.replace(made, workers=workers)))
        tape.add(frames[-1])
    for frame in frames:
        found = tape.at(frame.taken_unix_ns)
        assert found is not None and [row.name for row in found.rows] == [row.name for row in frame.rows]
        before = [one for one in frames if one.taken_ns <= frame.taken_ns]
        for row in found.rows:
            own = [past for one in before for past in one.rows if past.name == row.name]
            assert row.trend == tuple(past.rate_per_s for past in own)
            assert row.trend_p99 == tuple(float(past.p99_ns) for past in own)


def test_a_tape_of_a_thousand_stages_is_bounded(sample: Any, worker: Any) -> None:
    many = tuple(worker(f"s{number}") for number in range(1000))
    tape, history = Tape(), History()
    for second in range(40):
        tape.add(history.fold(msgspec.structs.replace(sample(float(second)), workers=many)))
    first = START + (40 - MAX_ROWS // 1000) * SECOND
    assert tape.near(first) == first
    assert tape.near(first - SECOND) == START == tape.near(0), "of what has gone a frame a minute stays"


def test_of_hours_ago_the_tape_has_a_frame_a_minute(sample: Any) -> None:
    tape, history = Tape(), History()
    for second in range(3 * 3600):
        tape.add(history.fold(sample(float(second))))
    end = START + (3 * 3600 - 1) * SECOND
    assert tape.span == (START, end)
    assert tape.near(end - 899 * SECOND) == end - 899 * SECOND
    for hours in (0.5, 1.0, 2.5):
        then = end - int(hours * 3600) * SECOND
        at = tape.near(then)
        found = tape.at(then)
        assert found is not None and found.taken_unix_ns == at
        assert then - 60 * SECOND < at <= then
        assert [len(row.trend) for row in found.rows] == [1] * len(found.rows), "no minute for a second"
        assert tape.after(at) == at + 60 * SECOND
        assert tape.near(at - SECOND) == at - 60 * SECOND
    assert tape.after(end) == end


def test_the_tape_ends_after_half_a_day(sample: Any) -> None:
    tape, history = Tape(), History()
    for number in range(MAX_FRAMES + MAX_MINUTES + 50):
        tape.add(history.fold(sample(number * 60.0)))
    assert tape.span == (START + 50 * 60 * SECOND, START + (MAX_FRAMES + MAX_MINUTES + 49) * 60 * SECOND)


def test_a_frame_comes_off_the_tape_as_it_was_whatever_a_torn_region_said(sample: Any) -> None:
    tape, history = Tape(), History()
    frame = history.fold(sample(1.0))
    frame = msgspec.structs.replace(frame, messages_in=2**70, rate_per_s=float("inf"), state="\udc80")
    tape.add(frame)
    found = tape.at(START + SECOND)
    assert found is not None and tape.at(START + SECOND) is found, "it is asked for each picture"
    plain = [msgspec.structs.replace(row, trend=(), trend_p99=(), trend_closed=0) for row in found.rows]
    rows = [msgspec.structs.replace(row, histogram=(), trend_closed=0) for row in frame.rows]
    assert plain == rows and found.rings == frame.rings and found.needs == frame.needs
    assert (found.messages_in, found.rate_per_s, found.state) == (2**70, float("inf"), "\udc80")


def test_ten_minutes_of_forty_stages_take_no_fifteen_megabytes(sample: Any, worker: Any) -> None:
    many = tuple(worker(f"s{number}", messages_in=number * 977) for number in range(40))
    tape, history = Tape(), History()
    tracemalloc.start()
    for second in range(300):
        tape.add(history.fold(msgspec.structs.replace(sample(float(second)), workers=many)))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 2 << 20


def test_a_clock_that_was_set_back_starts_the_tape_anew(sample: Any) -> None:
    tape, history = Tape(), History()
    for second in (50.0, 51.0, 3.0, 4.0):
        tape.add(history.fold(sample(second)))
    assert tape.span == (START + 3 * SECOND, START + 4 * SECOND)


def test_a_time_is_a_clock_or_so_long_ago() -> None:
    now = int(time.mktime((2026, 3, 4, 12, 0, 0, 0, 0, -1))) * SECOND
    assert parse_time("-90s", now) == now - 90 * SECOND
    assert parse_time("5m", now) == now - 300 * SECOND
    assert parse_time("11:59:30", now) == now - 30 * SECOND
    assert parse_time("12:30", now) == now - 23 * 3600 * SECOND - 1800 * SECOND  # yesterday's
    assert parse_time("noon", now) is None and parse_time("25:00", now) is None


words = st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable() and text != "-")


@given(st.sampled_from(PLACE_IDS), words, words, st.integers(0, 2**62), st.integers(-1, 2**40), words)
def test_a_link_leads_back_to_its_place(
    screen: str, run: str, item: str, at: int, record: int, request: str
) -> None:
    place = Place(screen, run, item, at, record, request)
    assert place_of(link_of(place), PLACE_IDS) == place


@pytest.mark.parametrize(
    "link",
    ["", "http://x/audit", "byteor://x/nowhere", "byteor://x/audit?at=soon", "byteor://x/audit?other=1"],
)
def test_a_link_to_nowhere_is_refused(link: str) -> None:
    with pytest.raises(ByteorError, match="no link") as caught:
        place_of(link, PLACE_IDS)
    assert caught.value.code == "E_LINK" and caught.value.exit == 2


def test_visits_lead_back_and_on_like_a_browsers() -> None:
    visits = Visits()
    a, b, c = Place("overview"), Place("audit"), Place("diff")
    assert visits.back(a) is None
    visits.leave(a)
    visits.leave(b)
    assert visits.back(c) == b and visits.back(b) == a
    assert visits.on(a) == b and visits.on(b) == c and visits.on(c) is None
    visits.back(c)
    visits.leave(b)
    assert visits.on(c) is None


def test_moments_are_this_runs_and_nobodys_in_order(sample: Any) -> None:
    frame = History().fold(sample(1.0))
    rows = tuple(
        AuditRow(seq, seq * SECOND, "op1", action, run_id=run_id)
        for seq, action, run_id in (
            (3, "snapshot_taken", frame.run_id),
            (1, "run_started", frame.run_id),
            (2, "run_started", "another"),
            (4, "effect_dry_run", frame.run_id),
            (5, "key_set_pinned", ""),
            (6, "approval_requested", ""),
        )
    )
    found = moments(frame, rows, (Moment(2 * SECOND, "m", "here"),))
    assert [(one.sign, one.at_unix_ns // SECOND) for one in found] == [
        ("^", 1),
        ("m", 2),
        ("s", 3),
        ("A", 6),
    ]
