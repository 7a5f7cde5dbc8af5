"""Lines of exactly the width that was asked for."""

from __future__ import annotations

from unicodedata import category

from hypothesis import given
from hypothesis import strategies as st

from byteor_tui.tones import Tone, fit, pad, span_width, spread
from byteor_tui.widgets.footer_bar import footer_line
from byteor_tui.widgets.rule import rule_line
from byteor_tui.widgets.top_bar import top_line

names = st.text(alphabet=st.characters(categories=["L", "N", "P", "S"]), max_size=20)
lines = st.lists(st.tuples(names, st.sampled_from(list(Tone))), max_size=5).map(tuple)
widths = st.integers(1, 120)


@given(lines, widths)
def test_fit_gives_exactly_the_width(line: tuple[tuple[str, Tone], ...], width: int) -> None:
    assert span_width(fit(line, width)) == width


@given(st.lists(st.tuples(st.text(max_size=20), st.sampled_from(list(Tone))), max_size=5).map(tuple), widths)
def test_nothing_that_is_drawn_can_steer_a_terminal(line: tuple[tuple[str, Tone], ...], width: int) -> None:
    drawn = fit(line, width)
    assert not any(category(char)[0] == "C" for text, _ in drawn for char in text)
    assert span_width(drawn) == width


@given(names, widths, st.booleans())
def test_pad_gives_exactly_the_width(text: str, width: int, right: bool) -> None:
    assert span_width(((pad(text, width, right=right), Tone.PLAIN),)) == width


@given(lines, lines, widths)
def test_the_left_end_wins_when_both_do_not_fit(
    left: tuple[tuple[str, Tone], ...], right: tuple[tuple[str, Tone], ...], width: int
) -> None:
    line = spread(left, right, width)
    assert span_width(line) == width
    if span_width(left) <= width:
        assert "".join(text for text, _ in line).startswith("".join(text for text, _ in left))


def test_the_top_bar_drops_what_matters_least_first() -> None:
    left = [(2, (("name", Tone.TITLE),)), (0, (("LIVE", Tone.GOOD),)), (1, (("!1", Tone.ALARM),))]
    right = [(3, (("10 Hz", Tone.DIM),))]
    said = ["".join(text for text, _ in top_line(left, right, width)).split() for width in (60, 18, 9, 4)]
    assert said == [["name", "LIVE", "!1", "10", "Hz"], ["name", "LIVE", "!1"], ["LIVE", "!1"], ["LIVE"]]


@given(names, names, widths)
def test_a_rule_is_as_wide_as_its_panel(left: str, right: str, width: int) -> None:
    from byteor_tui.glyphs import BLOCKS

    assert span_width(fit(rule_line(left, right, width, BLOCKS), width)) == width


@given(st.integers(0, 200))
def test_the_footer_never_shows_half_a_key(width: int) -> None:
    from byteor_tui.actions.registry import on_screen

    line = footer_line([(action, True) for action in on_screen("overview")], width)
    assert span_width(line) <= width
    if width >= 16:
        assert "quit" in "".join(text for text, _ in line)
