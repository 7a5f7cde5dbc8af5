"""The requester is known: two people on two hosts, and the ways to ask in another's name that do not work."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from desk import Desk

from byteor_store import current_actor

ME = current_actor().removeprefix("user:")


@pytest.fixture
def there(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Go to another host of the same key set, and back."""
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    shutil.copytree(tmp_path / "state" / "trust", other / "trust")

    def go(away: bool) -> None:
        monkeypatch.setenv("BYTEOR_STATE_DIR", str(other if away else tmp_path / "state"))

    return go


def test_a_signed_request_travels_is_approved_elsewhere_and_runs(
    desk: Desk, there: Callable[[bool], None]
) -> None:
    team = desk.team
    ask = ("approval", "request", desk.spec, "--env", "prod", "--reason", "new")
    made = team.sign(*ask, name="carol")
    assert (made["requester"], made["signed"]) == ("carol", True)
    files = team.good("approval", "export", made["request_id"], "-o", "out")["files"]
    assert [Path(name).name for name in files] == ["request.json", "requester.dsse"]
    there(True)
    code, told = team.run("approval", "import", "out/request.json")
    assert (code, told["code"]) == (9, "E_REQUESTER")
    team.good("approval", "import", *files)
    desk.approve((made["request_id"], made["digest"]), "alice")
    team.good("approval", "export", made["request_id"], "-o", "back")
    there(False)
    assert desk.run("prod", "--approval", made["request_id"])[1]["message"].endswith("nobody has approved it")
    back = team.good("approval", "import", "back")["imported"]
    assert [(row["kind"], row["audit_seq"] is None) for row in back] == [
        ("request", True),
        ("approval", False),
    ]
    assert desk.run("prod", "--approval", made["request_id"])[0] == 0
    assert len(desk.server.got) == 2


def test_credentials_of_a_request_that_is_not_on_record_want_the_requesters_signature(
    desk: Desk, tmp_path: Path
) -> None:
    made = desk.team.sign(
        "approval", "request", desk.spec, "--env", "prod", "--reason", "new", "--max-uses", "3", name="carol"
    )
    desk.approve((made["request_id"], made["digest"]), "alice")
    desk.team.good("approval", "export", made["request_id"], "-o", "out")
    shutil.rmtree(tmp_path / "state" / "approvals")
    assert desk.run("prod", "--credential", "out/alice-1.cred")[0] == 0
    Path("out/requester.dsse").unlink()
    code, told = desk.run("prod", "--credential", "out/alice-1.cred")
    assert (code, told["code"]) == (9, "E_REQUESTER")


@pytest.mark.parametrize("signed", [True, False])
def test_a_signature_of_another_request_beside_the_credential_hides_nothing(
    desk: Desk, tmp_path: Path, signed: bool
) -> None:
    """Neither the signature that this host keeps nor its log's word that the request was made here."""
    ask = ("approval", "request", desk.spec, "--env", "prod", "--max-uses", "2", "--reason")
    other = desk.team.sign(*ask, "another", name="carol")
    made = desk.team.sign(*ask, "this", name="carol") if signed else desk.team.good(*ask, "this")
    desk.approve((made["request_id"], made["digest"]), "alice")
    desk.team.good("approval", "export", other["request_id"], "-o", "other")
    desk.team.good("approval", "export", made["request_id"], "-o", "out")
    shutil.copy("other/requester.dsse", "out/requester.dsse")
    assert desk.run("prod", "--credential", "out/alice-1.cred")[0] == 0
    shutil.rmtree(tmp_path / "state" / "approvals" / made["request_id"])
    code, told = desk.run("prod", "--credential", "out/alice-1.cred")
    assert (code, told.get("code")) == ((9, "E_REQUESTER") if signed else (0, None))


def test_nobody_asks_in_anothers_name(desk: Desk) -> None:
    ask = ("approval", "request", desk.spec, "--env", "stage", "--reason", "new")
    code, told = desk.team.run(*ask, "--requester", "erin")
    assert (code, told["code"]) == (9, "E_REQUESTER")
    signed = (*ask, "--requester", "erin", "--kid", "carol-1", "--key-file", "carol.pem")
    code, told = desk.team.run(*signed, passphrase="passphrase of carol")
    assert (code, told["code"]) == (9, "E_REQUESTER")
    assert desk.team.good(*ask, "--requester", ME)["requester"] == ME


def test_a_request_that_was_made_by_hand_is_not_answered_in_prod(desk: Desk, tmp_path: Path) -> None:
    request = desk.request("prod")
    place = tmp_path / "state" / "approvals" / request[0] / "request.json"
    document = json.loads(place.read_text())
    document["requester"] = "erin"
    place.write_text(json.dumps(document, sort_keys=True, separators=(",", ":")) + "\n")
    shown = desk.team.good("approval", "show", request[0])
    answer = ("approval", "approve", request[0], "--digest", shown["digest"], "--kid", "alice-1")
    code, told = desk.team.run(*answer, "--key-file", "alice.pem", passphrase="passphrase of alice")
    assert (code, told["code"]) == (9, "E_REQUESTER")


def test_who_asked_does_not_approve_whatever_he_calls_himself(desk: Desk) -> None:
    made = desk.team.sign("approval", "request", desk.spec, "--env", "prod", "--reason", "mine", name="alice")
    answer = ("approval", "approve", made["request_id"], "--digest", made["digest"], "--kid", "alice-1")
    code, told = desk.team.run(*answer, "--key-file", "alice.pem", passphrase="passphrase of alice")
    assert (code, told["code"]) == (4, "E_NOT_ELIGIBLE")
