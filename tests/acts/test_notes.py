"""Notes of people: in the log, and the newest handover beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from byteor.acts.notes import latest_handover, note
from byteor.cli.main import main
from byteor.errors import ByteorError
from byteor_store import AuditLog, audit_path


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BYTEOR_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("BYTEOR_RUNTIME_DIR", str(tmp_path / "run"))


def test_a_mark_is_an_entry_with_its_moment_and_no_handover() -> None:
    seq = note("mark", "the link came back", at_unix_ns=7)
    with AuditLog.observe(audit_path()) as log:
        row = list(log.rows())[seq]
    assert row.leaf.action == "moment_marked" and row.body is not None
    assert json.loads(row.body) == {"text": "the link came back", "at_unix_ns": "7"}
    assert latest_handover() is None


def test_the_newest_handover_is_kept_with_its_number() -> None:
    note("handover", "first")
    seq = note("handover", "second\nline")
    found = latest_handover()
    assert found is not None and (found.audit_seq, found.text) == (seq, "second\nline")


@pytest.mark.parametrize("text", ["", "  \n", "x" * 17_000, "a\udcff"])
def test_a_note_without_text_or_too_long_is_refused_and_not_written(text: str) -> None:
    with pytest.raises(ByteorError) as caught:
        note("mark", text)
    assert caught.value.code == "E_NOTE" and not audit_path().exists()


def test_the_verb_reads_a_file_and_a_dry_run_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "h.txt"
    path.write_text("two incidents are open")
    assert main(["note", "--kind=handover", f"--file={path}", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["audit_seq"] is None and latest_handover() is None
    assert main(["note", "--kind=handover", f"--file={path}", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    found = latest_handover()
    assert found is not None and found.audit_seq == document["audit_seq"]
    assert main(["note", "--kind=gossip", "x"]) == 2
    assert main(["note"]) == 2
