"""What people did stays in sight on a log that grows between all looks."""

from __future__ import annotations

from pathlib import Path

import pytest

from byteor.acts.notes import note
from byteor_tui.model import audit_tail
from byteor_tui.model.audit_tail import AuditTail


def test_it_looks_back_also_when_the_log_never_rests(private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_tail, "PAGE", 3)
    first = note("mark", "the first of all")
    for number in range(5):
        note("mark", f"{number}")
    tail = AuditTail()
    try:
        assert tail.look().rows[0].seq > first
        note("mark", "meanwhile")
        assert first in {row.seq for row in tail.look().known}
    finally:
        tail.close()


def test_another_entry_is_noticed_when_as_many_leave_the_page_and_when_it_went_by_unseen(
    private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_tail, "PAGE", 3)
    tail, seen = AuditTail(), []
    try:
        for kinds in ("hmm", "mmh", "", "m", "hmmmm", "m"):
            for kind in kinds:
                note("handover" if kind == "h" else "mark", "x")
            seen.append(tail.look().newest("handover_written"))
    finally:
        tail.close()
    first, second, same, still, unseen, rest = seen
    assert first != second == same == still, "one left the page as another came"
    assert unseen != still, "it came and went between two looks"
    assert rest == unseen
