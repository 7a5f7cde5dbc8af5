"""Text in lines that fit, whoever wrote it."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from byteor_tui.screens.text_lines import inside, wrap

WRITTEN = st.text(alphabet=st.characters(categories=["L", "N", "P", "Zs"]), max_size=200)


@given(WRITTEN, st.integers(1, 60))
@example("漢字" * 20 + " ab", 9)
def test_no_line_is_wider_than_asked_and_no_letter_is_lost(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert all(cell_len(line) <= max(8, width) for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@given(WRITTEN, st.integers(1, 40))
@example("漢字漢字漢字漢字.0", 9)
def test_what_is_cut_inside_takes_its_cells_and_keeps_both_ends(text: str, width: int) -> None:
    said = inside(text, width)
    assert cell_len(said) == width
    if width > 6 and cell_len(text) > width and text.isascii():
        assert said[:2] == text[:2] and said[-2:] == text[-2:] and ".." in said
