"""Changing a key set: every change of a signed version makes the next one, which then wants signing."""

from __future__ import annotations

import msgspec

from byteor.governance.canonical import decode_json, encode_base64url, unix_of
from byteor.governance.errors import refused
from byteor.governance.keyset import Key, KeySet, Signature, check_key, read_key_set
from byteor.governance.private_key import Signer


def read_entry(data: bytes, *, source: str = "entry") -> Key:
    """A public entry from a file. Raises ``E_KEYSET``."""
    try:
        key = decode_json(data, Key)
    except ValueError as error:
        raise refused("E_KEYSET", f"no public entry: {error}", file=source) from None
    check_key(key)
    return key


def key_set_text(keys: KeySet) -> bytes:
    """The file: JSON that a person can read. Raises ``E_KEYSET`` for a set that no reader would take."""
    text = msgspec.json.format(msgspec.json.encode(keys), indent=2) + b"\n"
    read_key_set(text)
    return text


def new_key_set(key: Key, *, threshold: int, expires_at: str) -> KeySet:
    """Version 1 with one key, not signed."""
    return KeySet(version=1, expires_at=expires_at, threshold=threshold, keys=(key,))


def add_key(keys: KeySet, key: Key, *, threshold: int | None, expires_at: str) -> KeySet:
    """``keys`` with one more. Raises ``E_KEYSET`` for an id or a raw key that it has already."""
    for other in keys.keys:
        if other.kid == key.kid or other.public_key == key.public_key:
            raise refused("E_KEYSET", f"`{key.kid}` is in the key set already, as `{other.kid}`")
    draft = _draft(keys)
    return msgspec.structs.replace(
        draft, keys=(*draft.keys, key), threshold=threshold or draft.threshold, expires_at=expires_at
    )


def set_status(keys: KeySet, kid: str, status: str) -> KeySet:
    """``keys`` with one retired or revoked. A revoked key stays revoked."""
    key = _find(keys, kid)
    if key.status == "revoked" and status != "revoked":
        raise refused("E_KEYSET", f"`{kid}` is revoked, and stays so")
    return _replaced(_draft(keys), msgspec.structs.replace(key, status=status))


def rotate_key(keys: KeySet, kid: str, new: Key, *, until: str) -> KeySet:
    """``keys`` with ``new`` beside the key ``kid``, which signs until ``until`` (RFC 3339) at the latest."""
    old = _find(keys, kid)
    if new.principal != old.principal:
        raise refused("E_KEYSET", f"the new key is {new.principal}'s, the old one {old.principal}'s")
    end = min(old.not_after, until, key=unix_of)
    changed = _replaced(_draft(keys), msgspec.structs.replace(old, not_after=end))
    return add_key(changed, new, threshold=None, expires_at=keys.expires_at)


def sign_key_set(keys: KeySet, kid: str, signer: Signer) -> KeySet:
    """``keys`` with the signature of ``kid``, which may be a key of the version before.

    Raises ``E_KEYSET`` when the set has this id with another public key.
    """
    known = keys.key(kid)
    if known is not None and known.public_key != signer.public_key:
        raise refused("E_KEYSET", f"`{kid}` has another public key in this set")
    signature = Signature(kid, encode_base64url(signer.sign(keys.signed_text())))
    others = tuple(one for one in keys.signatures if one.kid != kid)
    return msgspec.structs.replace(keys, signatures=(*others, signature))


def _draft(keys: KeySet) -> KeySet:
    """An unsigned set is a draft and keeps its version; a signed one may be out in the world already."""
    if not keys.signatures:
        return keys
    return msgspec.structs.replace(keys, version=keys.version + 1, signatures=())


def _find(keys: KeySet, kid: str) -> Key:
    key = keys.key(kid)
    if key is None:
        raise refused("E_KEYSET", f"there is no key `{kid}` in version {keys.version}")
    return key


def _replaced(keys: KeySet, key: Key) -> KeySet:
    rows = tuple(key if other.kid == key.kid else other for other in keys.keys)
    return msgspec.structs.replace(keys, keys=rows)
