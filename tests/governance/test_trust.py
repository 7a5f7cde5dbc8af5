"""What this user's tools remember: nothing goes back, nothing is read from a folder that others can write."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from byteor.errors import ByteorError
from byteor.governance.environment_trust import environment_trust, remember_environments
from byteor.governance.revocation import revoke, seal_revocations
from byteor.governance.trust import (
    learn,
    learn_revocations,
    pin,
    seen_revocations,
    trusted_keys,
)
from byteor.state import state_dir

IDS = [f"{digit * 8}-2222-4333-8444-555555555555" for digit in "123"]


def code(call: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(ByteorError) as caught:
        call(*args, **kwargs)
    return caught.value.code


def first(world: Any) -> Any:
    return world.signed(world.key_set(world.key("alice", "ops")), "alice")


def second(world: Any) -> Any:
    return world.signed(world.key_set(world.key("bob", "ops"), version=2), "alice", "bob")


def pinned(world: Any, state: Path) -> Any:
    keys = first(world)
    return pin(world.as_json(keys), keys.fingerprint, now=world.now, state=state)


def test_what_is_pinned_is_trusted(world: Any, tmp_path: Path) -> None:
    assert code(trusted_keys, tmp_path) == "E_NOT_PINNED"
    assert environment_trust(tmp_path) is None
    assert pinned(world, tmp_path) == trusted_keys(tmp_path) == first(world)


def test_a_wrong_fingerprint_pins_nothing(world: Any, tmp_path: Path) -> None:
    data = world.as_json(first(world))
    for wrong in ("", "sha256:" + "0" * 64, first(world).fingerprint[:-1]):
        assert code(pin, data, wrong, now=world.now, state=tmp_path) == "E_FINGERPRINT"
    assert code(trusted_keys, tmp_path) == "E_NOT_PINNED"


def test_a_set_that_its_own_keys_did_not_sign_is_not_pinned(world: Any, tmp_path: Path) -> None:
    keys = world.key_set(world.key("alice"))
    refusal = code(pin, world.as_json(keys), keys.fingerprint, now=world.now, state=tmp_path)
    assert refusal == "E_KEYSET_SIGNATURE"


def test_a_successor_is_learnt_and_the_older_one_is_then_a_rollback(world: Any, tmp_path: Path) -> None:
    pinned(world, tmp_path)
    learn(world.as_json(second(world)), now=world.now, state=tmp_path)
    assert trusted_keys(tmp_path).version == 2
    older = world.as_json(first(world))
    assert code(learn, older, now=world.now, state=tmp_path) == "E_KEYSET_ROLLBACK"
    refusal = code(pin, older, first(world).fingerprint, now=world.now, state=tmp_path)
    assert refusal == "E_KEYSET_ROLLBACK"
    assert trusted_keys(tmp_path).version == 2


def test_a_stranger_is_not_learnt(world: Any, tmp_path: Path) -> None:
    pinned(world, tmp_path)
    stranger = world.signed(world.key_set(world.key("mallory", "ops"), version=9), "mallory")
    assert code(learn, world.as_json(stranger), now=world.now, state=tmp_path) == "E_KEYSET_CHAIN"
    assert trusted_keys(tmp_path).version == 1


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_everything_remembered_is_private_whatever_the_umask(umask: int, world: Any, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        pinned(world, tmp_path / "state")
        remember_environments(3, tmp_path / "state")
        keep(world, tmp_path / "state", IDS[0])
    finally:
        os.umask(before)
    files = sorted((tmp_path / "state" / "trust").iterdir())
    assert len(files) == 5
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert (tmp_path / "state" / "trust").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_can_write_is_not_read(world: Any, tmp_path: Path) -> None:
    pinned(world, tmp_path)
    (tmp_path / "trust").chmod(0o770)
    assert code(trusted_keys, tmp_path) == "E_UNSAFE_FOLDER"
    assert code(learn, world.as_json(second(world)), now=world.now, state=tmp_path) == "E_UNSAFE_FOLDER"


def keep(world: Any, state: Path, *ids: str, version: int | None = None) -> None:
    found = None
    for one in ids:
        found = revoke(found, one, reason="x", approval_ends=world.now + 99, now=world.now, lives_s=100)
    if version is not None:
        found = msgspec.structs.replace(found, version=version)
    learn_revocations(seal_revocations(found, "alice-1", world.signer("alice")), now=world.now, state=state)


def test_the_newest_list_is_remembered_though_an_older_one_is_offered(world: Any, tmp_path: Path) -> None:
    pinned(world, tmp_path)
    assert seen_revocations(now=world.now, state=tmp_path) is None
    keep(world, tmp_path, *IDS[:2])
    assert code(keep, world, tmp_path, IDS[0]) == "E_REVOCATIONS"
    assert code(keep, world, tmp_path, IDS[0], version=7) == "E_REVOCATIONS"
    found = seen_revocations(now=world.now, state=tmp_path)
    assert found is not None
    assert [found.revokes(one) for one in IDS] == [True, True, False]


def test_an_expired_list_denies_until_a_new_one_comes(world: Any, tmp_path: Path) -> None:
    pinned(world, tmp_path)
    keep(world, tmp_path, IDS[0])
    assert code(seen_revocations, now=world.now + 100, state=tmp_path) == "E_REVOCATIONS"
    assert seen_revocations(now=world.now + 100, state=tmp_path, current=False) is not None


def test_the_version_of_a_signed_byteor_toml_only_grows(world: Any, tmp_path: Path) -> None:
    pinned(world, tmp_path)
    for version, remembered in ((3, 3), (2, 3), (5, 5)):
        remember_environments(version, tmp_path)
        trust = environment_trust(tmp_path)
        assert trust is not None
        assert trust.seen_version == remembered


def test_a_damaged_memory_is_told_not_forgotten(world: Any, tmp_path: Path) -> None:
    pinned(world, tmp_path)
    remember_environments(3, tmp_path)
    (tmp_path / "trust" / "seen.json").write_text("{")
    assert code(environment_trust, tmp_path) == "E_ENVIRONMENTS_ROLLBACK"
    (tmp_path / "trust" / "revocations.dsse").write_text("{")
    assert code(seen_revocations, now=world.now, state=tmp_path, current=False) == "E_REVOCATIONS"
    (tmp_path / "trust" / "signing_keys.json").write_text("{")
    assert code(trusted_keys, tmp_path) == "E_KEYSET"


def test_the_state_folder_is_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BYTEOR_STATE_DIR", str(tmp_path / "a"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "b"))
    assert state_dir() == tmp_path / "a"
    monkeypatch.delenv("BYTEOR_STATE_DIR")
    assert state_dir() == tmp_path / "b" / "byteor"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "c"))
    assert state_dir() == tmp_path / "c" / ".local" / "state" / "byteor"
