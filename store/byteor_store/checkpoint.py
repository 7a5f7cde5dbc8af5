"""Checkpoints: (size, root) of the log as a signed note, in the C2SP forms tlog-checkpoint and signed-note.

    byteor/<org>/<project>/<log uuid>       origin
    42                                      size
    <base64 of the root>

    — <key name> <base64 of 4 bytes of key hash and the Ed25519 signature>

The key's name is the origin. Functions of values; ``log_key`` reads and makes the key.
"""

from __future__ import annotations

import base64
import binascii
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = b"\x01"  # the signature type of the signed-note form
MARK = "— "
KEY_HASH_BYTES = 4
ROOT_BYTES = 32


class Checkpoint(msgspec.Struct, frozen=True):
    """What a checkpoint says. ``root`` is 32 bytes."""

    origin: str
    size: int
    root: bytes


class CheckpointError(ValueError):
    """A note that is no checkpoint, or not signed by the key at hand."""


def origin(log_uuid: str, org: str | None = None, project: str | None = None) -> str:
    """The name of a log to the world. A part that is not set is ``local``."""
    return f"byteor/{org or 'local'}/{project or 'local'}/{log_uuid}"


def checkpoint_text(checkpoint: Checkpoint) -> bytes:
    """The part that is signed."""
    root = base64.b64encode(checkpoint.root).decode()
    return f"{checkpoint.origin}\n{checkpoint.size}\n{root}\n".encode()


def key_hash(name: str, raw_public_key: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + ED25519 + raw_public_key).digest()[:KEY_HASH_BYTES]


def sign(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> bytes:
    """The signed note."""
    text = checkpoint_text(checkpoint)
    hashed = key_hash(checkpoint.origin, key.public_key().public_bytes_raw())
    signature = base64.b64encode(hashed + key.sign(text)).decode()
    return text + f"\n{MARK}{checkpoint.origin} {signature}\n".encode()


def read(note: bytes, key: Ed25519PublicKey | None = None) -> Checkpoint:
    """The checkpoint in ``note``; with ``key``, only when that key has signed it.

    Lines of other signers (witnesses) are allowed and ignored. Raises ``CheckpointError``.
    """
    try:
        text, blank, signatures = note.decode().partition("\n\n")
    except UnicodeDecodeError as error:
        raise CheckpointError("the note is not UTF-8") from error
    lines = text.split("\n")
    if not blank or len(lines) < 3:
        raise CheckpointError("the note has not the lines of a checkpoint")
    name, size, root = lines[0], lines[1], decode_base64(lines[2])
    if not (
        name and size.isascii() and size.isdigit() and str(int(size)) == size and len(root) == ROOT_BYTES
    ):
        raise CheckpointError("the note's origin, size or root is malformed")
    if key is not None:
        _check_signature(name, f"{text}\n".encode(), signatures, key)
    return Checkpoint(name, int(size), root)


def _check_signature(name: str, text: bytes, signatures: str, key: Ed25519PublicKey) -> None:
    from cryptography.exceptions import InvalidSignature

    expected = key_hash(name, key.public_bytes_raw())
    for line in signatures.splitlines():
        signer, _, encoded = line.removeprefix(MARK).partition(" ")
        signed = decode_base64(encoded)
        if not line.startswith(MARK) or signer != name or signed[:KEY_HASH_BYTES] != expected:
            continue
        try:
            key.verify(signed[KEY_HASH_BYTES:], text)
        except InvalidSignature as error:
            raise CheckpointError("the signature is not over this checkpoint") from error
        return
    raise CheckpointError("no signature of the log's key")


def decode_base64(text: str) -> bytes:
    """The bytes of ``text`` in its one spelling. Raises ``CheckpointError``."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CheckpointError(f"{text!r} is not base64") from error
    if base64.b64encode(raw).decode() != text:  # several spellings of one value
        raise CheckpointError(f"{text!r} is not canonical base64")
    return raw
