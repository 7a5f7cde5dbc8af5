"""Replays as their audit files tell them; every file is untrusted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from byteor_tui.model.replays import Replay, ReplaysTail, payload, read_replay
from byteor_tui.screens.replay import mark
from byteor_tui.screens.replay_lines import differing, ending
from byteor_tui.tones import Tone

DOCUMENT: dict[str, Any] = {
    "audit_v": 1,
    "created_unix_ms": 1_760_000_000_000,
    "bundle_dir": "/somewhere/inc-1.bundle.zip",
    "spec_sha256": "sha256:" + "5" * 64,
    "input": {"last_n": 12480, "scanned_records": 13000},
    "policy": {"env": "prod", "approval_provided": False, "mode": "dry_run"},
    "actions": [{"action": "http_post", "decision": "replaced", "messages": 312}],
    "result": {
        "counts": {"equal": 12478, "data": 2, "order": 0, "missing": 0, "extra": 0, "beyond": 5},
        "first_divergence": {
            "verdict": "data",
            "stage": "score",
            "sequence": 8819031,
            "expected_hex": b'{"id":1,"score":0.81}'.hex(),
            "actual_hex": b'{"id":1,"score":0.79}'.hex(),
        },
        "certificate": "replay_certificate.dsse",
    },
}


def write(folder: Path, document: object, name: str = "inc-1.20261124T004342.001Z") -> Path:
    path = folder / name / "replay_audit.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def test_a_replay_says_what_it_was_and_where_it_diverged(tmp_path: Path) -> None:
    found = read_replay(write(tmp_path, DOCUMENT))
    assert found is not None
    assert (found.what, found.mode, found.records, found.withheld) == ("inc-1", "dry_run", 12480, 312)
    assert found.diverged == 2 and found.verdict == "2 diverged" and "stage score" in found.first
    assert differing(found.expected, found.actual) == [("score", "0.81", "0.79")]
    assert found.certificate == "", "there is no certificate file beside it"
    (tmp_path / "inc-1.20261124T004342.001Z" / "replay_certificate.dsse").write_bytes(b"x")
    again = read_replay(write(tmp_path, DOCUMENT))
    assert again is not None and again.certificate.endswith("replay_certificate.dsse")


def test_a_part_from_the_middle_of_a_run_is_in_doubt_and_no_divergence(tmp_path: Path) -> None:
    whole = read_replay(write(tmp_path, DOCUMENT, "whole"))
    result = {**DOCUMENT["result"], "from_start": False}
    part = read_replay(write(tmp_path, {**DOCUMENT, "result": result}, "part"))
    assert whole is not None and part is not None
    assert (whole.in_doubt, part.in_doubt, part.verdict) == (False, True, "2 differ?")
    assert (mark(whole)[0], mark(part)) == ("!", ("?", Tone.WARN))

    def said(one: Replay) -> str:
        return " ".join(text.strip() for line in ending(one, 80) for text, _ in line)

    assert "mend the stage" in said(whole) and "mend the stage" not in said(part)
    assert "began in the middle of the run" in said(part)
    none = {**result, "counts": {"equal": 300}}
    equal = read_replay(write(tmp_path, {**DOCUMENT, "result": none}, "equal"))
    assert equal is not None and (equal.verdict, equal.in_doubt) == ("equal", False)


@pytest.mark.parametrize(
    "document", [[], "x", 7, {}, {"result": 3, "input": [], "actions": "no"}, {"actions": [1, None]}]
)
def test_a_file_of_any_shape_is_read_or_left_alone(tmp_path: Path, document: object) -> None:
    found = read_replay(write(tmp_path, document))
    assert found is None or found.diverged == 0


def test_the_tail_reads_a_file_again_only_when_it_changed_and_forgets_a_removed_one(tmp_path: Path) -> None:
    path = write(tmp_path, DOCUMENT)
    tail = ReplaysTail()
    (first,) = tail.look(tmp_path, (path, tmp_path / "gone.json"))
    assert tail.look(tmp_path, ())[0] is first
    path.unlink()
    assert tail.look(tmp_path, ()) == ()


@pytest.mark.parametrize(
    ("hexed", "said"), [(b"abc".hex(), "abc"), ("00ff", "00 ff"), ("zz", ""), (None, ""), (7, "")]
)
def test_a_payload_is_text_or_hex(hexed: object, said: str) -> None:
    assert payload(hexed) == said


@pytest.mark.parametrize(
    ("a", "b", "rows"),
    [
        ('{"a":{"b":[1,2]}}', '{"a":{"b":[1,3]}}', [("a.b[1]", "2", "3")]),
        ('{"a":1}', '{"b":1}', [("a", "1", "absent"), ("b", "absent", "1")]),
        ("[1]", "[1,2]", [("the whole", "[1]", "[1,2]")]),
        ('{"a":1}', '{"a":true}', [("a", "1", "true")]),
        ("no json", "{}", []),
    ],
)
def test_fields_that_differ_are_named_by_their_path(a: str, b: str, rows: list[tuple[str, str, str]]) -> None:
    assert differing(a, b) == rows
