"""Private keys on disk: encrypted PKCS#8 PEM of mode 0600, and the one that signs."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from byteor.atomic import write_file
from byteor.errors import ByteorError, Exit
from byteor.governance.canonical import encode_base64url
from byteor.governance.errors import refused
from byteor.governance.regular_file import read_regular

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MIN_PASSPHRASE = 8
MAX_PEM_BYTES = 64 << 10


class Signer:
    """Signs with one private key; neither shows nor copies it."""

    __slots__ = ("_key", "public_key")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_key = encode_base64url(key.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """64 bytes over ``message``."""
        return self._key.sign(message)

    def __repr__(self) -> str:
        return f"Signer({self.public_key})"

    def __reduce__(self) -> str:
        raise TypeError("a Signer is not pickled: the private key stays where it is")


def generate() -> Signer:
    """A new key, in memory only."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Signer(Ed25519PrivateKey.generate())


def save(signer: Signer, path: Path, passphrase: bytes | None) -> None:
    """Write the key to the new file ``path`` (0600), encrypted when there is a passphrase.

    Only a machine's key (log, host, agent) may do without one. Raises ``E_PRIVATE_KEY`` for a passphrase of
    less than 8 bytes, ``E_EXISTS`` when there is a file already: a key is never overwritten.
    """
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        KeySerializationEncryption,
        NoEncryption,
        PrivateFormat,
    )

    if passphrase is not None and len(passphrase) < MIN_PASSPHRASE:
        raise refused("E_PRIVATE_KEY", "the passphrase is too short", hint=f"{MIN_PASSPHRASE} bytes or more")
    check_new(path)
    protection: KeySerializationEncryption = (
        NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    )
    write_file(path, signer._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection))


def check_new(path: Path) -> None:
    """Raise ``E_EXISTS`` unless a key may be written to ``path``."""
    if os.path.lexists(path):
        hint = "name another file; an old key is retired, not overwritten"
        raise ByteorError("E_EXISTS", f"{path} exists", hint=hint, exit=Exit.CONFLICT)


def is_encrypted(pem: bytes) -> bool:
    """Whether ``pem`` needs a passphrase."""
    return b"-----BEGIN ENCRYPTED PRIVATE KEY-----" in pem


def read_pem(path: Path) -> bytes:
    """The bytes of a private key file of ours alone.

    Raises ``E_KEY_MODE`` when it is a link, no regular file, another user's, or open to others;
    ``E_NOT_FOUND`` (exit 7). The open file is what is checked, so that it cannot be swapped in between.
    """
    try:
        pem, status = read_regular(path, MAX_PEM_BYTES, follow=False)
    except FileNotFoundError:
        hint = "byteor key generate makes one"
        raise ByteorError(
            "E_NOT_FOUND", f"there is no key file {path}", hint=hint, exit=Exit.NOT_FOUND
        ) from None
    except OSError as error:
        raise refused("E_KEY_MODE", f"{path} cannot be used: {error.strerror}") from None
    except ValueError as error:
        raise refused("E_KEY_MODE", f"the private key {path} {error}") from None
    if status.st_uid != os.geteuid():
        raise refused("E_KEY_MODE", f"the private key {path} belongs to uid {status.st_uid}, not to us")
    if status.st_mode & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        hint = f"chmod 600 {path}"
        raise refused("E_KEY_MODE", f"the private key {path} is open to others (mode {mode:04o})", hint=hint)
    return pem


def open_key(pem: bytes, passphrase: bytes | None, *, person: bool = True) -> Signer:
    """The signer in ``pem``.

    Raises ``E_PRIVATE_KEY``: wrong passphrase, other algorithm, or a ``person``'s key that is not
    encrypted (a machine's may be plain).
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if person and not is_encrypted(pem):
        hint = "make a new one: byteor key generate asks for a passphrase"
        raise refused("E_PRIVATE_KEY", "an approver's private key is not encrypted", hint=hint)
    try:
        key = load_pem_private_key(pem, passphrase if is_encrypted(pem) else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The library's text may quote the file; a wrong passphrase needs no more words than this.
        raise refused("E_PRIVATE_KEY", "the private key does not open: wrong passphrase, or no key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise refused("E_PRIVATE_KEY", "the private key is not an Ed25519 key")
    return Signer(key)
