"""byteor audit cosign, export and erase as an operator types them."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from terminal import Terminal

from byteor_store import AuditLog, Event, audit_path


def append(count: int = 1) -> None:
    with AuditLog.open(audit_path()) as log:
        for number in range(count):
            log.append(Event(action="act", actor="user:op", body={"n": number, "name": "Erin Example"}))


def cosign(team: Terminal, *words: str) -> tuple[int, dict[str, Any]]:
    line = ("audit", "cosign", *words, "--kid", "alice-1", "--key-file", "alice.pem")
    return team.run(*line, passphrase="passphrase of alice")


def test_a_witness_signs_what_continues_what_it_saw(team: Terminal) -> None:
    append(5)
    first = team.good("audit", "checkpoint")
    code, told = cosign(team)
    assert (code, told["size"], told["before"]) == (0, first["size"], None)
    append(5)
    team.good("audit", "checkpoint")
    code, told = cosign(team)
    assert (code, told["before"]) == (0, first["size"])
    assert "alice-1" in told["note"]
    found = team.good("audit", "verify")
    assert (found["ok"], found["witnessed"]) == (True, True)


def test_a_checkpoint_travels_and_is_signed_with_its_proof_alone(team: Terminal) -> None:
    append(3)
    first = team.good("audit", "checkpoint")
    Path("note").write_text(first["note"])
    code, told = cosign(team, "--note", "note")
    assert (code, told["code"]) == (2, "E_AUDIT_KEY")
    assert cosign(team, "--note", "note", "--key", first["public_key"])[0] == 0
    append(3)
    Path("note").write_text(team.good("audit", "checkpoint")["note"])
    code, told = cosign(team, "--note", "note")
    assert (code, told["code"]) == (9, "E_PROOF")
    from byteor.cli import main

    assert main(["audit", "prove", "--since", str(first["size"]), "-o", "proof"]) == 0
    code, told = cosign(team, "--note", "note", "--consistency", "proof", "-o", "signed")
    assert (code, told["before"]) == (0, first["size"])
    assert Path("signed").read_text() == told["note"]


@pytest.mark.parametrize("attack", ["roll back", "start afresh"])
def test_what_was_rolled_back_or_started_afresh_is_neither_signed_nor_intact(
    team: Terminal, attack: str
) -> None:
    append(3)
    team.good("audit", "checkpoint")
    folder = audit_path().parent
    copy = folder.with_name("copy")
    copy.mkdir()
    for path in folder.glob("audit.*"):
        shutil.copy2(path, copy)
    append(3)
    team.good("audit", "checkpoint")
    assert cosign(team)[0] == 0
    for path in folder.glob("audit.*"):
        path.unlink()
    if attack == "roll back":
        for path in copy.iterdir():
            shutil.copy2(path, folder)
        assert cosign(team)[1]["code"] == "E_ROLLBACK"
    else:
        append(9)
    code, told = team.run("audit", "verify")
    assert (code, told["code"]) == (9, "E_ROLLBACK" if attack == "roll back" else told["code"])
    assert told["code"] in ("E_ROLLBACK", "E_ROOT")


def test_an_export_is_an_ordinary_database(team: Terminal) -> None:
    append(3)
    told = team.good("audit", "export", "--db", "out.db")
    assert Path("out.db").stat().st_mode & 0o777 == 0o600
    with sqlite3.connect("out.db") as database:
        assert database.execute("SELECT count(*) FROM entries").fetchone()[0] == told["entries"]
        row = database.execute("SELECT seq, action, ts FROM entries ORDER BY seq DESC LIMIT 1").fetchone()
        assert row[:2] == (told["entries"] - 1, "act")
        assert row[2].endswith("Z")
        body = database.execute("SELECT body FROM bodies ORDER BY seq DESC LIMIT 1").fetchone()[0]
    database.close()
    assert json.loads(body) == {"n": 2, "name": "Erin Example"}
    code, refused = team.run("audit", "export", "--db", "out.db")
    assert (code, refused["code"]) == (6, "E_EXISTS")
    team.good("audit", "export", "--db", "leaves.db", "--no-bodies")
    assert b"Erin Example" not in Path("leaves.db").read_bytes()
    assert sorted(path.name for path in Path().glob(".*db*")) == []


def test_an_erased_body_is_gone_from_disk_and_the_log_is_intact(team: Terminal) -> None:
    append()
    seq = team.good("audit", "log", "--last", "1")["entries"][0]["seq"]
    told = team.good("audit", "erase", "--entry", str(seq), "--reason", "request 12")
    assert told["erased"] == seq
    for path in audit_path().parent.glob("audit.db*"):
        assert b"Erin Example" not in path.read_bytes()
    assert team.good("audit", "verify")["ok"]
    code, refused = team.run("audit", "erase", "--entry", str(seq), "--reason", "again")
    assert (code, refused["code"]) == (7, "E_AUDIT_ENTRY")


def test_a_witness_who_believes_a_restore_begins_anew(team: Terminal) -> None:
    append(5)
    team.good("audit", "backup", "-o", "copy.db")
    append(5)
    team.good("audit", "checkpoint")
    team.sign("audit", "cosign", name="alice")
    kid = ("--kid", "alice-1", "--key-file", "alice.pem")
    # Rolled back with no word of it: no option makes a witness of that.
    kept = audit_path().read_bytes()
    for path in audit_path().parent.glob("audit.db*"):
        path.unlink()
    shutil.copy("copy.db", audit_path())
    team.good("audit", "checkpoint")
    again = ("audit", "cosign", *kid, "--restored")
    assert team.run(*again, passphrase="passphrase of alice")[1]["code"] == "E_ROLLBACK"
    audit_path().write_bytes(kept)
    team.good("audit", "restore", "copy.db")
    assert team.run("audit", "verify")[1]["code"] == "E_RESTORED"
    assert team.run("audit", "cosign", *kid, passphrase="passphrase of alice")[0] == 9
    team.sign("audit", "cosign", "--restored", name="alice")
    assert team.good("audit", "verify")["witnessed"]
    append(3)
    assert team.good("audit", "verify")["witnessed"]
