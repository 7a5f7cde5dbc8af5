"""What the detail of an entry shows of its body."""

from __future__ import annotations

import pytest

from byteor_tui.model.evidence import AuditRow
from byteor_tui.model.moments import marked
from byteor_tui.screens.audit import body


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":', "no JSON", ""])
def test_a_body_that_is_no_object_is_shown_as_it_is(text: str) -> None:
    shown = "".join(cell for line in body(text, 80) for cell, _ in line)
    assert shown.replace(" ", "") == text.replace(" ", "")


def test_what_a_note_holds_cannot_steer_the_terminal_though_json_hid_it() -> None:
    """A control character is an escape in the JSON of an entry, and itself again when that is read."""
    text = r'{"at_unix_ns":"7","text":"hi \u001b[2J \u202e there\nand more"}'
    assert marked(AuditRow(1, 7, "user:op", "moment_marked", body=text)).text == "hi ?[2J ? there and more"
    said = "\n".join("".join(part for part, _ in line) for line in body(text, 80))
    assert "hi ?[2J ? there and more" in said and not set(said) & {"\x1b", "\u202e"}
