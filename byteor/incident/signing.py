"""Statements that a host signs: bundles and replay certificates. That one holds is not yet who vouches.

The key id in the envelope is the public key itself (base64url), so that a statement can be checked by anybody
who has compared that key.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Final, TypeVar

from byteor.governance.canonical import decode_base64url
from byteor.governance.dsse import TYPE_PREFIX, open_envelope, pre_authentication, seal
from byteor.governance.edwards import why_unsound
from byteor.governance.keyset import signature_holds
from byteor.governance.private_key import Signer

T = TypeVar("T")

BUNDLE: Final = f"{TYPE_PREFIX}bundle.v1+json"
CERTIFICATE: Final = f"{TYPE_PREFIX}replay-certificate.v1+json"

Trusted = Mapping[str, str]  # public key (base64url) -> who that is, in words


def sign(payload_type: str, document: object, signer: Signer) -> bytes:
    """The envelope of ``document``, signed by this host's key."""
    return seal(payload_type, document, [(signer.public_key, signer)])


def opened(
    envelope_text: bytes, payload_type: str, kind: type[T], trusted: Trusted
) -> tuple[T, str, str | None]:
    """(the document, the signer's public key, who that is or None when nobody here knows the key).

    Raises ``ValueError`` with a sentence: not an envelope, no signature that holds.
    """
    document, envelope = open_envelope(envelope_text, payload_type, kind)
    message = pre_authentication(envelope.payloadType, base64.b64decode(envelope.payload))
    holding = []
    for signature in envelope.signatures:
        try:
            raw = decode_base64url(signature.keyid.encode("ascii"))
            sig = base64.b64decode(signature.sig, validate=True)
        except (ValueError, UnicodeEncodeError, binascii.Error):
            continue
        if len(raw) == 32 and why_unsound(raw) is None and signature_holds(raw, sig, message):
            holding.append(signature.keyid)
    if not holding:
        raise ValueError("no signature in it holds")
    known = [key for key in holding if key in trusted]
    return (document, known[0], trusted[known[0]]) if known else (document, holding[0], None)
