"""The filter line as a table."""

from __future__ import annotations

import pytest

from byteor_tui.model.filter import compile_filter


@pytest.mark.parametrize(
    ("text", "said", "figures", "stays"),
    [
        ("", "anything", {}, True),
        ("score", "stage Score", {}, True),
        ("score", "stage parse", {}, False),
        ("~sre", "stage score", {}, True),
        ("~erocs", "stage score", {}, False),
        ("!score", "stage score", {}, False),
        ("!score", "parse", {}, True),
        ("lag>5k", "x", {"lag": 5001}, True),
        ("lag>5k", "x", {"lag": 5000}, False),
        ("lag>=5k", "x", {"lag": 5000}, True),
        ("p99<1.5", "x", {"p99": 1.4}, True),
        ("lag>5k", "x", {}, False),
        ("!lag>5k", "x", {}, True),
        ("errors=0 parse", "parse", {"errors": 0}, True),
        ("errors=0 parse", "detect", {"errors": 0}, False),
        ("lag>.", "lag>. literally", {}, True),
        ("!", "so!", {}, True),
    ],
)
def test_a_row_stays_when_every_word_holds(
    text: str, said: str, figures: dict[str, float], stays: bool
) -> None:
    assert compile_filter(text)(said, figures) is stays
