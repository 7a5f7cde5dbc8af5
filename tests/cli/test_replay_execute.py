"""``byteor replay --mode execute`` from end to end, each command a process of its own: what it wants before
the first message, what it refuses, and what it does and leaves when nothing is missing."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from desk import TOML, Desk
from home import BYTEOR

from byteor_store import audit_path, verify

MODULE = (
    "from byteor.runtime.stages import stage\n@stage\ndef mine_own(message: bytes) -> bytes:\n    return {}\n"
)
ALLOWED = TOML.replace('posture = "staging"', 'posture = "staging"\nreplay = "allowed"')


def byteor(*words: object) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [*BYTEOR, *map(str, words), "--json"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


class Recorded:
    """A run that acted under an approval, and the words of its replay."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.module = desk, Path("mine_own.py")
        self.module.write_text(MODULE.format("message.upper()"))
        desk.write_spec("mine_own", f"http_post:{desk.server.origin}/hook")
        request = self.request(action="run")
        desk.approve(request, "alice", "carol")
        words = ("--stages", "./mine_own.py", "--source=file:in", "--sink=null:", "--approval", request[0])
        code, told = byteor("run", desk.spec, "--env", "stage", *words)
        assert (code, told["state"]) == (0, "finished"), told
        self.run_id = told["run_id"]
        self.got = [b"ONE", b"TWO"]

    def execute(self, *words: object) -> tuple[int, dict[str, Any]]:
        return byteor("replay", self.run_id, "--env", "stage", "--mode", "execute", *words)

    def refused(self, *words: object) -> tuple[int, str, str]:
        """Exit, code and why of a replay that must not have acted, nor begun."""
        begun = self.desk.actions().count("replay_started")
        code, told = self.execute(*words)
        assert [body for _, _, body in self.desk.server.got] == self.got
        assert self.desk.actions().count("replay_started") == begun
        return code, told["code"], told["message"]

    def certificate(self, *words: object) -> str:
        code, told = byteor("replay", self.run_id, "--env", "stage", "--stages", "./mine_own.py", *words)
        assert (code, told["verdict"]) == (0, "equal"), told
        return str(told["certificate_path"])

    def request(self, *words: str, action: str = "replay_execute") -> tuple[str, str]:
        asked = (
            "approval",
            "request",
            self.desk.spec,
            "--env",
            "stage",
            "--reason",
            "new",
        )
        code, made = byteor(*asked, "--action", action, "--stages", "./mine_own.py", *words)
        assert code == 0, made
        return made["request_id"], made["digest"]


@pytest.fixture
def recorded(desk: Desk) -> Recorded:
    made = Recorded(desk)
    assert [body for _, _, body in desk.server.got] == made.got
    assert made.refused()[:2] == (4, "E_REPLAY_REFUSED")  # staging's own: dry runs only
    Path("byteor.toml").write_text(ALLOWED)
    desk.team.sign("env", "sign", "byteor.toml", "--version", "2", name="alice")
    return made


def test_a_replay_acts_again_when_all_is_there(recorded: Recorded) -> None:
    certificate = recorded.certificate()
    request = recorded.request("--certificate", certificate, "--max-uses", "2")
    words = ("--certificate", certificate, "--approval", request[0])
    assert recorded.refused(*words)[:2] == (5, "E_APPROVAL_REQUIRED")
    recorded.desk.approve(request, "alice")
    assert recorded.refused(*words)[:2] == (5, "E_QUORUM")
    recorded.desk.approve(request, "carol")
    code, told = recorded.execute(*words, "-o", "out")
    assert (code, told["verdict"], told["mode"]) == (0, "equal", "execute"), told
    assert [body for _, _, body in recorded.desk.server.got] == recorded.got * 2
    keys = [headers["Idempotency-Key"] for _, headers, _ in recorded.desk.server.got]
    assert keys[:2] == keys[2:]  # so that the other side can tell
    audit = json.loads(Path("out/replay_audit.json").read_text())
    assert audit["policy"] == {"env": "stage", "approval_provided": True, "mode": "execute"}
    acted = [(act["stage"], act["decision"]) for act in audit["actions"] if act["role"] == "stage"]
    assert acted == [("s1", "performed")]
    actions = recorded.desk.actions()
    begun = len(actions) - 1 - actions[::-1].index("replay_started")
    assert "approval_used" in actions[begun - 1 : begun + 2]
    assert actions[begun + 1 :].count("effect_intended") == actions[begun + 1 :].count("effect_done") == 2
    assert actions[-1] == "replay_ended"
    recorded.got *= 2

    recorded.desk.server.script = [(204, {}), (500, {})]
    code, told = recorded.execute(*words)
    assert (code, told["failure"]["code"]) == (8, "E_ACTION_FAILED"), told
    recorded.got += [b"ONE", b"TWO"]  # once each: what failed is not tried by a second pass
    assert recorded.refused(*words)[:2] == (9, "E_USED")
    found = verify(audit_path())
    assert found.ok


def test_every_condition_is_asked_before_the_first_message(recorded: Recorded) -> None:
    desk, refused = recorded.desk, recorded.refused
    certificate = recorded.certificate()
    request = recorded.request("--max-uses", "9")
    desk.approve(request, "alice", "carol")
    approved = ("--approval", request[0])
    good = ("--certificate", certificate, *approved)

    code, name, why = refused(*approved)
    assert (code, name) == (4, "E_REPLAY_REFUSED")
    assert "certificate is needed" in why
    code, name, why = refused(*approved, "--certificate", recorded.certificate("--last", "1"))
    assert (code, name) == (4, "E_REPLAY_REFUSED")
    assert "of a part" in why
    Path("junk").write_bytes(Path(certificate).read_bytes().replace(b"payload", b"paYload"))
    assert refused(*approved, "--certificate", "junk")[:2] == (4, "E_REPLAY_REFUSED")
    Path("other.spec.kv").write_text(Path(desk.spec).read_text().replace("/hook", "/other"))
    assert refused(*good, "--spec", "other.spec.kv")[:2] == (4, "E_REPLAY_REFUSED")

    asked = recorded.request(action="run")
    desk.approve(asked, "alice", "carol")
    code, name, _ = refused("--certificate", certificate, "--approval", asked[0])
    assert (code, name) == (9, "E_COMPANION")  # it answers a request to run

    for mine in (ALLOWED, ALLOWED.replace('posture = "staging"', 'posture = "dev"')):
        Path("mine.toml").write_text(mine)
        assert refused(*good, "--environments", "mine.toml")[:2] == (4, "E_ENVIRONMENT_UNTRUSTED")

    desk.team.good("freeze", "--env", "stage", "--reason", "odd")
    assert refused(*good)[:2] == (4, "E_POLICY_DENIED")
    for who in ("alice", "carol"):
        words = ("unfreeze", "--env", "stage", "--kid", f"{who}-1", "--key-file", f"{who}.pem")
        desk.team.run(*words, passphrase=f"passphrase of {who}")

    recorded.module.write_text(MODULE.format("b'evil'"))
    assert refused(*good)[:2] == (4, "E_REPLAY_REFUSED")  # the dry run was of other code
    recorded.module.write_text(MODULE.format("message.upper()"))

    desk.team.sign("approval", "revoke", request[0], "--reason", "wrong", name="alice")
    assert refused(*good)[:2] == (9, "E_REVOKED")
