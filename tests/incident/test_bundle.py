"""A bundle holds what was put in, verifies only unchanged, and only when its signer is known here."""

from __future__ import annotations

from pathlib import Path

import pytest
from bundles import SPEC_HASH

from byteor.errors import ByteorError
from byteor.governance.private_key import Signer, generate
from byteor.incident.bundle.manifest import verify_bundle
from byteor.incident.bundle.reader import Bundle
from byteor.incident.bundle.writer import write_bundle
from byteor.incident.errors import IncidentError

FACTS = {"incident_id": "inc-1", "run_id": "pipe-1", "spec_hash": SPEC_HASH, "created_unix_ms": 1}
FORMS = ["a.bundle.zip", "a.bundle"]


@pytest.fixture(params=FORMS)
def bundle(request: pytest.FixtureRequest, tmp_path: Path, members: dict[str, bytes], signer: Signer) -> Path:
    path = tmp_path / str(request.param)
    write_bundle(path, members, signer, **FACTS)  # type: ignore[arg-type]
    return path


def test_what_was_put_in_is_read_and_verified(
    bundle: Path, members: dict[str, bytes], signer: Signer
) -> None:
    with Bundle(bundle) as found:
        verdict = verify_bundle(found, {signer.public_key: "this host"})
        assert (verdict.ok, verdict.code, verdict.signed_by) == (True, None, "this host")
        assert {name: found.read(name) for name in members} == members
        assert [file.path for file in verdict.files] == sorted(members)


def test_a_signer_that_nobody_here_knows_is_refused(bundle: Path) -> None:
    with Bundle(bundle) as found:
        verdict = verify_bundle(found, {generate().public_key: "somebody else"})
    assert (verdict.ok, verdict.code) == (False, "E_BUNDLE_SIGNATURE")


@pytest.mark.parametrize(
    "name", ["spec.kv", "runtime.json", "policy_audit.json", "manifest.json", "manifest.dsse"]
)
def test_a_changed_member_is_noticed(
    tmp_path: Path, members: dict[str, bytes], signer: Signer, name: str
) -> None:
    path = tmp_path / "b"
    write_bundle(path, members, signer, **FACTS)  # type: ignore[arg-type]
    data = bytearray((path / name).read_bytes())
    data[len(data) // 2] ^= 1
    (path / name).write_bytes(data)
    with Bundle(path) as found:
        assert not verify_bundle(found, {signer.public_key: "this host"}).ok


def test_a_file_too_many_and_a_file_missing_are_noticed(
    tmp_path: Path, members: dict[str, bytes], signer: Signer
) -> None:
    path = tmp_path / "b"
    write_bundle(path, members, signer, **FACTS)  # type: ignore[arg-type]
    trusted = {signer.public_key: "this host"}
    (path / "timeline.json").write_bytes(b"{}")
    with Bundle(path) as found:
        assert verify_bundle(found, trusted).code == "E_BUNDLE_DIGEST"
    (path / "timeline.json").unlink()
    (path / "runtime.json").unlink()
    with Bundle(path) as found:
        assert verify_bundle(found, trusted).code == "E_BUNDLE_DIGEST"


def test_a_spec_that_is_not_the_one_named_is_noticed(
    tmp_path: Path, members: dict[str, bytes], signer: Signer
) -> None:
    path = tmp_path / "b.zip"
    write_bundle(path, {**members, "spec.kv": b"v=1\n"}, signer, **FACTS)  # type: ignore[arg-type]
    with Bundle(path) as found:
        assert verify_bundle(found, {signer.public_key: "x"}).code == "E_BUNDLE_FORMAT"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"../evil": b""}, "E_BUNDLE_FORMAT"),
        ({"manifest.json": b"{}"}, "E_BUNDLE_FORMAT"),
        ({"timeline.json": b"[" * 65 + b"]" * 65}, "E_BUNDLE_LIMIT"),
        ({"timeline.json": b'"' + b"x" * (17 << 20) + b'"'}, "E_BUNDLE_LIMIT"),
    ],
)
def test_the_writer_refuses_what_the_reader_would(
    tmp_path: Path, members: dict[str, bytes], signer: Signer, change: dict[str, bytes], code: str
) -> None:
    with pytest.raises(IncidentError) as caught:
        write_bundle(tmp_path / "b.zip", {**members, **change}, signer, **FACTS)  # type: ignore[arg-type]
    assert caught.value.code == code
    assert not list(tmp_path.iterdir())


def test_what_packs_like_a_bomb_is_stored(tmp_path: Path, members: dict[str, bytes], signer: Signer) -> None:
    path = tmp_path / "b.zip"
    write_bundle(path, {**members, "timeline.json": b"0" * 1_000_000}, signer, **FACTS)  # type: ignore[arg-type]
    with Bundle(path) as found:
        assert verify_bundle(found, {signer.public_key: "x"}).ok


def test_a_bundle_is_private_and_never_replaces_a_folder(
    tmp_path: Path, members: dict[str, bytes], signer: Signer
) -> None:
    write_bundle(tmp_path / "z.zip", members, signer, **FACTS)  # type: ignore[arg-type]
    assert (tmp_path / "z.zip").stat().st_mode & 0o777 == 0o600
    (tmp_path / "f").mkdir()
    with pytest.raises(ByteorError) as caught:
        write_bundle(tmp_path / "f", members, signer, **FACTS)  # type: ignore[arg-type]
    assert caught.value.code == "E_EXISTS"


def test_no_bundle_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(IncidentError) as caught:
        Bundle(tmp_path / "none")
    assert caught.value.code == "E_BUNDLE_NOT_FOUND"
