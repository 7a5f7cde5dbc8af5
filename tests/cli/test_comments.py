"""Comments on a request: entries of the log that name it, answer nothing, and are shown with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from terminal import Terminal

from byteor_store import AuditLog, audit_path

SPEC = Path(__file__).parents[2] / "specs" / "alerting.plan.kv"


@pytest.fixture
def asked(team: Terminal) -> dict[str, Any]:
    return team.good("approval", "request", str(SPEC), "--env", "stage", "--reason", "new alerts")


def test_a_comment_is_one_entry_that_names_the_request_and_its_digest(
    team: Terminal, asked: dict[str, Any]
) -> None:
    said = team.good("note", "why b.int?", "--request", asked["request_id"])
    assert (said["kind"], said["request"]) == ("comment", asked["request_id"])
    with AuditLog.observe(audit_path()) as log:
        row = list(log.rows())[said["audit_seq"]]
    assert (row.leaf.action, row.leaf.approval_id) == ("approval_commented", asked["request_id"])
    body = json.loads(row.body or b"")
    assert (body["text"], body["request_sha256"]) == ("why b.int?", asked["digest"])


def test_a_request_is_shown_with_its_comments_and_stands_where_it_stood(
    team: Terminal, asked: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    from byteor.cli import main

    team.good("note", "first", "--request", asked["request_id"])
    team.good("note", "hi \x1b[2J there", "--request", asked["request_id"], "--kind=comment")
    found = team.good("approval", "show", asked["request_id"])
    assert [one["text"] for one in found["comments"]] == ["first", "hi \x1b[2J there"]
    assert found["state"] == "pending"
    capfd.readouterr()
    main(["approval", "show", asked["request_id"]])
    shown = capfd.readouterr().out
    assert ": first\n" in shown and "\x1b" not in shown


def test_a_comment_on_nothing_or_about_a_run_too_is_refused_and_not_written(
    team: Terminal, asked: dict[str, Any]
) -> None:
    def size() -> int:
        with AuditLog.observe(audit_path()) as log:
            return log.size()

    before, nobody = size(), "00000000-2222-4333-8444-555555555555"
    mine = asked["request_id"]
    for words, code, name in (
        (("note", "x", "--request", nobody), 7, "E_NOT_FOUND"),
        (("note", "x", "--request", nobody, "--dry-run"), 7, "E_NOT_FOUND"),
        (("note", "x", "--request", "../" + mine), 7, "E_NOT_FOUND"),
        (("note", " ", "--request", mine), 3, "E_NOTE"),
        (("note", "x", "--kind=comment"), 2, "E_USAGE"),
        (("note", "x", "--kind=mark", "--request", mine), 2, "E_USAGE"),
        (("note", "x", "--run", "r", "--request", mine), 2, "E_USAGE"),
    ):
        exit, document = team.run(*words)
        assert (exit, document["code"]) == (code, name), words
    assert team.good("note", "x", "--request", mine, "--dry-run")["audit_seq"] is None
    assert size() == before
