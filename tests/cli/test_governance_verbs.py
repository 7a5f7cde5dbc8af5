"""The governance verbs as an operator types them: one story through real processes' files, in one folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from terminal import Terminal

SPEC = Path(__file__).parents[2] / "specs" / "alerting.plan.kv"


@pytest.fixture
def asked(team: Terminal) -> Callable[[], dict[str, Any]]:
    def ask(env: str = "stage") -> dict[str, Any]:
        return team.good("approval", "request", str(SPEC), "--env", env, "--reason", "new alerts")

    return ask


def state_of(terminal: Terminal, request: dict[str, Any]) -> str:
    return str(terminal.good("approval", "show", request["request_id"])["state"])


def test_two_people_approve_and_the_files_verify(team: Terminal, asked: Any) -> None:
    request = asked()
    digest = ("--digest", request["digest"])
    assert (
        team.sign("approval", "approve", request["request_id"], *digest, name="alice")["state"] == "pending"
    )
    assert (
        team.sign("approval", "approve", request["request_id"], *digest, name="carol")["state"] == "approved"
    )
    team.good("approval", "export", request["request_id"], "-o", "out")
    verify = ("approval", "verify", "--keys", "signing_keys.json", "--spec", str(SPEC), "--env", "stage")
    both = ("--credential", "out/alice-1.cred", "--credential", "out/carol-1.cred")
    found = team.good(*verify, *both)
    assert (found["ok"], found["code"], found["principals"]) == (True, None, ["alice", "carol"])
    code, found = team.run(*verify, *both[:2])
    assert (code, found["ok"], found["code"]) == (9, False, "E_QUORUM")
    code, found = team.run(*verify, *both, "--now", "2035-01-01T00:00:00Z")
    assert (code, found["code"]) == (9, "E_UNKNOWN_KEY")
    with Path("out/alice-1.cred").open("a") as file:
        file.write("\n")
    code, found = team.run(*verify, *both)
    assert (code, found["code"]) == (9, "E_DECODE")


def test_answers_travel_to_another_host_and_count_there(
    team: Terminal, asked: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = asked()
    for name in ("alice", "carol"):
        team.sign("approval", "approve", request["request_id"], "--digest", request["digest"], name=name)
    files = team.good("approval", "export", request["request_id"], "-o", "out")["files"]
    monkeypatch.setenv("BYTEOR_STATE_DIR", str(tmp_path / "other"))
    code, document = team.run("approval", "import", *files)
    assert (code, document["code"]) == (7, "E_NOT_PINNED")
    fingerprint = team.good("key", "list", "--keys", "signing_keys.json")["fingerprint"]
    team.good("key", "trust", "signing_keys.json", "--fingerprint", fingerprint)
    imported = team.good("approval", "import", *reversed(files))["imported"]
    assert sorted(row["kind"] for row in imported) == ["approval", "approval", "request"]
    assert state_of(team, request) == "approved"


def test_who_signs_names_what_was_shown(team: Terminal, asked: Any) -> None:
    request = asked()
    code, document = team.run(
        "approval", "approve", request["request_id"], "--digest", "sha256:" + "0" * 64, "--kid", "alice-1",
        "--key-file", "alice.pem", passphrase="passphrase of alice",
    )  # fmt: skip
    assert (code, document["code"]) == (3, "E_REQUEST")
    assert state_of(team, request) == "pending"


def test_a_no_ends_a_request(team: Terminal, asked: Any) -> None:
    request = asked()
    told = team.sign(
        "approval",
        "deny",
        request["request_id"],
        "--digest",
        request["digest"],
        "--reason",
        "not today",
        name="carol",
    )
    assert told["state"] == "denied"
    code, document = team.run(
        "approval", "approve", request["request_id"], "--digest", request["digest"], "--kid", "alice-1",
        "--key-file", "alice.pem", passphrase="passphrase of alice",
    )  # fmt: skip
    assert (code, document["code"]) == (6, "E_REQUEST_STATE")


def test_revoking_reaches_the_check_on_files(team: Terminal, asked: Any) -> None:
    request = asked()
    for name in ("alice", "carol"):
        team.sign("approval", "approve", request["request_id"], "--digest", request["digest"], name=name)
    team.good("approval", "export", request["request_id"], "-o", "out")
    team.sign(
        "approval",
        "revoke",
        request["request_id"],
        "--reason",
        "wrong",
        "-o",
        "revocations.dsse",
        name="alice",
    )
    assert state_of(team, request) == "revoked"
    code, found = team.run(
        "approval", "verify", "--keys", "signing_keys.json", "--spec", str(SPEC), "--env", "stage",
        "--credential", "out/alice-1.cred", "--credential", "out/carol-1.cred",
    )  # fmt: skip
    assert (code, found["code"]) == (9, "E_REVOKED")


def test_prod_tells_that_a_credential_alone_is_not_enough(team: Terminal, asked: Any) -> None:
    request = asked("prod")
    team.sign("approval", "approve", request["request_id"], "--digest", request["digest"], name="alice")
    team.good("approval", "export", request["request_id"], "-o", "out")
    verify = ("approval", "verify", "--keys", "signing_keys.json", "--spec", str(SPEC), "--env", "prod",
              "--credential", "out/alice-1.cred")  # fmt: skip
    assert team.good(*verify)["still_needed"] == ["approval.dsse"]
    assert team.good(*verify, "--companion", "out/alice-1.approval.dsse")["still_needed"] == []


def test_every_step_leaves_its_row_in_the_audit_log(team: Terminal, asked: Any) -> None:
    request = asked()
    team.sign("approval", "approve", request["request_id"], "--digest", request["digest"], name="alice")
    from byteor_store import AuditLog, audit_path

    with AuditLog.observe(audit_path()) as log:
        actions = [row.leaf.action for row in log.rows()]
        assert actions == ["key_set_pinned", "approval_requested", "approval_granted"]
        assert [row.leaf.kid for row in log.rows()][-1] == "alice-1"


def test_everything_in_the_state_folder_is_private(team: Terminal, asked: Any, tmp_path: Path) -> None:
    request = asked()
    team.sign("approval", "approve", request["request_id"], "--digest", request["digest"], name="alice")
    for path in (tmp_path / "state").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    assert (team.folder / "alice.pem").stat().st_mode & 0o777 == 0o600


def test_no_passphrase_and_no_private_key_appears_anywhere(
    team: Terminal, asked: Any, tmp_path: Path
) -> None:
    request = asked()
    team.sign("approval", "approve", request["request_id"], "--digest", request["digest"], name="alice")
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"passphrase of" not in path.read_bytes(), path


def test_a_key_set_is_rotated_and_the_older_one_is_then_refused(team: Terminal) -> None:
    old = Path("signing_keys.json").read_bytes()
    made = team.good(
        "key",
        "generate",
        "alice-2",
        "--principal",
        "alice",
        "--group",
        "ops",
        "-o",
        "alice2.pem",
        passphrase="passphrase of alice",
    )
    Path("alice2.json").write_text(json.dumps(made["key"]))
    changed = team.good("key", "rotate", "alice-1", "alice2.json")
    assert (changed["version"], changed["signatures"]) == (2, [])
    code, document = team.run("key", "trust", "signing_keys.json")
    assert (code, document["code"]) == (9, "E_KEYSET_CHAIN")
    team.sign("key", "sign", name="alice")
    assert team.good("key", "trust", "signing_keys.json")["version"] == 2
    assert [key["kid"] for key in team.good("key", "list")["keys"] if key["usable"]] == [
        "alice-1",
        "carol-1",
        "alice-2",
    ]
    Path("old.json").write_bytes(old)
    code, document = team.run("key", "trust", "old.json")
    assert (code, document["code"]) == (9, "E_KEYSET_ROLLBACK")


def test_a_revoked_key_stays_revoked_and_an_approvers_key_is_never_plain(team: Terminal) -> None:
    team.good("key", "revoke", "carol-1")
    code, document = team.run("key", "retire", "carol-1")
    assert (code, document["code"]) == (9, "E_KEYSET")
    code, document = team.run("key", "generate", "x", "--principal", "x", "-o", "x.pem", "--plain")
    assert (code, document["code"]) == (2, "E_USAGE")
    team.good("key", "generate", "log-1", "--principal", "log", "--group", "log", "-o", "log.pem", "--plain")


def test_a_signed_byteor_toml_is_trusted_and_an_unsigned_one_is_not(team: Terminal) -> None:
    assert team.good("env", "show", "prod")["trusted"] is False
    team.sign("env", "sign", "byteor.toml", "--version", "3", name="alice")
    shown = team.good("env", "show", "prod")
    assert (shown["trusted"], shown["effects_here"]) == (True, True)
    team.sign("env", "sign", "byteor.toml", "--version", "2", name="alice")
    code, document = team.run("env", "show", "prod")
    assert (code, document["code"]) == (9, "E_ENVIRONMENTS_ROLLBACK")


def test_policy_answers_of_an_environment_a_spec_and_raw_inputs(terminal: Terminal) -> None:
    found = terminal.good("policy", "explain", "--env", "prod")
    assert (found["decision"], found["rule"]) == ("RequireApproval", "approval-required")
    assert found["smallest_change"] == [{"input": "approved", "from": False, "to": True}]
    found = terminal.good("policy", "explain", "--env", "stage", "--spec", str(SPEC), "--approved")
    assert [row["decision"] for row in found["decisions"]] == ["Allow"]
    raw = ("policy", "explain", "--posture", "dev", "--replay-policy", "allowed", "--side-effects")
    assert terminal.good(*raw, "allow_all")["decision"] == "Allow"
    assert terminal.good(*raw, "alow_all")["rule"] == "fail-closed"
    assert terminal.run(*raw, "allow_all", "--env", "prod")[0] == 2


def test_the_table_has_432_rows(terminal: Terminal) -> None:
    assert len(terminal.good("policy", "table")["rows"]) == 432


def test_policy_check_tells_every_problem(terminal: Terminal) -> None:
    assert terminal.good("policy", "check")["environments"] == 2
    Path("byteor.toml").write_text('[environments.a]\nposture = "x"\n[environments.b]\n')
    code, found = terminal.run("policy", "check")
    assert (code, found["ok"]) == (3, False)
    assert [row["key"] for row in found["problems"]] == ["environments.a.posture", "environments.b.posture"]


def test_a_backtest_lists_what_flips(terminal: Terminal) -> None:
    row = {
        "seq": 4,
        "environment": "stage",
        "capability": "exec:/bin/a",
        "side_effecting": True,
        "dry_run": False,
        "approved": False,
        "replay": False,
        "decision": "Allow",
        "rule": "allow-all",
    }
    Path("history").write_text(json.dumps(row) + "\n")
    code, found = terminal.run("policy", "backtest", "--policy", "byteor.toml", "--history", "history")
    assert (code, found["flipped"], found["flips"][0]["becomes"]) == (1, 1, "RequireApproval")
    Path("history").write_text("{}\n")
    code, found = terminal.run("policy", "backtest", "--policy", "byteor.toml", "--history", "history")
    assert (code, found["code"], found["where"]["line"]) == (3, "E_HISTORY", 1)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("env", "show", "prd"), 7), (("approval", "show", "../../etc"), 7), (("key", "list"), 7),
        (("approval", "import", "none"), 7), (("key", "trust", "byteor.toml"), 9),
        (("key", "trust", "none"), 7),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told_with_its_exit_code(
    words: tuple[str, ...], code: int, terminal: Terminal
) -> None:
    found, document = terminal.run(*words)
    assert (found, document["ok"]) == (code, False)
    assert document["hint"] or document["code"] == "E_NOT_FOUND"
