"""approval.dsse: what an approver signs beside the credential, naming the request and what was shown.

A credential alone says what may run; the companion says in answer to which request, for which action, how
often, from when, on which host, and what its signer saw of the audit log.
"""

from __future__ import annotations

import msgspec

from byteor.governance.canonical import digest_of, is_digest, sha256_of, unix_of
from byteor.governance.credential import LEEWAY_S, VerifiedCredential
from byteor.governance.dsse import APPROVAL, DENIAL, open_envelope, seal, valid_signers
from byteor.governance.errors import refused
from byteor.governance.keyset import Key, KeySet
from byteor.governance.private_key import Signer
from byteor.governance.request import MAX_USES, Request


class Companion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The payload. ``log_size``, ``log_root``: the audit log as its signer last saw it, or null."""

    action: str
    approval_id: str
    audience: str | None
    credential_sha256: str
    environment_digest: str
    expires_at: str
    issued_at: str
    issued_by: str
    kid: str
    log_root: str | None
    log_size: int | None
    max_uses: int
    not_before: str
    request_id: str
    request_sha256: str
    requester: str
    shown_sha256: str
    stages_sha256: str | None
    v: int


class Denial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The payload of a signed no."""

    issued_at: str
    issued_by: str
    kid: str
    reason: str
    request_id: str
    request_sha256: str
    v: int


class Here(msgspec.Struct, frozen=True):
    """What the host that will act knows of itself. ``audience``: its audit log's origin, if any."""

    action: str
    environment_digest: str
    audience: str | None = None


def companion_for(
    request: Request,
    credential: str,
    *,
    kid: str,
    principal: str,
    issued_at: str,
    log: tuple[int, str] | None,
) -> Companion:
    """The companion of ``credential``, an answer to ``request``. ``log``: (size, root) last seen."""
    return Companion(
        action=request.action,
        approval_id=request.request_id,
        audience=request.audience,
        credential_sha256=sha256_of(credential.encode("ascii")),
        environment_digest=request.environment_digest,
        expires_at=request.approval_expires_at,
        issued_at=issued_at,
        issued_by=principal,
        kid=kid,
        log_root=log[1] if log else None,
        log_size=log[0] if log else None,
        max_uses=request.max_uses,
        not_before=request.not_before,
        request_id=request.request_id,
        request_sha256=request.digest,
        requester=request.requester,
        shown_sha256=digest_of(request.shown),
        stages_sha256=request.shown.stages,
        v=1,
    )


def seal_companion(companion: Companion, signer: Signer) -> bytes:
    """The file ``approval.dsse``."""
    return seal(APPROVAL, companion, [(companion.kid, signer)])


def seal_denial(denial: Denial, signer: Signer) -> bytes:
    """The file ``denial.dsse``."""
    return seal(DENIAL, denial, [(denial.kid, signer)])


def verify_companion(
    data: bytes,
    credential: VerifiedCredential,
    *,
    keys: KeySet,
    here: Here | None,
    now: int,
    leeway_s: int = LEEWAY_S,
) -> Companion:
    """The companion in ``data``, if it belongs to ``credential`` and fits ``here`` (``None``: not asked).

    Raises ``E_COMPANION``: not its one form, not signed by the credential's key, another credential, request,
    action, environment or host; ``E_EXPIRED`` before ``not_before``.
    """
    try:
        companion, envelope = open_envelope(data, APPROVAL, Companion)
        begins = unix_of(companion.not_before)
        unix_of(companion.issued_at)
    except ValueError as error:
        raise refused("E_COMPANION", f"no approval.dsse: {error}") from None
    signing = [key for key in valid_signers(envelope, keys, now) if key.raw == credential.key.raw]
    if not signing:
        raise refused("E_COMPANION", "approval.dsse is not signed by the key of its credential")
    claims = credential.claims
    rows = (
        ("v", companion.v, 1),
        ("approval_id", companion.approval_id, claims.approval_id),
        ("request_id", companion.request_id, claims.approval_id),
        ("kid", companion.kid, claims.kid),
        ("issued_by", companion.issued_by, claims.issued_by),
        ("expires_at", companion.expires_at, claims.expires_at),
        ("credential_sha256", companion.credential_sha256, sha256_of(credential.text.encode("ascii"))),
        ("action", companion.action, here.action if here else companion.action),
        (
            "environment_digest",
            companion.environment_digest,
            here.environment_digest if here else companion.environment_digest,
        ),
        ("audience", companion.audience, here.audience if here else companion.audience),
    )
    for name, signed, wanted in rows:
        if signed != wanted:
            raise refused("E_COMPANION", f"{name} of approval.dsse is `{signed}`, here it is `{wanted}`")
    if not 1 <= companion.max_uses <= MAX_USES:
        raise refused("E_COMPANION", f"max_uses is {companion.max_uses}, not 1 to {MAX_USES}")
    if not is_digest(companion.request_sha256) or not is_digest(companion.shown_sha256):
        raise refused("E_COMPANION", "approval.dsse names no request or nothing that was shown")
    if now < begins - leeway_s:
        raise refused("E_EXPIRED", f"the approval is not valid before {companion.not_before}")
    return companion


def verify_denial(data: bytes, request: Request, *, keys: KeySet, now: int) -> tuple[Denial, Key]:
    """The denial of ``request`` in ``data`` and its signer. Raises ``E_COMPANION``."""
    try:
        denial, envelope = open_envelope(data, DENIAL, Denial)
        unix_of(denial.issued_at)
    except ValueError as error:
        raise refused("E_COMPANION", f"no denial.dsse: {error}") from None
    signing = [key for key in valid_signers(envelope, keys, now) if key.kid == denial.kid]
    if not signing or signing[0].principal != denial.issued_by:
        raise refused("E_COMPANION", "denial.dsse is not signed by the key that it names")
    if (denial.v, denial.request_id, denial.request_sha256) != (1, request.request_id, request.digest):
        raise refused("E_COMPANION", "denial.dsse answers another request")
    return denial, signing[0]
