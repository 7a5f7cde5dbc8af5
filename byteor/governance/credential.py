"""The approval credential, version 1: one person's signed word that a spec may run in an environment.

``<payload>.<signature>``, both unpadded base64url. Format with a test vector: docs/formats.md.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec

from byteor.governance.canonical import (
    MAX_SAFE_INTEGER,
    decode_base64url,
    encode_base64url,
    is_uuid,
    unix_of,
)
from byteor.governance.errors import refused
from byteor.governance.keyset import Key, KeySet, signature_holds
from byteor.governance.private_key import Signer

MAX_CREDENTIAL_BYTES: Final = 64 << 10
LEEWAY_S: Final = 30


class Claims(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a credential says. The fields stand in RFC 8785 order, so that writing them is canonical."""

    approval_id: str
    capabilities: tuple[str, ...]
    environment_id: str
    environment_posture: str
    expires_at: str
    issued_at: str
    issued_by: str
    kid: str
    org_id: str
    project_id: str
    spec_hash: str
    v: int


class Wanted(msgspec.Struct, frozen=True):
    """What is about to happen, as the host knows it: a credential must say the same."""

    org_id: str
    project_id: str
    environment_id: str
    environment_posture: str
    spec_hash: str
    capabilities: tuple[str, ...]


class VerifiedCredential:
    """Claims whose signature, window and scope were found good. Only ``verify_credential`` makes one."""

    __slots__ = ("claims", "key", "text")

    claims: Claims
    key: Key
    text: str

    def __init__(self, seal: object, claims: Claims, key: Key, text: str) -> None:
        if seal is not _SEAL:
            raise TypeError("only verify_credential makes a VerifiedCredential")
        object.__setattr__(self, "claims", claims)
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "text", text)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a VerifiedCredential does not change")

    def __reduce__(self) -> str:
        raise TypeError("a VerifiedCredential is not pickled: pass the text and verify it again")


_SEAL: Final = object()
_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Claims)
# A process sees the same few moments again and again.
_unix: Final = lru_cache(maxsize=1024)(unix_of)


def encode_credential(claims: Claims, signer: Signer) -> str:
    """The credential's one text. Raises ``E_DECODE`` for claims that no verifier would take."""
    payload = _encoder.encode(claims)
    _read_claims(payload)
    text = encode_base64url(payload)
    return f"{text}.{encode_base64url(signer.sign(text.encode('ascii')))}"


def decode_credential(text: str) -> tuple[Claims, bytes, bytes]:
    """The claims, the signed bytes and the signature; nothing is verified. Raises ``E_DECODE``."""
    if len(text) > MAX_CREDENTIAL_BYTES:
        raise refused("E_DECODE", f"the credential is over {MAX_CREDENTIAL_BYTES:,} characters long")
    try:
        payload, signature = text.encode("ascii").split(b".")
    except ValueError:  # not ASCII, or not two parts
        raise refused("E_DECODE", "a credential is two base64url parts with a dot between") from None
    try:
        claims = _read_claims(decode_base64url(payload))
        raw_signature = decode_base64url(signature)
    except ValueError as error:
        raise refused("E_DECODE", f"the credential is {error}") from None
    if len(raw_signature) != 64:
        raise refused("E_DECODE", f"the signature is {len(raw_signature)} bytes long, not 64")
    return claims, payload, raw_signature


def _read_claims(payload: bytes) -> Claims:
    try:
        claims = _decoder.decode(payload)
    except (ValueError, RecursionError) as error:
        raise refused("E_DECODE", f"the payload is no credential: {error}") from None
    # The encoder writes RFC 8785 for these types; whatever was not, comes back different.
    if _encoder.encode(claims) != payload:
        raise refused("E_DECODE", "the payload is not canonical JSON (RFC 8785)")
    for problem in _problems(claims):
        raise refused("E_DECODE", problem)
    return claims


def _problems(claims: Claims) -> list[str]:
    problems = []
    if not -MAX_SAFE_INTEGER <= claims.v <= MAX_SAFE_INTEGER:
        problems.append("v is beyond what canonical JSON can hold")
    if any(a >= b for a, b in zip(claims.capabilities, claims.capabilities[1:], strict=False)):
        problems.append("capabilities are not sorted, each once")
    if not is_uuid(claims.approval_id):
        problems.append("approval_id is not a UUID in its usual form")
    for name in ("issued_at", "expires_at"):
        try:
            _unix(getattr(claims, name))
        except ValueError:
            problems.append(f"{name} is not RFC 3339 UTC with seconds and Z")
    return problems


def verify_credential(
    text: str, *, keys: KeySet, wanted: Wanted, now: int, leeway_s: int = LEEWAY_S
) -> VerifiedCredential:
    """One credential against a key set, what is wanted, and the time (s since 1970).

    Stops at the first failure, in this order: ``E_DECODE``, ``E_UNKNOWN_KEY``, ``E_SIGNATURE``,
    ``E_VERSION``, ``E_SPEC_HASH``, ``E_ENVIRONMENT``, ``E_EXPIRED``, ``E_CAPABILITY``. ``approval.py`` asks
    what comes after.
    """
    claims, signed, signature = decode_credential(text)
    key = keys.usable_key(claims.kid, now)
    if key is None or key.principal != claims.issued_by or not key.is_person:
        raise refused("E_UNKNOWN_KEY", _why_unknown(claims, keys, now))
    if not signature_holds(key.raw, signature, signed):
        raise refused("E_SIGNATURE", f"the signature is not one of the key `{key.kid}`")
    if claims.v != 1:
        raise refused("E_VERSION", f"this is a credential of version {claims.v}")
    _check_scope(claims, wanted)
    _check_window(claims, now, leeway_s)
    granted = set(claims.capabilities)
    lacking = [capability for capability in wanted.capabilities if capability not in granted]
    if lacking:
        raise refused("E_CAPABILITY", f"not granted: {', '.join(sorted(lacking))}")
    return VerifiedCredential(_SEAL, claims, key, text)


def _check_scope(claims: Claims, wanted: Wanted) -> None:
    if claims.spec_hash != wanted.spec_hash:
        raise refused("E_SPEC_HASH", f"approved was {claims.spec_hash}, this is {wanted.spec_hash}")
    for name in ("org_id", "project_id", "environment_id", "environment_posture"):
        approved, here = getattr(claims, name), getattr(wanted, name)
        if approved != here:
            raise refused("E_ENVIRONMENT", f"{name} is `{here}`, approved was `{approved}`")


def _check_window(claims: Claims, now: int, leeway_s: int) -> None:
    if now < _unix(claims.issued_at) - leeway_s:
        raise refused("E_EXPIRED", f"the approval is not valid before {claims.issued_at}")
    if now >= _unix(claims.expires_at) + leeway_s:
        raise refused("E_EXPIRED", f"the approval expired at {claims.expires_at}")


def _why_unknown(claims: Claims, keys: KeySet, now: int) -> str:
    key = keys.key(claims.kid)
    if key is None:
        return f"there is no key `{claims.kid}` in key set version {keys.version}"
    if keys.usable_key(claims.kid, now) is None:
        if key.status != "active":
            return f"the key `{key.kid}` is {key.status}"
        if not key.usable_at(now):
            return f"the key `{key.kid}` is valid from {key.not_before} to {key.not_after}"
        return f"the key set expired at {keys.expires_at}"
    if not key.is_person:
        return f"the key `{key.kid}` is a machine's and approves nothing"
    return f"the key `{key.kid}` is {key.principal}'s, not {claims.issued_by}'s"
