"""Which byteor.toml counts, for what, and that nobody puts his own prod in front of the host's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from byteor.errors import ByteorError
from byteor.governance.environment_file import load_environments
from byteor.governance.environment_signature import Trust, sign_file

HEAD = 'org_id = "acme"\nproject_id = "telemetry"\n'
PROD = HEAD + '[environments.prod]\nposture = "prod"\n'
OWN_PROD = (
    HEAD + '[environments.prod]\nposture = "prod"\nreplay = "allowed"\nside_effects = "require_approval"\n'
)


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o644)
    path.parent.chmod(0o755)
    return path


def code(call: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(ByteorError) as caught:
        call(*args, **kwargs)
    return caught.value.code


def test_without_a_file_there_is_dev_with_deny_all(tmp_path: Path) -> None:
    found = load_environments(start=tmp_path, system=tmp_path / "none", user=tmp_path / "none")
    assert [(e.name, e.posture, e.side_effects) for e in found.found] == [("dev", "dev", "deny_all")]
    assert found.files == ()


def test_the_nearest_file_upward_is_read(tmp_path: Path) -> None:
    put(tmp_path / "byteor.toml", '[environments.far]\nposture = "dev"')
    put(tmp_path / "a" / "byteor.toml", '[environments.near]\nposture = "dev"')
    (tmp_path / "a" / "b").mkdir()
    found = load_environments(start=tmp_path / "a" / "b", system=tmp_path / "none")
    assert [e.name for e in found.found] == ["near"]


def test_only_roots_own_file_is_trusted(tmp_path: Path) -> None:
    system = put(tmp_path / "etc" / "byteor.toml", PROD)

    def trusted() -> bool:
        return load_environments(system=system).get("prod").trusted

    mine = os.geteuid() == 0
    assert trusted() is mine
    for mode in (0o664, 0o646, 0o666):
        system.chmod(mode)
        assert not trusted()
    system.chmod(0o644)
    for mode in (0o775, 0o757):
        system.parent.chmod(mode)
        assert not trusted()
    system.parent.chmod(0o755)
    if mine:
        os.chown(system, 12345, 12345)
        assert not trusted()
        os.chown(system, 0, 0)
        os.chown(system.parent, 12345, 12345)
        assert not trusted()


def test_a_file_of_the_working_folder_is_never_trusted_and_cannot_shadow_the_host(tmp_path: Path) -> None:
    system = put(tmp_path / "etc" / "byteor.toml", PROD)
    put(tmp_path / "work" / "byteor.toml", OWN_PROD + '[environments.mine]\nposture = "dev"\n')
    found = load_environments(start=tmp_path / "work", system=system)
    assert [(e.name, e.replay, e.source) for e in found.found] == [
        ("prod", "dry_run_only", str(system)), ("mine", "allowed", str(tmp_path / "work" / "byteor.toml")),
    ]  # fmt: skip
    assert found.shadowed == (f"prod of {tmp_path / 'work' / 'byteor.toml'}",)
    assert not found.get("mine").trusted


def test_a_dev_table_cannot_take_the_id_of_the_hosts_prod(tmp_path: Path) -> None:
    system = put(tmp_path / "etc" / "byteor.toml", PROD)
    put(tmp_path / "work" / "byteor.toml", '[environments.easy]\nposture = "dev"\nid = "prod"\n')
    found = load_environments(start=tmp_path / "work", system=system)
    assert [e.name for e in found.found] == ["prod"]


def test_untrusted_staging_and_prod_let_no_effect_run_and_dev_does(tmp_path: Path) -> None:
    put(
        tmp_path / "byteor.toml",
        PROD + '[environments.dev]\nposture = "dev"\n[environments.s]\nposture = "staging"\n',
    )
    found = load_environments(start=tmp_path, system=tmp_path / "none")
    assert {e.name: e.allows_effects_here for e in found.found} == {"prod": False, "dev": True, "s": False}


def test_a_given_file_is_read_alone(tmp_path: Path) -> None:
    system = put(tmp_path / "etc" / "byteor.toml", PROD)
    given = put(tmp_path / "x.toml", HEAD + '[environments.other]\nposture = "staging"')
    found = load_environments(given=given, start=tmp_path, system=system)
    assert [e.name for e in found.found] == ["other"]
    assert not found.found[0].trusted


def test_an_unknown_name_is_not_found_with_the_nearest(tmp_path: Path) -> None:
    found = load_environments(system=put(tmp_path / "byteor.toml", PROD))
    with pytest.raises(ByteorError) as caught:
        found.get("prd")
    assert (caught.value.code, caught.value.exit, caught.value.hint) == (
        "E_ENVIRONMENT_UNKNOWN", 7, "did you mean `prod`?",
    )  # fmt: skip


@pytest.mark.parametrize(
    "content", ["[", "a = ", "\x00", "[environments.prod]\nposture='prod'\n[environments.prod]"]
)
def test_a_file_that_is_no_toml_is_told_with_its_name(content: str, tmp_path: Path) -> None:
    path = put(tmp_path / "byteor.toml", content)
    with pytest.raises(ByteorError) as caught:
        load_environments(given=path)
    assert (caught.value.code, caught.value.exit) == ("E_ENVIRONMENT_FILE", 3)
    assert caught.value.where is not None
    assert caught.value.where.file == str(path)


def test_folders_pipes_and_missing_files_are_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "big.toml").write_text("#" * (1 << 20) + "#")
    (tmp_path / "latin.toml").write_bytes(b'a = "\xe9"')
    for name in ("fifo", "missing", "big.toml", "latin.toml"):
        assert code(load_environments, given=tmp_path / name) == "E_ENVIRONMENT_FILE"
    assert code(load_environments, given=tmp_path) == "E_ENVIRONMENT_FILE"


# --- signed files ------------------------------------------------------------------------------------------


def signed(world: Any, path: Path, *names: str, version: int = 1, lives_s: int = 100) -> Path:
    signers = [(f"{name}-1", world.signer(name)) for name in names]
    return sign_file(path, version=version, expires_at=world.time(world.now + lives_s), signers=signers)


def trust_of(world: Any, seen: int = 0) -> Trust:
    return Trust(
        world.key_set(world.key("alice"), world.key("bob"), world.key("log", "log"), threshold=2), seen
    )


def test_a_file_signed_by_the_pinned_threshold_is_trusted_wherever_it_lies(
    world: Any, tmp_path: Path
) -> None:
    path = put(tmp_path / "byteor.toml", PROD)
    signed(world, path, "alice", "bob", version=4)
    found = load_environments(given=path, trust=trust_of(world), now=world.now)
    assert (found.get("prod").trusted, found.signed_version) == (True, 4)
    found = load_environments(start=tmp_path, system=tmp_path / "none", trust=trust_of(world), now=world.now)
    assert (found.get("prod").trusted, found.signed_version) == (True, 4)


@pytest.mark.parametrize("own", ["[environments.prod]", '[environments.easy]\nid = "prod"'])
def test_a_folders_own_dev_table_is_not_put_in_front_of_a_signed_prod(
    own: str, world: Any, tmp_path: Path
) -> None:
    user = put(tmp_path / "home" / "byteor.toml", PROD)
    signed(world, user, "alice", "bob")
    near = put(tmp_path / "work" / "byteor.toml", own + '\nposture = "dev"\n')
    found = load_environments(
        start=near.parent, system=tmp_path / "none", user=user, trust=trust_of(world), now=world.now
    )
    assert [(e.name, e.posture) for e in found.found] == [("prod", "prod")]
    assert len(found.shadowed) == 1
    assert str(near) in found.shadowed[0]


def test_without_pinned_keys_a_signature_says_nothing(world: Any, tmp_path: Path) -> None:
    path = put(tmp_path / "byteor.toml", PROD)
    signed(world, path, "alice", "bob")
    assert not load_environments(given=path, trust=None, now=world.now).get("prod").trusted


@pytest.mark.parametrize("names", [("alice",), ("alice", "alice"), ("alice", "log"), ("alice", "mallory")])
def test_too_few_signatures_are_refused_not_ignored(
    names: tuple[str, ...], world: Any, tmp_path: Path
) -> None:
    path = put(tmp_path / "byteor.toml", PROD)
    signed(world, path, *names)
    refusal = code(load_environments, given=path, trust=trust_of(world), now=world.now)
    assert refusal == "E_ENVIRONMENTS_SIGNATURE"


def test_another_file_an_expired_and_a_damaged_signature_are_refused(world: Any, tmp_path: Path) -> None:
    path = put(tmp_path / "byteor.toml", PROD)
    envelope = signed(world, path, "alice", "bob")
    trust = trust_of(world)
    path.write_text(PROD + "\n")
    assert code(load_environments, given=path, trust=trust, now=world.now) == "E_ENVIRONMENTS_SIGNATURE"
    path.write_text(PROD)
    assert code(load_environments, given=path, trust=trust, now=world.now + 100) == "E_ENVIRONMENTS_SIGNATURE"
    assert load_environments(given=path, trust=trust, now=world.now + 99)
    envelope.write_bytes(b"{}")
    assert code(load_environments, given=path, trust=trust, now=world.now) == "E_ENVIRONMENTS_SIGNATURE"


def test_an_older_signed_file_is_a_rollback(world: Any, tmp_path: Path) -> None:
    path = put(tmp_path / "byteor.toml", PROD)
    signed(world, path, "alice", "bob", version=3)
    assert load_environments(given=path, trust=trust_of(world, seen=3), now=world.now)
    refusal = code(load_environments, given=path, trust=trust_of(world, seen=4), now=world.now)
    assert refusal == "E_ENVIRONMENTS_ROLLBACK"
