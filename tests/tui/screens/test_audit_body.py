"""What the detail of an entry shows of its body."""

from __future__ import annotations

import pytest

from byteor_tui.screens.audit import body


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":', "no JSON", ""])
def test_a_body_that_is_no_object_is_shown_as_it_is(text: str) -> None:
    shown = "".join(cell for line in body(text, 80) for cell, _ in line)
    assert shown.replace(" ", "") == text.replace(" ", "")
