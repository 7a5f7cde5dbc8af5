"""Signed documents: DSSE envelopes (payload, payload type, signatures) with one exact text each.

The pre-authentication encoding is that of the DSSE specification, version 1: a signature over one type of
document fits no other, and never a credential (whose signed text has no blank).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

import msgspec

from byteor.governance.canonical import canonical_json, decode_canonical
from byteor.governance.keyset import Key, KeySet, signature_holds

T = TypeVar("T")

TYPE_PREFIX: Final = "application/vnd.byteor."
APPROVAL: Final = f"{TYPE_PREFIX}approval.v1+json"
DENIAL: Final = f"{TYPE_PREFIX}denial.v1+json"
BREAK_GLASS: Final = f"{TYPE_PREFIX}break-glass.v1+json"
LIFT: Final = f"{TYPE_PREFIX}lift.v1+json"
REQUESTER: Final = f"{TYPE_PREFIX}requester.v1+json"
REVIEW: Final = f"{TYPE_PREFIX}review.v1+json"
REVOCATIONS: Final = f"{TYPE_PREFIX}revocations.v1+json"
ENVIRONMENTS: Final = f"{TYPE_PREFIX}environments.v1+json"


class Signs(Protocol):
    """Whatever can sign: a private key here, a token elsewhere."""

    def sign(self, message: bytes) -> bytes: ...


class EnvelopeSignature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``sig``: standard base64 with padding, as DSSE has it."""

    keyid: str
    sig: str


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An envelope as it lies in a file."""

    payload: str
    payloadType: str  # the standard's name
    signatures: tuple[EnvelopeSignature, ...]


def pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """What is signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def seal(payload_type: str, document: object, signers: Sequence[tuple[str, Signs]]) -> bytes:
    """The file: an envelope with the RFC 8785 text of ``document``, signed by each (key id, signer)."""
    payload = canonical_json(document)
    message = pre_authentication(payload_type, payload)
    signatures = tuple(EnvelopeSignature(kid, _base64(signer.sign(message))) for kid, signer in signers)
    return canonical_json(Envelope(_base64(payload), payload_type, signatures))


def add_signatures(envelope: Envelope, signers: Sequence[tuple[str, Signs]]) -> bytes:
    """The file with ``signers`` added; a key id that has signed before signs anew."""
    message = pre_authentication(envelope.payloadType, _unbase64(envelope.payload))
    names = {kid for kid, _ in signers}
    kept = tuple(one for one in envelope.signatures if one.keyid not in names)
    added = tuple(EnvelopeSignature(kid, _base64(signer.sign(message))) for kid, signer in signers)
    return canonical_json(msgspec.structs.replace(envelope, signatures=(*kept, *added)))


def open_envelope(data: bytes, payload_type: str, kind: type[T]) -> tuple[T, Envelope]:
    """The document and its envelope, nothing verified.

    Raises ``ValueError``: not the one text of an envelope (a final newline may follow), another payload type,
    or a payload that is not the canonical text of a ``kind``.
    """
    envelope = decode_canonical(data.removesuffix(b"\n"), Envelope)
    if envelope.payloadType != payload_type:
        raise ValueError(f"it is of type {envelope.payloadType}, not {payload_type}")
    if not 1 <= len(envelope.signatures) <= 64:
        raise ValueError("an envelope has 1 to 64 signatures")
    return decode_canonical(_unbase64(envelope.payload), kind), envelope


def valid_signers(envelope: Envelope, keys: KeySet, now: int) -> tuple[Key, ...]:
    """The keys, usable at ``now`` (s), whose signatures hold; each raw key once, in the envelope's order."""
    message = pre_authentication(envelope.payloadType, _unbase64(envelope.payload))
    found: dict[bytes, Key] = {}
    for signature in envelope.signatures:
        key = keys.usable_key(signature.keyid, now)
        if key is None:
            continue
        try:
            raw = _unbase64(signature.sig)
        except ValueError:
            continue
        if signature_holds(key.raw, raw, message):
            found.setdefault(key.raw, key)
    return tuple(found.values())


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _unbase64(text: str) -> bytes:
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ValueError("not base64") from None
    if _base64(data) != text:
        raise ValueError("not canonical base64")
    return data
