"""A replay asks policy first; one that acts meets every condition before the first message."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from recorded import ran, spec

from byteor.acts import replays
from byteor.acts.captures import capture_of
from byteor.acts.host_key import host_signer
from byteor.acts.replay_policy import Proof, Recorded, _check_certificate
from byteor.errors import ByteorError, Exit
from byteor.governance.private_key import generate
from byteor.incident.errors import IncidentError
from byteor.incident.replay.audit import Certificate, sealed_certificate
from byteor.incident.replay.compare import Counts

pytestmark = pytest.mark.usefixtures("home")
NOW = 1_800_000_000
GOOD = Certificate(
    bundle_digest=None, counts=Counts(equal=1), created_unix_ms=NOW * 1000, first_divergence=None,
    input_first=0, input_last=9, inputs=1, log_root=None, log_size=None, mode="dry_run",
    replayed_spec_hash="sha256:a", run_id="r", sample_sha256=(), spec_hash="sha256:a", stages=(),
    undeclared_divergence=False,
)  # fmt: skip
RECORDED = Recorded("r", "sha256:a", None, first=0, last=9)


def environments(folder: Path, **fields: str) -> Path:
    lines = ['org_id = "acme"', 'project_id = "p"', "[environments.dev]", 'posture = "dev"']
    path = folder / "byteor.toml"
    path.write_text("\n".join([*lines, *(f'{key} = "{value}"' for key, value in fields.items())]) + "\n")
    return path


def refusal(folder: Path, **request: Any) -> ByteorError:
    with pytest.raises(ByteorError) as caught:
        replays.replay_now(replays.ReplayRequest(which=None, **request))
    return caught.value


def test_where_replay_is_disabled_not_even_a_dry_run_takes_place(tmp_path: Path) -> None:
    ran(tmp_path)
    proof = Proof(environments=environments(tmp_path, replay="disabled"))
    error = refusal(tmp_path, proof=proof)
    assert (error.code, error.exit) == ("E_POLICY_DENIED", Exit.REFUSED)
    assert "replay-disabled" in error.message


def test_execute_without_an_approval_is_pending(tmp_path: Path) -> None:
    ran(tmp_path)
    error = refusal(tmp_path, mode="execute")
    assert (error.code, error.exit) == ("E_APPROVAL_REQUIRED", Exit.PENDING)


def test_only_the_recorded_spec_acts_again(tmp_path: Path) -> None:
    ran(tmp_path)
    assert refusal(tmp_path, mode="execute", spec=spec(tmp_path, "crc32c")).code == "E_REPLAY_REFUSED"


def test_an_environment_that_the_asker_could_have_written_permits_no_effect(tmp_path: Path) -> None:
    ran(tmp_path)
    text = environments(tmp_path).read_text().replace("dev", "staging")
    (tmp_path / "byteor.toml").write_text(text)
    proof = Proof(env="staging", environments=tmp_path / "byteor.toml")
    assert refusal(tmp_path, mode="execute", proof=proof).code == "E_REPLAY_REFUSED"
    assert not replays.replay_now(replays.ReplayRequest(which=None, proof=proof)).replayed.diverged


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"mode": "execute"}, "not of a dry run"),
        ({"run_id": "other"}, "another run"),
        ({"spec_hash": "sha256:b"}, "another spec"),
        ({"replayed_spec_hash": "sha256:b"}, "another spec"),
        ({"bundle_digest": "sha256:c"}, "another bundle"),
        ({"stages": ({"key": "evil"},)}, "other code"),
        ({"input_first": 1}, "of a part"),
        ({"input_last": 8}, "of a part"),
        ({"created_unix_ms": (NOW - 86_401) * 1000}, "not a day"),
        ({"created_unix_ms": (NOW + 3_600) * 1000}, "not a day"),
        ({"undeclared_divergence": True}, "diverged"),
    ],
)
def test_a_certificate_that_does_not_fit_does_not_count(
    tmp_path: Path, change: dict[str, Any], why: str
) -> None:
    path = tmp_path / "c.dsse"
    path.write_bytes(sealed_certificate(GOOD, host_signer()))
    _check_certificate(RECORDED, path, NOW)
    path.write_bytes(sealed_certificate(msgspec.structs.replace(GOOD, **change), host_signer()))
    with pytest.raises(IncidentError, match=why):
        _check_certificate(RECORDED, path, NOW)


def test_a_certificate_of_an_unknown_signer_or_none_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "c.dsse"
    path.write_bytes(sealed_certificate(GOOD, generate()))
    for given, why in ((path, "nobody known"), (None, "needed"), (tmp_path / "no", "no replay certificate")):
        with pytest.raises(IncidentError, match=why):
            _check_certificate(RECORDED, given, NOW)


def test_the_recorded_run_is_named_in_the_log(tmp_path: Path) -> None:
    from byteor_store import AuditLog, audit_path

    run_id = ran(tmp_path)
    before = time.time_ns()
    replays.replay_now(replays.ReplayRequest(which=None))
    with AuditLog.observe(audit_path()) as log:
        rows = [row.leaf for row in log.rows(run_id=run_id) if row.leaf.action.startswith("replay_")]
    assert [leaf.action for leaf in rows] == ["replay_started", "replay_ended"]
    assert all(int(leaf.ts_unix_ns) >= before for leaf in rows)
    assert capture_of(run_id).facts.run_id == run_id
