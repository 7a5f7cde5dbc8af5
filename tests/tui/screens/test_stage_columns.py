"""Which columns a width has room for, and what they say."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byteor_tui.glyphs import BLOCKS
from byteor_tui.model.frame import Frame
from byteor_tui.model.history import History
from byteor_tui.screens import stage_columns as columns
from byteor_tui.tones import fit, span_width


@pytest.fixture
def frame(sample: Any) -> Frame:
    history = History()
    for tenth in range(40):
        frame = history.fold(sample(tenth / 10, rate=1000))
    return frame


@given(st.integers(1, 300), st.integers(1, columns.MAX_NAME))
def test_columns_never_take_more_than_the_width(width: int, longest: int) -> None:
    placed = columns.place(width, longest)
    header = columns.header_line(placed, width, "flow")
    if width >= 8:
        assert span_width(header) <= width
    assert placed[0].column.id == "name"


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (20, ["name", "rate"]),
        (40, ["name", "state", "rate", "lag", "errors"]),
        (80, ["name", "state", "rate", "lag", "p99", "errors", "trend", "note"]),
    ],
)
def test_what_decides_is_given_up_last(width: int, shown: list[str]) -> None:
    assert [placed.column.id for placed in columns.place(width, 8)] == shown


def test_names_are_whole_before_the_figures_that_tell_least_get_room() -> None:
    for width in (80, 100, 110, 120):
        placed = {one.column.id: one.width for one in columns.place(width, 16)}
        assert placed["name"] == 16 or "p50" not in placed
    assert columns.place(110, 16)[0].width == 16


@pytest.mark.parametrize("width", [40, 60, 80])
def test_names_that_differ_at_their_ends_look_different_in_little_room(frame: Frame, width: int) -> None:
    rows = [msgspec.structs.replace(frame.rows[0], name=f"normalise-and-score.{shard}") for shard in range(4)]
    placed = columns.place(width, 21)
    said = {
        "".join(text for text, _ in columns.row_line(row, placed, width, BLOCKS, selected=False))
        for row in rows
    }
    assert len(said) == 4


def test_all_columns_are_there_when_there_is_room() -> None:
    assert len(columns.place(200, 12)) == len(columns.COLUMNS)


@pytest.mark.parametrize("width", [10, 20, 40, 60, 80, 100, 120, 160, 200, 250])
def test_a_row_lines_up_under_its_header(frame: Frame, width: int) -> None:
    placed = columns.place(width, columns.longest_name(frame.rows))
    header = fit(columns.header_line(placed, width, "flow"), width)
    for row in frame.rows:
        line = columns.row_line(row, placed, width, BLOCKS, selected=False)
        assert span_width(line) == span_width(columns.header_line(placed, width, "flow"))
        assert span_width(fit(line, width)) == span_width(header) == width


def test_state_is_legible_without_colour(sample: Any) -> None:
    bad = sample(1.0)
    changed = (
        msgspec.structs.replace(bad.workers[0], state="failed"),
        msgspec.structs.replace(bad.workers[1], age_ns=5_000_000_000),
        *bad.workers[2:],
    )
    frame = History().fold(msgspec.structs.replace(bad, workers=changed))
    placed = columns.place(40, 8)
    said = [
        "".join(text for text, _ in columns.row_line(row, placed, 40, BLOCKS, selected=False))
        for row in frame.rows
    ]
    assert said[0].startswith(" !host") and "FAILED" in said[0]
    assert said[1].startswith(" ?parse") and "STALE" in said[1] and "1000" not in said[1]
    assert said[2].startswith("  detect")


def test_sorting_is_stable_and_figures_start_with_the_largest(sample: Any) -> None:
    made = sample(1.0)
    workers = tuple(
        msgspec.structs.replace(worker, lag=lag)
        for worker, lag in zip(made.workers, (0, 9, 0, 5, 0), strict=True)
    )
    rows = History().fold(msgspec.structs.replace(made, workers=workers)).rows

    def names(sort: str, backwards: bool = False) -> list[str]:
        return [row.name for row in columns.ordered(rows, sort, backwards=backwards)]

    assert names("flow") == ["host", "parse", "detect", "annotate", "out"]
    assert names("lag") == ["parse", "annotate", "host", "detect", "out"]
    assert names("lag", backwards=True) == ["host", "detect", "out", "annotate", "parse"]
    assert names("name") == sorted(names("flow"))
    for sort in columns.SORTS:
        assert sorted(names(sort)) == sorted(names("flow"))
