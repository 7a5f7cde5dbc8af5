"""``byteor run`` under environments, approvals, freezes and emergencies: who may, who may not, and what is
left of it in the log."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from desk import TOML, Desk
from home import until

from byteor.actions.gate import Gate, approval_gate, environment_gate, make_gate, set_gate
from byteor.acts.approval_folder import folder_of
from byteor.acts.freezes import freeze, unfreeze
from byteor.acts.governed import ask, environment_for
from byteor.acts.question import Question
from byteor.errors import ByteorError, Exit
from byteor.governance.break_glass import BreakGlass, seal_break_glass
from byteor.governance.canonical import time_of
from byteor.governance.private_key import Signer, open_key
from byteor.governance.trust import trusted_keys
from byteor.runtime.folders import runtime_dir
from byteor.runtime.prepare import prepare
from byteor.spec import load
from byteor.state import state_dir
from byteor_store import audit_path, verify


def test_an_approved_run_acts_and_leaves_its_papers(desk: Desk, tmp_path: Path) -> None:
    code, told = desk.run("stage")
    assert (code, told["code"]) == (5, "E_APPROVAL_REQUIRED")
    request = desk.request("stage")
    desk.approve(request, "alice")
    assert desk.run("stage", "--approval", request[0])[1]["code"] == "E_QUORUM"
    assert desk.run("stage", "--approval", request[0])[0] == 5
    desk.approve(request, "carol")
    assert desk.server.got == []
    code, told = desk.run("stage", "--approval", request[0])
    assert (code, told["state"]) == (0, "finished")
    assert [body for _, _, body in desk.server.got] == [b"one", b"two"]
    folder = tmp_path / "RUNTIME_DIR" / told["run_id"]
    policy = json.loads((folder / "policy_audit.json").read_text())
    assert (policy["decision"], policy["rule"]) == ("Allow", "approved")
    assert policy["approval"]["principals"] == ["alice", "carol"]
    assert policy["decisions"][0]["capability"] == f"http_post:{desk.server.origin}"
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir() if path.is_file()} == {0o600}
    told_in_order = ["approval_used", "policy_decision", "run_started", "effect_intended"]
    actions = desk.actions()
    assert actions[actions.index("approval_used") :][:4] == told_in_order
    assert actions[-3:] == ["effect_done", "effect_done", "run_finished"]
    assert desk.run("stage", "--approval", request[0])[1]["code"] == "E_USED"
    assert len(desk.server.got) == 2
    found = verify(audit_path())
    assert found.ok
    assert found.checkpoint_size == found.size  # the refusal at the end is sealed, too


def test_credentials_are_taken_as_files_and_beside_the_spec(desk: Desk) -> None:
    request = desk.request("prod", "--max-uses", "3")
    desk.approve(request, "alice")
    desk.team.good("approval", "export", request[0], "-o", "out")
    assert desk.run("prod", "--credential", "out/alice-1.cred")[0] == 0
    Path("approval.cred").write_bytes(Path("out/alice-1.cred").read_bytes())
    assert desk.run("prod")[1]["code"] == "E_COMPANION"  # prod wants it beside the credential
    Path("approval.dsse").write_bytes(Path("out/alice-1.approval.dsse").read_bytes())
    assert desk.run("prod")[0] == 0
    text = Path("approval.cred").read_text()
    Path("bad.cred").write_text(text[:-9] + ("A" if text[-9] != "A" else "B") + text[-8:])
    code, told = desk.run("prod", "--credential", "bad.cred")
    assert (code, told["code"]) == (9, "E_SIGNATURE")
    desk.write_spec(f"http_post:{desk.server.origin}/other")
    assert desk.run("prod")[:1] == (9,)
    assert desk.run("prod")[1]["code"] == "E_SPEC_HASH"


def test_code_that_nobody_approved_does_not_run_in_prod(desk: Desk, tmp_path: Path) -> None:
    text = "from byteor.runtime.stages import stage\n@stage\ndef mine_own(message: bytes) -> bytes:\n"
    Path("mine_own.py").write_text(text + "    return message\n")
    desk.write_spec("mine_own", f"http_post:{desk.server.origin}/")
    modules = ("--stages", "./mine_own.py")
    request = desk.request("prod", *modules)
    desk.approve(request, "alice")
    Path("mine_own.py").write_text(text + "    return b'evil'\n")
    code, told = desk.run("prod", *modules, "--approval", request[0])
    assert (code, told["code"], desk.server.got) == (9, "E_COMPANION", [])
    Path("mine_own.py").write_text(text + "    return message\n")
    assert desk.run("prod", *modules, "--approval", request[0])[0] == 0


def test_who_asks_for_a_run_does_not_supply_its_policy(desk: Desk) -> None:
    mine = TOML.replace('posture = "prod"', 'posture = "prod"\nid = "x"')
    Path("mine.toml").write_text(mine)
    code, told = desk.run("prod", "--environments", "mine.toml")
    assert (code, told["code"]) == (4, "E_ENVIRONMENT_UNTRUSTED")
    code, told = desk.run("prod", "--environments", "mine.toml", "--dry-effects")
    assert (code, desk.server.got) == (0, [])
    assert desk.actions().count("effect_dry_run") == 2


def test_what_the_table_denies_and_what_no_list_names_does_not_run(desk: Desk) -> None:
    assert desk.run("dev")[0] == 0
    desk.write_spec("exec:/bin/true")
    code, told = desk.run("dev")
    assert (code, told["code"]) == (4, "E_ACTION_NOT_LISTED")
    Path("byteor.toml").unlink()
    Path("byteor.toml.dsse").unlink()
    code, told = desk.run("dev")
    assert (code, told["code"]) == (4, "E_POLICY_DENIED")
    assert "deny-all" in told["message"]
    assert desk.actions()[-2:] == ["policy_decision", "run_refused"]
    desk.write_spec("identity")
    code, told = desk.run("dev")
    assert (code, told["state"]) == (0, "finished")


def test_a_sink_that_posts_is_governed_as_a_stage_is(desk: Desk) -> None:
    desk.write_spec("identity")
    sink = f"--sink={desk.server.origin}/in"
    assert desk.run("dev", sink)[0] == 2  # two sinks for one endpoint
    run = ("run", desk.spec, "--source=file:in", sink, "--env")
    code, told = desk.team.run(*run, "prod")
    assert (code, told["code"]) == (5, "E_APPROVAL_REQUIRED")
    assert desk.team.run(*run, "dev", "--dry-effects")[1]["code"] == "E_POLICY_DENIED"
    assert desk.server.got == []
    request = desk.request("prod", "--capability", f"http_post:{desk.server.origin}")
    desk.approve(request, "alice")
    assert desk.team.run(*run, "prod", "--approval", request[0])[0] == 0
    assert b"".join(body for _, _, body in desk.server.got) == b"one\ntwo\n"


def test_a_plan_tells_what_policy_would_say_and_writes_nothing(desk: Desk) -> None:
    before = desk.actions()
    code, told = desk.run("stage", "--dry-run")
    assert (code, told["policy"]["code"]) == (0, "E_APPROVAL_REQUIRED")
    assert desk.run("dev", "--dry-run")[1]["policy"]["rule"] == "allow-all"
    assert desk.actions() == before


def test_what_was_decided_is_decided_again_under_another_policy(desk: Desk) -> None:
    assert desk.run("dev")[0] == 0
    assert desk.run("stage")[0] == 5
    Path("new.toml").write_text(TOML.replace('posture = "dev"', 'posture = "dev"\nside_effects = "deny_all"'))
    code, told = desk.team.run("policy", "backtest", "--policy", "new.toml")
    assert (code, told["decided"], told["flipped"]) == (1, 2, 1)
    assert (told["flips"][0]["was"], told["flips"][0]["becomes"]) == ("Allow", "Deny")


def test_a_freeze_denies_starts_and_two_people_lift_it(desk: Desk) -> None:
    desk.team.good("freeze", "--env", "dev", "--reason", "odd traffic")
    assert desk.team.good("env", "show", "dev")["frozen"] == "odd traffic"
    code, told = desk.run("dev")
    assert (code, told["code"]) == (4, "E_POLICY_DENIED")
    assert "odd traffic" in told["message"]
    assert desk.team.run("freeze", "--env", "dev", "--reason", "again")[1]["code"] == "E_FREEZE"

    def lift(name: str) -> tuple[int, dict[str, Any]]:
        words = ("unfreeze", "--env", "dev", "--kid", f"{name}-1", "--key-file", f"{name}.pem")
        return desk.team.run(*words, passphrase=f"passphrase of {name}")

    assert lift("alice") == (5, lift_told(["alice"], desk))
    assert lift("alice")[1]["code"] == "E_FREEZE"
    assert desk.run("dev")[0] == 4
    code, told = lift("carol")
    assert (code, told["lifted"], told["lifters"]) == (0, True, ["alice", "carol"])
    assert desk.run("dev")[0] == 0
    assert lift("carol")[1]["code"] == "E_FREEZE"


def lift_told(lifters: list[str], desk: Desk) -> dict[str, Any]:
    seq = len(desk.actions()) - 1
    fields = {"environment": "dev", "lifted": False, "lifters": lifters, "audit_seq": seq}
    return {"schema": "byteor.unfreeze/v1", **fields}


def test_a_damaged_gate_is_told_and_the_freeze_holds_all_the_same(desk: Desk) -> None:
    gate = environment_gate(state_dir(), "dev")
    make_gate(gate)
    gate.write_bytes(b"junk")
    code, told = desk.team.run("freeze", "--env", "dev", "--reason", "odd")
    assert (code, told["code"]) == (4, "E_GATE")
    assert desk.run("dev")[1]["code"] == "E_POLICY_DENIED"


def test_a_revocation_that_comes_between_question_and_start_counts(desk: Desk) -> None:
    request = desk.request("prod")
    desk.approve(request, "alice")
    question = Question(env="prod", approval=request[0])
    spec = load(Path(desk.spec), strict=True)
    permit = ask(question, spec, tuple(prepare(spec).stages.values()), beside=None)
    desk.team.sign("approval", "revoke", request[0], "--reason", "wrong", name="alice")
    folder = runtime_dir() / "r1"
    folder.mkdir()
    identity = type("Identity", (), {"run_id": "r1", "name": "alerts", "pid": 1})()
    with pytest.raises(ByteorError) as caught:
        permit.start(identity, {})
    assert caught.value.code == "E_REVOKED"
    assert "approval_used" not in desk.actions()


def test_a_freeze_holds_the_acts_of_a_live_run_and_lifting_lets_them_go(desk: Desk) -> None:
    environment = environment_for(Question(env="dev"), int(time.time()))
    signers = {name: signer(name) for name in ("alice", "carol")}
    frozen = threading.Event()

    def freeze_now(handler: Any) -> None:
        """The first act freezes the environment: the second message must not be posted."""
        freeze(environment, "stop", now=1_800_000_000)
        handler.send_response(204)
        handler.end_headers()
        frozen.set()

    def thaw() -> None:
        assert frozen.wait(20)
        until(lambda: "effects_held" in desk.actions())
        seen.append(len(desk.server.got))
        now = int(time.time())
        for name, own in signers.items():
            unfreeze(environment, f"{name}-1", own, keys=trusted_keys(), now=now)

    seen: list[int] = []
    desk.server.script = [freeze_now]
    thread = threading.Thread(target=thaw, daemon=True)
    thread.start()
    code, _ = desk.run("dev")
    thread.join(20)
    assert (code, seen, len(desk.server.got)) == (0, [1], 2)
    assert "effects_resumed" in desk.actions()


def test_revoking_an_approval_stops_the_live_run(desk: Desk) -> None:
    request = desk.request("prod")
    desk.approve(request, "alice")

    def revoke(handler: Any) -> None:
        set_gate(approval_gate(state_dir(), request[0]), closed=True)  # as approval revoke does, below
        handler.send_response(204)
        handler.end_headers()

    desk.server.script = [revoke]
    code, told = desk.run("prod", "--approval", request[0])
    assert (code, told["first_failure"]["code"]) == (11, "E_ACTION_REVOKED")
    assert len(desk.server.got) == 1


def test_approval_revoke_closes_the_gate_of_a_used_approval(desk: Desk) -> None:
    request = desk.request("prod", "--max-uses", "2")
    desk.approve(request, "alice")
    assert desk.run("prod", "--approval", request[0])[0] == 0
    gate = approval_gate(state_dir(), request[0])
    assert not Gate(gate).closed
    desk.team.sign("approval", "revoke", request[0], "--reason", "wrong", name="alice")
    assert Gate(gate).closed
    code, told = desk.run("prod", "--approval", request[0])
    assert (code, told["code"]) == (9, "E_REVOKED")


def test_an_emergency_runs_once_and_waits_for_a_second_person(desk: Desk) -> None:
    glass = ("approval", "break-glass", desk.spec, "--env", "prod", "--reason", "the pager is on fire now")
    made = desk.team.sign(*glass, name="alice")
    assert desk.run("prod", "--credential", "break-glass.dsse")[0] == 0
    code, told = desk.run("prod", "--credential", "break-glass.dsse")
    assert (code, told["code"]) == (9, "E_USED")
    assert desk.team.good("approval", "review")["reviews"][0]["closed_by"] is None
    close = ("approval", "review", made["approval_id"], "--note", "it was right", "--kid", "alice-1")
    code, told = desk.team.run(*close, "--key-file", "alice.pem", passphrase="passphrase of alice")
    assert (code, told["code"]) == (4, "E_NOT_ELIGIBLE")
    desk.team.sign("approval", "review", made["approval_id"], "--note", "it was right", name="carol")
    assert desk.team.good("approval", "review")["reviews"][0]["closed_by"] == "carol"
    assert [a for a in desk.actions() if a.startswith("break_glass")] == [
        "break_glass",
        "break_glass_reviewed",
    ]


@pytest.mark.parametrize("own", ["[environments.prod]", '[environments.easy]\nid = "prod"'])
def test_a_given_file_cannot_call_the_hosts_prod_dev(desk: Desk, own: str) -> None:
    Path("own.toml").write_text(f'{own}\nposture = "dev"\n')
    given = (own[len("[environments.") :].partition("]")[0], "--environments", "own.toml")
    code, told = desk.run(*given)
    assert (code, told["code"]) == (Exit.REFUSED, "E_ENVIRONMENT_UNTRUSTED")
    assert desk.server.got == []
    assert desk.run(*given, "--dry-effects")[0] == 0
    Path("own.toml").write_text('[environments.mine]\nposture = "dev"\n')
    assert desk.run("mine", "--environments", "own.toml")[0] == 0


def test_an_emergency_that_nobody_would_review_runs_nothing(desk: Desk) -> None:
    glass = ("approval", "break-glass", desk.spec, "--env", "prod", "--reason", "the pager is on fire now")
    made = desk.team.sign(*glass, name="alice")
    (folder_of(made["approval_id"]) / "break-glass.dsse").unlink()
    code, told = desk.run("prod", "--credential", "break-glass.dsse")
    assert (code, told["code"]) == (Exit.REFUSED, "E_BREAK_GLASS")
    assert desk.server.got == []


def test_while_a_review_is_overdue_nobody_approves_there(desk: Desk) -> None:
    long_ago = int(time.time()) - 25 * 3600
    document = BreakGlass(
        approval_id="11111111-2222-4333-8444-555555555555",
        audience="here",
        capability="exec:/bin/true",
        environment_digest="",
        environment_id="prod",
        expires_at=time_of(long_ago + 900),
        issued_at=time_of(long_ago),
        kid="alice-1",
        principal="alice",
        reason="x",
        spec_hash="",
        v=1,
    )
    folder = folder_of(document.approval_id)
    (folder / "break-glass.dsse").write_bytes(seal_break_glass(document, signer("alice")))
    request, elsewhere = desk.request("prod"), desk.request("stage")
    words = ("approval", "approve", request[0], "--digest", request[1], "--kid", "carol-1")
    code, told = desk.team.run(*words, "--key-file", "carol.pem", passphrase="passphrase of carol")
    assert (code, told["code"]) == (4, "E_REVIEW_OVERDUE")
    desk.approve(elsewhere, "carol")
    note = ("--note", "found nothing")
    desk.team.sign("approval", "review", document.approval_id, *note, name="carol")
    desk.approve(request, "alice")


def signer(name: str) -> Signer:
    return open_key(Path(f"{name}.pem").read_bytes(), f"passphrase of {name}".encode())


@pytest.mark.parametrize(
    "umask", [0o000, *(pytest.param(n, marks=pytest.mark.campaign) for n in (0o022, 0o077))]
)
def test_everything_that_a_governed_run_makes_is_private(desk: Desk, tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        request = desk.request("prod")
        desk.approve(request, "alice")
        assert desk.run("prod", "--approval", request[0])[0] == 0
        desk.team.good("freeze", "--env", "stage", "--reason", "x")
    finally:
        os.umask(before)
    for root in ("state", "RUNTIME_DIR", "SHM_DIR"):
        for path in (tmp_path / root).rglob("*"):
            mode = path.lstat().st_mode & 0o777
            assert mode in ((0o700,) if path.is_dir() else (0o600,)), f"{path} is {mode:o}"


def test_a_freeze_is_told_as_one_whatever_else_is_wanting(desk: Desk) -> None:
    request = desk.request("prod")
    desk.team.good("freeze", "--env", "prod", "--reason", "odd")
    code, told = desk.run("prod", "--approval", request[0])
    assert (code, told["code"]) == (Exit.REFUSED, "E_POLICY_DENIED")
    assert "frozen" in told["message"]


def test_a_request_that_was_taken_back_unanswered_says_so(desk: Desk) -> None:
    request = desk.request("prod")
    code, told = desk.run("prod", "--approval", request[0])
    assert (code, told["code"]) == (Exit.PENDING, "E_APPROVAL_REQUIRED")
    assert "pending" in told["message"]
    desk.team.sign("approval", "revoke", request[0], "--reason", "wrong", name="alice")
    code, told = desk.run("prod", "--approval", request[0])
    assert (code, told["code"]) == (Exit.INTEGRITY, "E_REVOKED")
