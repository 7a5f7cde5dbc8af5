"""requester.dsse: who asks, signed with the asker's own key.

The requester counts for nothing in the quorum. Were the name only a claim, somebody could ask in another's
name and then approve it himself.
"""

from __future__ import annotations

import msgspec

from byteor.governance.canonical import unix_of
from byteor.governance.dsse import REQUESTER, open_envelope, seal, valid_signers
from byteor.governance.errors import refused
from byteor.governance.keyset import KeySet
from byteor.governance.private_key import Signer
from byteor.governance.request import Request


class Asker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The payload. ``requester``: the principal of ``kid``."""

    issued_at: str
    kid: str
    request_id: str
    request_sha256: str
    requester: str
    v: int


def seal_asker(request: Request, kid: str, signer: Signer, issued_at: str) -> bytes:
    """The file, by the requester of ``request``."""
    document = Asker(issued_at, kid, request.request_id, request.digest, request.requester, 1)
    return seal(REQUESTER, document, [(kid, signer)])


def check_asker(data: bytes, request_sha256: str, requester: str, keys: KeySet, now: int) -> None:
    """Raise ``E_REQUESTER`` unless ``requester`` signed that he made the request of this digest, with a key
    of that principal that is usable at ``now`` (s).

    A person's key, or an agent's for what asks by itself; never the log's or a host's.
    """
    try:
        asker, envelope = open_envelope(data, REQUESTER, Asker)
        unix_of(asker.issued_at)
    except ValueError as error:
        raise refused("E_REQUESTER", f"no requester.dsse: {error}") from None
    if (asker.v, asker.request_sha256, asker.requester) != (1, request_sha256, requester):
        raise refused("E_REQUESTER", "requester.dsse is of another request or requester")
    for key in valid_signers(envelope, keys, now):
        if (key.kid, key.principal) == (asker.kid, requester) and (key.is_person or "agent" in key.groups):
            return
    raise refused("E_REQUESTER", f"requester.dsse is not signed by a usable key of {requester}")
