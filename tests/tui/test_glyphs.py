"""Trends, bars and charts as characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byteor_tui.glyphs import ASCII, BLOCKS, bar, chart, choose, trend

values = st.lists(st.none() | st.floats(min_value=0, max_value=1e12), max_size=60)


@given(values, st.integers(-3, 130), st.integers(0, 10_000))
def test_a_trend_fills_its_width_exactly(given_values: list[float | None], width: int, closed: int) -> None:
    for glyphs in (BLOCKS, ASCII):
        assert len(trend(given_values, width, glyphs, closed)) == max(0, width)


def test_the_newest_second_is_at_the_right_and_the_unknown_is_dotted() -> None:
    assert trend([None, 0, 50, 100], 60, BLOCKS, 4).endswith("·▁▄▇")


def test_a_rate_that_halves_looks_halved() -> None:
    drawn = trend([100.0] * 30 + [50.0] * 30, 60, BLOCKS, 60)
    assert BLOCKS.ramp.index(drawn[0]) == 6 and BLOCKS.ramp.index(drawn[-1]) in (3, 4)


def test_a_drawn_cell_does_not_change_as_time_passes() -> None:
    minute = [float(second % 7) for second in range(59)]
    before = trend(minute, 20, BLOCKS, 59)
    after = trend([*minute, 3.0], 20, BLOCKS, 60)
    # Groups of three are cut at multiples of three: at 59 the last group has two members, at 60 it is whole.
    assert before[1:19] == after[1:19]


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(-1, 100))
def test_a_bar_is_neither_empty_nor_full_too_early(part: int, whole: int, width: int) -> None:
    drawn = bar(part, whole, width, BLOCKS)
    assert len(drawn) == max(0, width)
    if width >= 2 and 0 < part < whole:
        assert BLOCKS.full in drawn and BLOCKS.empty in drawn


@given(values, st.integers(-1, 200), st.integers(-1, 30))
def test_a_chart_fits_its_box(given_values: list[float | None], width: int, height: int) -> None:
    rows = chart(given_values, width, height, BLOCKS, str)
    assert len(rows) in (0, max(0, height))
    assert all(sum(len(cells) for cells, _ in runs) <= width - 9 for _, runs in rows)


@given(values, st.integers(20, 200), st.integers(1, 30))
def test_each_column_of_a_chart_has_one_crest(
    given_values: list[float | None], width: int, height: int
) -> None:
    rows = chart(given_values, width, height, BLOCKS, str)
    marked = [[(cell, crest) for cells, crest in runs for cell in cells] for _, runs in rows]
    for column in zip(*marked, strict=True):
        drawn = [crest for cell, crest in column if cell != " "]
        assert sum(drawn) <= 1 and drawn == sorted(drawn, reverse=True)


@pytest.mark.parametrize(
    ("most", "axis"),
    [
        (0.0, ""),
        (5e-324, ""),
        (2_100.0, "2500"),
        (1.0, "1.2"),
        (87.0, "120"),
        (86.0, "100"),
        (1e9, "1.2e+09"),
    ],
)
def test_the_axis_of_a_chart_ends_at_a_round_number(most: float, axis: str) -> None:
    assert (
        chart([most], 80, 5, BLOCKS, "{:.3g}".format if most > 1e6 else "{:g}".format)[0][0].strip() == axis
    )


@pytest.mark.parametrize(
    ("environ", "glyphs"),
    [
        ({"TERM": "xterm-256color", "LANG": "C.UTF-8"}, BLOCKS),
        ({"TERM": "xterm-256color"}, BLOCKS),
        ({"TERM": "xterm-256color", "LC_ALL": "C"}, ASCII),
        ({"TERM": "linux", "LANG": "C.UTF-8"}, ASCII),
        ({"TERM": "xterm", "LANG": "C.UTF-8", "NO_COLOR": "1"}, ASCII),
    ],
)
def test_blocks_only_where_the_terminal_can_draw_them(environ: dict[str, str], glyphs: object) -> None:
    assert choose(environ) is glyphs
