"""byteor audit as a person and a script use it: real files, real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from byteor.cli.main import main
from byteor_store import AuditLog, Event

BYTEOR = [sys.executable, "-m", "byteor"]


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BYTEOR_STATE_DIR", str(tmp_path / "state"))
    path = tmp_path / "state" / "audit.db"
    with AuditLog.open(path) as opened:
        opened.append(Event(action="run_started", actor="user:op", run_id="r1", body={"source": "host:"}))
        opened.append(Event(action="run_started", actor="user:op", run_id="r2"))
        opened.append(Event(action="run_killed", actor="user:op", run_id="r1", body={"why": "a\x1b[2Jb\nc"}))
    return path


def test_the_log_is_printed_oldest_first(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "log"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["#0", "#1", "#2"]
    assert "run_started" in lines[0]
    assert 'source="host:"' in lines[0]


def test_nothing_in_an_entry_reaches_the_terminal_as_a_control(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["audit", "log"])
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 3
    assert all(char.isprintable() or char == "\n" for char in out)


@pytest.mark.parametrize(
    ("options", "seqs"),
    [
        ([], [0, 1, 2]),
        (["--run", "r1"], [0, 2]),
        (["--last", "2"], [1, 2]),
        (["--run", "r1", "--last", "1"], [2]),
        (["--run", "r1\udcff"], []),  # an argument's byte that is no UTF-8
    ],
)
def test_entries_are_chosen_by_run_and_from_the_end(
    log: Path, capsys: pytest.CaptureFixture[str], options: list[str], seqs: list[int]
) -> None:
    assert main(["audit", "log", "--json", *options]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "byteor.audit-log/v1"
    assert [entry["seq"] for entry in document["entries"]] == seqs


def test_an_entry_as_json_has_the_leaf_and_the_body(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["audit", "log", "--json", "--last", "1"])
    (entry,) = json.loads(capsys.readouterr().out)["entries"]
    assert entry["body"] == {"why": "a\x1b[2Jb\nc"}
    assert (entry["action"], entry["run_id"], entry["env"]) == ("run_killed", "r1", None)
    assert entry["ts"].endswith("Z")


def test_following_prints_what_comes_line_by_line(log: Path) -> None:
    process = subprocess.Popen([*BYTEOR, "audit", "log", "--follow", "--json"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        first = [json.loads(process.stdout.readline())["seq"] for _ in range(3)]
        with AuditLog.open(log) as opened:
            opened.append(Event(action="snapshot_taken", actor="user:op"))
        late = json.loads(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(20)
        process.stdout.close()
    assert first == [0, 1, 2]
    assert (late["schema"], late["action"]) == ("byteor.audit-entry/v1", "snapshot_taken")
    assert code == 130


def test_an_intact_log_verifies_and_its_root_is_a_witness(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "verify", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["ok"], found["code"], found["size"], found["witnessed"]) == (True, None, 3, False)
    witness = f"{found['size']}:{found['root']}"
    assert main(["audit", "verify", str(log), "--witness", witness, "--require-witness", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["witnessed"] is True


def test_without_a_witness_the_demand_for_one_fails(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "verify", "--require-witness", "--json"]) == 9
    assert json.loads(capsys.readouterr().out)["code"] == "E_UNWITNESSED"


def test_a_tampered_log_exits_9_and_names_the_entry(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = log.read_bytes()
    assert text.count(b'"source"') == 1
    log.write_bytes(text.replace(b'"source"', b'"fource"'))
    assert main(["audit", "verify", "--json"]) == 9
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False
    assert found["code"] in ("E_AUDIT_UNREADABLE", "E_LEAF_HASH")
    assert main(["audit", "verify"]) == 9
    assert "NOT intact" in capsys.readouterr().out


REFUSALS = [
    (["audit", "verify", "/nowhere/audit.db"], 7, "E_AUDIT_NOT_FOUND"),
    (["audit", "verify", "/dev/null"], 3, "E_AUDIT_UNREADABLE"),
    (["audit", "verify", "/"], 3, "E_AUDIT_UNREADABLE"),
    (["audit", "verify", "--witness", "x"], 2, "E_USAGE"),
    (["audit", "log", "--last", "0"], 2, "E_USAGE"),
    (["audit", "log", "--log", "/nowhere"], 7, "E_AUDIT_NOT_FOUND"),
]


@pytest.mark.parametrize(("argv", "code", "error"), REFUSALS)
def test_what_cannot_be_done_is_told_with_its_code(
    log: Path, capsys: pytest.CaptureFixture[str], argv: list[str], code: int, error: str
) -> None:
    assert main([*argv, "--json"]) == code
    assert json.loads(capsys.readouterr().out)["code"] == error


def test_reading_help_loads_no_database() -> None:
    code = (
        "import sys; from byteor.cli import audit, config;"
        "print([name for name in ('apsw', 'pydantic') if name in sys.modules])"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environ, timeout=30
    )
    assert ran.stdout == "[]\n", ran.stderr


def test_a_proof_travels_without_the_log(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "checkpoint", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["size"] == 3
    proof = tmp_path / "proof.json"
    assert main(["audit", "prove", "--entry", "1", "-o", str(proof)]) == 0
    log.rename(tmp_path / "gone.db")
    capsys.readouterr()
    assert main(["audit", "verify-proof", str(proof), "--key", made["public_key"], "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["seq"], found["signed"], found["leaf"]["run_id"]) == (1, True, "r2")
    assert found["root"] == f"3:{made['root']}"
    proof.write_text(proof.read_text().replace("user:op", "user:me"))
    assert main(["audit", "verify-proof", str(proof)]) == 9


def test_signatures_are_checked_with_the_key_that_was_noted(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["audit", "checkpoint", "--json"])
    public = json.loads(capsys.readouterr().out)["public_key"]
    assert main(["audit", "verify", "--key", public, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["signatures_checked"] is True
    other = "A" * 42 + "E"
    assert main(["audit", "verify", "--key", other, "--json"]) == 9
    assert json.loads(capsys.readouterr().out)["code"] == "E_CHECKPOINT_SIG"


def test_signing_makes_no_log_where_there_is_none(tmp_path: Path) -> None:
    assert main(["audit", "checkpoint", "--log", str(tmp_path / "audit.db")]) == 7
    assert list(tmp_path.iterdir()) == []


def test_arguments_that_are_no_utf8_are_shown_as_text(log: Path, capfd: pytest.CaptureFixture[str]) -> None:
    odd = os.fsdecode(os.fsencode(log.parent) + b"/proof\xff")
    assert main(["audit", "prove", "--entry", "1", "-o", odd, "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["path"].endswith("proof\\udcff")
    assert os.path.exists(odd)  # noqa: PTH110
    assert main(["freeze", "--env", "dev", "--reason", "odd\udcff traffic"]) == 0
    with AuditLog.observe(log) as found:
        (row,) = found.rows(last=1)
    assert row.leaf.action == "environment_frozen" and row.body is not None
    assert json.loads(row.body)["reason"] == "odd\\udcff traffic"
