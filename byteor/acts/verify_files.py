"""Check credentials against files alone: nothing is remembered, nothing granted, no audit row is due."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from byteor.acts.approvals import read_credential, read_document
from byteor.governance.approval import (
    check_quorum,
    companion_required,
    match_companions,
    one_request,
    wanted_of,
)
from byteor.governance.credential import verify_credential
from byteor.governance.environment import Environment
from byteor.governance.errors import GovernanceError, refused
from byteor.governance.keyset import KeySet, check_unaltered, read_key_set
from byteor.governance.revocation import open_revocations
from byteor.governance.trust import REVOCATIONS
from byteor.spec.validated import ValidatedSpec


class Checked(msgspec.Struct, frozen=True):
    """``still_needed``: what a run would want besides. On a refusal only ``code`` and ``message`` speak."""

    ok: bool
    code: str | None
    message: str | None = None
    approval_id: str | None = None
    expires_at: str | None = None
    capabilities: tuple[str, ...] = ()
    principals: tuple[str, ...] = ()
    still_needed: tuple[str, ...] = ()


def verify_files(
    credentials: Sequence[Path],
    companions: Sequence[Path],
    *,
    keys: Path,
    revocations: Path | None,
    spec: ValidatedSpec,
    environment: Environment,
    now: int,
) -> Checked:
    """What the files say at ``now`` (s). A refusal is a result; only files that are not there raise."""
    texts = [read_credential(path) for path in credentials]
    envelopes = [read_document(path) for path in companions]
    key_text = read_document(keys)
    listed = revocations or keys.with_name(REVOCATIONS)
    list_text = read_document(listed) if revocations is not None or listed.exists() else None
    try:
        key_set = read_key_set(key_text, source=str(keys))
        check_unaltered(key_set)  # it needs no pin here, but what it carries must hold
        return _checked(texts, envelopes, key_set, list_text, spec, environment, now)
    except GovernanceError as error:
        return Checked(ok=False, code=error.code, message=error.message)


def _checked(
    texts: Sequence[str],
    envelopes: Sequence[bytes],
    keys: KeySet,
    list_text: bytes | None,
    spec: ValidatedSpec,
    environment: Environment,
    now: int,
) -> Checked:
    wanted = wanted_of(environment, spec.spec_hash, spec.capabilities)
    good = [verify_credential(text, keys=keys, wanted=wanted, now=now) for text in texts]
    approval_id = one_request(good)
    found = match_companions(good, envelopes, keys=keys, here=None, now=now)
    for one in found.values():
        if one.environment_digest != environment.digest:
            raise refused("E_COMPANION", f"approval.dsse is for another form of {environment.name}")
    if list_text is not None and open_revocations(list_text, keys, now).revokes(approval_id):
        raise refused("E_REVOKED", f"the approval {approval_id} was revoked")
    requesters = {one.requester for one in found.values()}
    if len(requesters) > 1:
        raise refused("E_COMPANION", "the companions answer different requests")
    check_quorum(good, keys, environment, requester=next(iter(requesters), None))
    lacking = companion_required("run", environment.posture) and len(found) < len(
        {one.claims.kid for one in good}
    )
    shared = frozenset.intersection(*(frozenset(one.claims.capabilities) for one in good))
    return Checked(
        ok=True,
        code=None,
        approval_id=approval_id,
        expires_at=min(one.claims.expires_at for one in good),
        capabilities=tuple(sorted(shared)),
        principals=tuple(sorted({one.claims.issued_by for one in good})),
        still_needed=("approval.dsse",) if lacking else (),
    )
