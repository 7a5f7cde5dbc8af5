"""Numbers and foreign text on a screen."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from byteor_tui.model import text


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"),
        (7, "7"),
        (0.4, "0.4"),
        (999, "999"),
        (1000, "1.00k"),
        (9_999.4, "10.0k"),
        (12_345, "12.3k"),
        (999_949, "999.9k"),
        (999_960, "1.00M"),
        (1_240_000, "1.24M"),
        (412_300_000, "412.3M"),
        (5e9, "5.00G"),
        (3e15, "3000.0T"),
    ],
)
def test_counts_read_as_people_say_them(value: float, said: str) -> None:
    assert text.count(value) == said


@given(st.floats(min_value=0, max_value=9.9e14))
def test_a_count_never_takes_more_than_six_cells(value: float) -> None:
    assert len(text.count(value)) <= 6


@pytest.mark.parametrize(
    ("ns", "said"),
    [(0, "-"), (-1, "-"), (900, "<0.01"), (400_000, "0.40"), (18_200_000, "18.2"), (2_500_000_000, "2.5s")],
)
def test_latencies_are_milliseconds(ns: int, said: str) -> None:
    assert text.milliseconds(ns) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-1, "0.0s"), (0.1, "0.1s"), (9.96, "9s"), (42, "42s"), (190, "3:10"), (7500, "2h05"), (864_000, "10d")],
)
def test_ages_keep_their_unit(seconds: float, said: str) -> None:
    assert text.age(int(seconds * 1e9)) == said


@pytest.mark.parametrize(
    ("part", "whole", "said"), [(0, 0, "-"), (1, 4, "25 %"), (4095, 4096, "99 %"), (4096, 4096, "100 %")]
)
def test_a_ring_is_said_to_be_full_only_when_it_is(part: int, whole: int, said: str) -> None:
    assert text.percent(part, whole) == said


@given(st.text())
def test_foreign_text_cannot_steer_the_terminal(foreign: str) -> None:
    cleaned = text.clean(foreign)
    assert len(cleaned) == len(foreign)
    assert "\x1b" not in cleaned and "\n" not in cleaned and "\u202e" not in cleaned
    assert cell_len(cleaned) >= 0
    assert text.clean(cleaned) == cleaned


def test_a_stage_name_with_an_escape_sequence_is_made_harmless() -> None:
    assert text.clean("sc\x1b[2Jore\u202e\x9b") == "sc?[2Jore??"


def test_what_the_system_refused_is_told_by_its_file_and_without_a_number() -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "/state/handovers/a.txt")
    assert text.refusal(full) == "/state/handovers/a.txt: No space left on device"
    assert text.refusal(RuntimeError("no driver")) == "no driver"
