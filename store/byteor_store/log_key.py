"""The audit log's own Ed25519 key: a plain PEM file of mode 0600 beside the log, for unattended processes."""

from __future__ import annotations

import base64
import binascii
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from byteor.atomic import sync_folder
from byteor.errors import Exit
from byteor_store.errors import StoreError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY_FILE = "audit.key"
MAX_PEM_BYTES = 1 << 16
# A key as ``make_key`` writes it: PEM of the one DER that RFC 8410 (section 7) has for 32 bytes of Ed25519.
_ARMOUR = (b"-----BEGIN PRIVATE KEY-----\n", b"\n-----END PRIVATE KEY-----\n")
_DER_HEAD = bytes.fromhex("302e020100300506032b657004220420")


def key_path(log: Path) -> Path:
    return log.with_name(KEY_FILE)


def make_key(log: Path) -> Ed25519PrivateKey:
    """The key of the log at ``log``; made when there is none yet. Two processes at once get the same."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    path = key_path(log)
    if (found := load_key(log)) is not None:
        return found
    pem = _pem_of(Ed25519PrivateKey.generate())
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(temporary)  # unlike a rename, never over a key that is there
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    sync_folder(path.parent)
    made = load_key(log)
    assert made is not None
    return made


def load_key(log: Path) -> Ed25519PrivateKey | None:
    """The key of the log at ``log``; None when it has none. Raises ``StoreError`` ``E_AUDIT_KEY``."""
    path = key_path(log)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _bad_key(path, error.strerror or str(error)) from error
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(file.fileno())  # of the open file, so that it cannot be swapped in between
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise _bad_key(path, "it is not a plain file of ours alone", f"chmod 600 {path}")
        pem = file.read(MAX_PEM_BYTES)
    return _plain_key(pem) or _any_key(path, pem)


def _pem_of(key: Ed25519PrivateKey) -> bytes:
    """The plain PKCS#8 PEM of ``key``, as any other tool writes it."""
    return base64.b64encode(_DER_HEAD + key.private_bytes_raw()).join(_ARMOUR)


def _plain_key(pem: bytes) -> Ed25519PrivateKey | None:
    """The key of our own form of file, else None. Each run signs, and the parser of all other forms takes
    longer to load than the run takes to sign.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    begin, end = _ARMOUR
    if not (pem.startswith(begin) and pem.endswith(end)):
        return None
    try:
        der = base64.b64decode(pem[len(begin) : -len(end)], validate=True)
    except binascii.Error:
        return None
    head, secret = der[: len(_DER_HEAD)], der[len(_DER_HEAD) :]
    return Ed25519PrivateKey.from_private_bytes(secret) if head == _DER_HEAD and len(secret) == 32 else None


def _any_key(path: Path, pem: bytes) -> Ed25519PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _bad_key(path, "it is no plain PEM private key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _bad_key(path, "it is not an Ed25519 key")
    return key


def public_text(key: Ed25519PublicKey) -> str:
    """The raw public key in unpadded base64url: what somebody pins elsewhere."""
    return base64.urlsafe_b64encode(key.public_bytes_raw()).rstrip(b"=").decode()


def read_public(text: str) -> Ed25519PublicKey:
    """The reverse of :func:`public_text`. Raises ``StoreError`` ``E_AUDIT_KEY`` (exit 2)."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        raw = base64.b64decode(text + "=", altchars=b"-_", validate=True)
        key = Ed25519PublicKey.from_public_bytes(raw)
    except (ValueError, binascii.Error) as error:
        raise StoreError("E_AUDIT_KEY", f"{text!r} is no Ed25519 public key", exit=Exit.USAGE) from error
    if public_text(key) != text:
        raise StoreError("E_AUDIT_KEY", f"{text!r} is not canonical base64url", exit=Exit.USAGE)
    return key


def _bad_key(path: Path, why: str, hint: str | None = None) -> StoreError:
    return StoreError(
        "E_AUDIT_KEY", f"cannot use the log's key {path}: {why}", hint=hint, exit=Exit.INTEGRITY
    )
