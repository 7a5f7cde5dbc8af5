"""On whose word a run may start: the papers that it is handed, verified together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from byteor.acts.approvals import (
    account,
    check_requester,
    count_uses,
    host_audience,
    is_kept_request,
    read_kept,
)
from byteor.acts.emergency import is_kept, open_reviews
from byteor.acts.papers import papers
from byteor.acts.question import Question
from byteor.errors import ByteorError, Exit
from byteor.governance.approval import VerifiedApproval, verify_approval, verify_emergency
from byteor.governance.break_glass import BreakGlass
from byteor.governance.companion import Companion
from byteor.governance.credential import decode_credential
from byteor.governance.dsse import APPROVAL, BREAK_GLASS, open_envelope
from byteor.governance.environment import Environment
from byteor.governance.errors import GovernanceError, refused
from byteor.governance.keyset import KeySet
from byteor.governance.trust import seen_revocations, trusted_keys
from byteor.spec import ValidatedSpec


def approval_for(
    question: Question,
    environment: Environment,
    spec: ValidatedSpec,
    needed: tuple[str, ...],
    beside: Path | None,
    now: int,
    stages: str,
) -> VerifiedApproval | None:
    """The approval that the papers named by ``question`` or found ``beside`` the spec make; None without any.

    ``stages``: the digest of the stages' code. Raises the code of what does not hold; exit 5 (``E_QUORUM``)
    when only more of them are wanted.
    """
    texts, companions, emergencies, askers = papers(
        question.credentials, question.companions, question.approval, beside
    )
    if not texts and not emergencies and question.approval is None:
        return None
    keys = trusted_keys()
    if not texts and not emergencies and question.approval is not None:
        raise _unanswered(question.approval, keys, now)
    revocations = seen_revocations(now=now)
    terms: dict[str, Any] = {
        "keys": keys,
        "environment": environment,
        "spec_hash": spec.spec_hash,
        "capabilities": needed,
        "audience": host_audience(environment),
        "revocations": revocations,
        "now": now,
    }
    if emergencies:
        if len(emergencies) > 1 or texts:
            raise refused("E_BREAK_GLASS", "an emergency stands alone: name its file and nothing else")
        approval_id = open_envelope(emergencies[0], BREAK_GLASS, BreakGlass)[0].approval_id
        waiting = open_reviews(keys, now)
        found = verify_emergency(emergencies[0], reviews=waiting, uses=count_uses(approval_id), **terms)
        if not is_kept(approval_id, emergencies[0]):
            raise refused("E_BREAK_GLASS", "this host has no record of the emergency: nobody would review it")
        return found
    ids = {decode_credential(text)[0].approval_id for text in texts}
    uses = count_uses(ids.copy().pop())
    try:
        found = verify_approval(texts, companions, action="run", uses=uses, stages=stages, **terms)
        check_companions_requester(companions, askers, environment, keys, now)
        return found
    except GovernanceError as error:
        if error.code == "E_QUORUM" and len(ids) == 1:  # nothing is wrong with them; there are too few
            error.exit = Exit.PENDING
        raise


def _unanswered(request_id: str, keys: KeySet, now: int) -> ByteorError:
    """Why a request that nobody approved lets nothing run: nobody has yet, or it is over."""
    state = account(read_kept(request_id), keys, now).progress.state
    if state == "revoked":
        return refused("E_REVOKED", f"the request {request_id} was revoked")
    return ByteorError(
        "E_APPROVAL_REQUIRED",
        f"the request {request_id} is {state}, and nobody has approved it",
        hint="byteor approval show says who still can" if state == "pending" else "byteor approval request",
        exit=Exit.PENDING,
    )


def check_companions_requester(
    companions: Sequence[bytes], askers: Sequence[bytes], environment: Environment, keys: KeySet, now: int
) -> None:
    """In prod: the requester whom the verified ``companions`` leave out of the quorum is the one who asked.

    One of ``askers`` that holds is enough, or what this host keeps: a file of another request that lies
    beside a credential hides nothing. Raises ``E_REQUESTER``.
    """
    if environment.posture != "prod":
        return
    said = open_envelope(companions[0], APPROVAL, Companion)[0]  # all of them answer one request
    kept = read_kept(said.request_id).asker if is_kept_request(said.request_id) else None
    refusals = []
    for asker in (*askers, kept):
        try:
            check_requester(said.request_id, said.request_sha256, said.requester, asker, keys, now)
            return
        except GovernanceError as error:
            refusals.append(error)
    raise refusals[0]
