"""Signing a byteor.toml and believing the signature: byteor.toml.dsse."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from byteor.atomic import write_file
from byteor.governance.canonical import MAX_SAFE_INTEGER, sha256_of, unix_of
from byteor.governance.dsse import ENVIRONMENTS, add_signatures, open_envelope, seal, valid_signers
from byteor.governance.errors import refused
from byteor.governance.keyset import KeySet
from byteor.governance.owned_file import read_owned
from byteor.governance.private_key import Signer


class Trust(msgspec.Struct, frozen=True):
    """What makes a file count: the pinned keys, and the highest version of a signed file seen so far."""

    keys: KeySet
    seen_version: int = 0


class SignedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The payload of byteor.toml.dsse: which bytes, which version of them, until when."""

    expires_at: str
    sha256: str
    v: int
    version: int


def check_signature(data: bytes, envelope: bytes, trust: Trust, now: int) -> SignedFile:
    """What byteor.toml.dsse says about ``data``: signed by the pinned threshold, no older than seen.

    Raises ``E_ENVIRONMENTS_SIGNATURE`` or ``E_ENVIRONMENTS_ROLLBACK``. The version is there because an old
    file, signed in its day, may allow what is no longer allowed.
    """
    try:
        signed, opened = open_envelope(envelope, ENVIRONMENTS, SignedFile)
        ends = unix_of(signed.expires_at)
    except ValueError as error:
        raise refused("E_ENVIRONMENTS_SIGNATURE", f"no byteor.toml.dsse: {error}") from None
    people = {key.raw for key in valid_signers(opened, trust.keys, now) if key.is_person}
    if len(people) < trust.keys.threshold:
        message = (
            f"byteor.toml.dsse carries {len(people)} of {trust.keys.threshold} signatures of the pinned keys"
        )
        raise refused("E_ENVIRONMENTS_SIGNATURE", message)
    if signed.v != 1 or signed.sha256 != sha256_of(data) or not 1 <= signed.version <= MAX_SAFE_INTEGER:
        raise refused("E_ENVIRONMENTS_SIGNATURE", "byteor.toml is not the file that was signed")
    if now >= ends:
        raise refused(
            "E_ENVIRONMENTS_SIGNATURE", f"the signature of byteor.toml expired at {signed.expires_at}"
        )
    if signed.version < trust.seen_version:
        message = f"byteor.toml is version {signed.version}; version {trust.seen_version} was seen before"
        raise refused("E_ENVIRONMENTS_ROLLBACK", message)
    return signed


def sign_file(path: Path, *, version: int, expires_at: str, signers: Sequence[tuple[str, Signer]]) -> Path:
    """Write byteor.toml.dsse beside ``path``, signed by each (key id, signer); its path.

    One that is there for the same bytes and version is added to, with its own end; any other is replaced.
    """
    payload = SignedFile(expires_at=expires_at, sha256=sha256_of(read_owned(path)[0]), v=1, version=version)
    signature = path.with_name(path.name + ".dsse")
    fresh = seal(ENVIRONMENTS, payload, list(signers))
    if signature.exists():
        fresh = _added(read_owned(signature)[0], payload, signers) or fresh
    write_file(signature, fresh, mode=0o644)
    return signature


def _added(old: bytes, payload: SignedFile, signers: Sequence[tuple[str, Signer]]) -> bytes | None:
    """``old`` with more signatures if it is over the same file and version, else ``None``."""
    try:
        before, envelope = open_envelope(old, ENVIRONMENTS, SignedFile)
    except ValueError:
        return None
    if (before.sha256, before.version) != (payload.sha256, payload.version):
        return None
    return add_signatures(envelope, signers)
