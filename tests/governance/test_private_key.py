"""Private keys: encrypted, 0600, whole, never overwritten, never shown."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from byteor.errors import ByteorError
from byteor.governance.private_key import Signer, generate, is_encrypted, open_key, read_pem, save

PASSPHRASE = b"correct horse battery"


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_a_key_file_is_private_whatever_the_umask(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        save(generate(), tmp_path / "a.pem", PASSPHRASE)
    finally:
        os.umask(before)
    assert (tmp_path / "a.pem").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["a.pem"]


def test_what_is_saved_opens_with_its_passphrase_alone(tmp_path: Path) -> None:
    signer = generate()
    save(signer, tmp_path / "a.pem", PASSPHRASE)
    pem = read_pem(tmp_path / "a.pem")
    assert is_encrypted(pem)
    assert open_key(pem, PASSPHRASE).public_key == signer.public_key
    for wrong in (b"", b"wrong", None, PASSPHRASE + b" "):
        with pytest.raises(ByteorError) as caught:
            open_key(pem, wrong)
        assert caught.value.code == "E_PRIVATE_KEY"


def test_a_plain_key_is_a_machines_only(tmp_path: Path) -> None:
    save(generate(), tmp_path / "log.pem", None)
    pem = read_pem(tmp_path / "log.pem")
    assert open_key(pem, None, person=False)
    with pytest.raises(ByteorError) as caught:
        open_key(pem, None)
    assert caught.value.code == "E_PRIVATE_KEY"


def test_a_short_passphrase_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ByteorError) as caught:
        save(generate(), tmp_path / "a.pem", b"1234567")
    assert caught.value.code == "E_PRIVATE_KEY"
    assert not list(tmp_path.iterdir())


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.pem").symlink_to(tmp_path / "nowhere")
    for name in ("a.pem", "b.pem"):
        if name == "b.pem":
            (tmp_path / name).write_text("mine")
        with pytest.raises(ByteorError) as caught:
            save(generate(), tmp_path / name, PASSPHRASE)
        assert (caught.value.code, caught.value.exit) == ("E_EXISTS", 6)
    assert (tmp_path / "b.pem").read_text() == "mine"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o666])
def test_a_key_that_others_can_touch_is_refused(mode: int, tmp_path: Path) -> None:
    save(generate(), tmp_path / "a.pem", PASSPHRASE)
    (tmp_path / "a.pem").chmod(mode)
    with pytest.raises(ByteorError) as caught:
        read_pem(tmp_path / "a.pem")
    assert caught.value.code == "E_KEY_MODE"


def test_links_folders_and_pipes_are_no_keys(tmp_path: Path) -> None:
    save(generate(), tmp_path / "a.pem", PASSPHRASE)
    (tmp_path / "link").symlink_to(tmp_path / "a.pem")
    os.mkfifo(tmp_path / "fifo", 0o600)
    (tmp_path / "folder").mkdir(0o700)
    for name in ("link", "fifo", "folder"):
        with pytest.raises(ByteorError) as caught:
            read_pem(tmp_path / name)
        assert caught.value.code == "E_KEY_MODE", name


def test_another_users_key_is_refused(tmp_path: Path) -> None:
    save(generate(), tmp_path / "a.pem", PASSPHRASE)
    if os.geteuid() != 0:
        return  # only root can give a file away; the rule itself needs no root to hold
    os.chown(tmp_path / "a.pem", 12345, 12345)
    with pytest.raises(ByteorError) as caught:
        read_pem(tmp_path / "a.pem")
    assert caught.value.code == "E_KEY_MODE"


def test_no_key_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(ByteorError) as caught:
        read_pem(tmp_path / "a.pem")
    assert (caught.value.code, caught.value.exit) == ("E_NOT_FOUND", 7)


@pytest.mark.parametrize(
    "pem",
    [b"", b"hello", b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"],
)
def test_rubbish_is_no_key_and_is_not_quoted(pem: bytes) -> None:
    with pytest.raises(ByteorError) as caught:
        open_key(pem, PASSPHRASE, person=False)
    assert caught.value.code == "E_PRIVATE_KEY"
    assert "AAAA" not in caught.value.message


def test_a_key_of_another_kind_is_refused() -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

    pem = generate_private_key(SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSPHRASE)
    )
    with pytest.raises(ByteorError) as caught:
        open_key(pem, PASSPHRASE)
    assert caught.value.code == "E_PRIVATE_KEY"


def test_a_signer_neither_shows_nor_copies_its_key() -> None:
    signer = generate()
    assert repr(signer) == f"Signer({signer.public_key})"
    with pytest.raises(TypeError):
        pickle.dumps(signer)
    assert isinstance(signer, Signer)
