"""How far a request is, from the signed answers to it: each verified again, in the order of signing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from byteor.governance.approval import companion_required
from byteor.governance.canonical import unix_of
from byteor.governance.companion import Companion, Here, companion_for, verify_companion, verify_denial
from byteor.governance.credential import (
    Claims,
    VerifiedCredential,
    Wanted,
    encode_credential,
    verify_credential,
)
from byteor.governance.errors import GovernanceError, refused
from byteor.governance.keyset import Key, KeySet
from byteor.governance.private_key import Signer
from byteor.governance.quorum import Standing, standings
from byteor.governance.request import Progress, Request, approve, clock, deny
from byteor.governance.revocation import RevocationList


class Answer(msgspec.Struct, frozen=True):
    """What one key id answered: a credential with its companion, or a denial."""

    credential: str | None = None
    companion: bytes | None = None
    denial: bytes | None = None


class Account(msgspec.Struct, frozen=True):
    """``void``: key id -> why its answer does not count. ``standings``: who can still answer."""

    progress: Progress
    void: Mapping[str, str]
    standings: tuple[Standing, ...]


def wanted_by(request: Request) -> Wanted:
    """What a credential must say to answer ``request``."""
    return Wanted(
        org_id=request.org_id,
        project_id=request.project_id,
        environment_id=request.environment_id,
        environment_posture=request.environment_posture,
        spec_hash=request.spec_hash,
        capabilities=request.capabilities,
    )


def answer_yes(
    request: Request, *, kid: str, principal: str, signer: Signer, issued_at: str, log: tuple[int, str] | None
) -> tuple[str, Companion]:
    """The credential and the unsealed companion that approve ``request``."""
    claims = Claims(
        approval_id=request.request_id,
        capabilities=request.capabilities,
        environment_id=request.environment_id,
        environment_posture=request.environment_posture,
        expires_at=request.approval_expires_at,
        issued_at=issued_at,
        issued_by=principal,
        kid=kid,
        org_id=request.org_id,
        project_id=request.project_id,
        spec_hash=request.spec_hash,
        v=1,
    )
    text = encode_credential(claims, signer)
    return text, companion_for(request, text, kid=kid, principal=principal, issued_at=issued_at, log=log)


def check_answer(request: Request, answer: Answer, *, keys: KeySet, now: int) -> tuple[Key, int]:
    """The key that gave ``answer`` and when (s). Raises the code of what is wrong with it."""
    if answer.denial is not None:
        denial, key = verify_denial(answer.denial, request, keys=keys, now=now)
        return key, unix_of(denial.issued_at)
    if answer.credential is None:
        raise refused("E_COMPANION", "approval.dsse came without its credential")
    found = verify_credential(answer.credential, keys=keys, wanted=wanted_by(request), now=now)
    claims = found.claims
    if claims.approval_id != request.request_id or claims.expires_at != request.approval_expires_at:
        raise refused("E_DECODE", "the credential answers another request")
    if answer.companion is not None:
        _check_companion(request, found, answer.companion, keys=keys, now=now)
    elif companion_required(request.action, request.environment_posture):
        raise refused("E_COMPANION", f"{request.action} needs approval.dsse beside the credential")
    return found.key, unix_of(claims.issued_at)


def _check_companion(
    request: Request, credential: VerifiedCredential, data: bytes, *, keys: KeySet, now: int
) -> None:
    here = Here(request.action, request.environment_digest, request.audience)
    # An approval that begins later is an answer all the same.
    begins = max(now, unix_of(request.not_before))
    companion = verify_companion(data, credential, keys=keys, here=here, now=begins)
    terms = (companion.request_sha256, companion.requester, companion.max_uses, companion.not_before)
    asked = (request.digest, request.requester, request.max_uses, request.not_before)
    if (*terms, companion.stages_sha256) != (*asked, request.shown.stages):
        raise refused("E_COMPANION", "approval.dsse answers another form of this request")


def account_of(
    request: Request,
    answers: Mapping[str, Answer],
    *,
    keys: KeySet,
    revocations: RevocationList | None,
    uses: int,
    now: int,
) -> Account:
    """Where ``request`` stands at ``now`` (s): a function of the request and the answers, kept nowhere."""
    good: list[tuple[int, str, Key, bool]] = []
    void: dict[str, str] = {}
    for kid, answer in sorted(answers.items()):
        try:
            key, at = check_answer(request, answer, keys=keys, now=now)
        except GovernanceError as error:
            void[kid] = f"{error.message} ({error.code})"
        else:
            good.append((at, kid, key, answer.denial is not None))
    progress = Progress(uses=uses)
    for at, kid, key, is_denial in sorted(good, key=lambda row: row[:2]):
        step = deny if is_denial else approve
        try:
            progress = step(request, progress, key, keys, at)
        except GovernanceError as error:
            void[kid] = f"{error.message} ({error.code})"
    progress = _with_end(request, progress, revocations, now)
    return Account(progress, void, _standings(request, progress, keys, now))


def _with_end(request: Request, progress: Progress, revocations: RevocationList | None, now: int) -> Progress:
    open_still = progress.state in ("pending", "approved")
    if open_still and revocations is not None and revocations.revokes(request.request_id):
        return msgspec.structs.replace(progress, state="revoked")
    if progress.state == "approved" and progress.uses >= request.max_uses:
        return msgspec.structs.replace(progress, state="used")
    return clock(request, progress, now)


def _standings(request: Request, progress: Progress, keys: KeySet, now: int) -> tuple[Standing, ...]:
    known: Sequence[Key | None] = [keys.key(kid) for kid in progress.approved_by]
    approved = [key.principal for key in known if key is not None]
    return standings(keys, request.quorum, approved, requester=request.requester, now=now)
