"""The whole answer to "may this run here now": every credential, its companion, revocation, uses, quorum.

Policy takes a ``VerifiedApproval`` and nothing else, and only ``verify_approval`` makes one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from byteor.governance.break_glass import Review, check_break_glass, open_break_glass
from byteor.governance.canonical import unix_of
from byteor.governance.companion import Companion, Here, verify_companion
from byteor.governance.credential import LEEWAY_S, VerifiedCredential, Wanted, verify_credential
from byteor.governance.dsse import APPROVAL, open_envelope
from byteor.governance.environment import Environment
from byteor.governance.errors import refused
from byteor.governance.keyset import KeySet
from byteor.governance.quorum import Tally, people, tally
from byteor.governance.revocation import RevocationList


class VerifiedApproval:
    """An approval that holds for one spec in one environment. Only ``verify_approval`` makes one.

    ``expires_at``: RFC 3339, the earliest of its credentials; ``max_uses``: how many runs it covers.
    """

    __slots__ = (
        "action",
        "approval_id",
        "capabilities",
        "environment_digest",
        "expires_at",
        "max_uses",
        "principals",
        "spec_hash",
    )

    action: str
    approval_id: str
    capabilities: frozenset[str]
    environment_digest: str
    expires_at: str
    max_uses: int
    principals: tuple[str, ...]
    spec_hash: str

    def __init__(self, seal: object, **fields: object) -> None:
        if seal is not _SEAL:
            raise TypeError("only verify_approval makes a VerifiedApproval")
        for name in self.__slots__:
            object.__setattr__(self, name, fields[name])

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a VerifiedApproval does not change")

    def __reduce__(self) -> str:
        raise TypeError("a VerifiedApproval is not pickled: verify again")

    @property
    def ends_at(self) -> int:
        """When it no longer holds, in seconds of Unix time: as late as a clock that is slow may have it."""
        return unix_of(self.expires_at) + LEEWAY_S


_SEAL: Final = object()


def companion_required(action: str, posture: str) -> bool:
    """Every action but ``run``, and all of prod, needs approval.dsse beside the credential."""
    return action != "run" or posture == "prod"


def verify_approval(
    credentials: Sequence[str],
    companions: Sequence[bytes],
    *,
    keys: KeySet,
    environment: Environment,
    spec_hash: str,
    capabilities: tuple[str, ...],
    action: str,
    audience: str | None,
    revocations: RevocationList | None,
    uses: int,
    now: int,
    leeway_s: int = LEEWAY_S,
    stages: str | None = None,
) -> VerifiedApproval:
    """The approval that ``credentials`` make together, for ``action`` on ``spec_hash`` at ``now`` (s).

    ``uses``: how often this approval was used before. ``stages``: the digest of the stages' code as it would
    run; prod takes no other than the approved one. Raises the code of the first failure: those of
    ``verify_credential`` for each in turn, ``E_COMPANION``, ``E_REVOKED``, ``E_USED``, ``E_QUORUM``.
    """
    wanted = wanted_of(environment, spec_hash, capabilities)
    good = [
        verify_credential(text, keys=keys, wanted=wanted, now=now, leeway_s=leeway_s) for text in credentials
    ]
    here = Here(action, environment.digest, audience)
    found = match_companions(good, companions, keys=keys, here=here, now=now, leeway_s=leeway_s)
    if companion_required(action, environment.posture):
        for credential in good:
            if credential.claims.kid not in found:
                what = f"{action} in {environment.posture}"
                raise refused(
                    "E_COMPANION", f"{what} needs approval.dsse of the key `{credential.claims.kid}`"
                )
    if stages is not None:
        _check_stages(found.values(), stages, environment.posture)
    max_uses, requester = _terms(good, list(found.values()))
    approval_id = one_request(good)
    if revocations is not None and revocations.revokes(approval_id):
        raise refused("E_REVOKED", f"the approval {approval_id} was revoked")
    if not 0 <= uses < max_uses:
        raise refused("E_USED", f"the approval was used {uses} times of {max_uses}")
    check_quorum(good, keys, environment, requester=requester)
    return VerifiedApproval(
        _SEAL,
        action=action,
        approval_id=approval_id,
        capabilities=frozenset.intersection(*(frozenset(one.claims.capabilities) for one in good)),
        environment_digest=environment.digest,
        expires_at=min(one.claims.expires_at for one in good),
        max_uses=max_uses,
        principals=tuple(sorted({one.claims.issued_by for one in good})),
        spec_hash=spec_hash,
    )


def verify_emergency(
    data: bytes,
    *,
    keys: KeySet,
    environment: Environment,
    spec_hash: str,
    capabilities: tuple[str, ...],
    audience: str | None,
    reviews: Sequence[Review],
    revocations: RevocationList | None,
    uses: int,
    now: int,
    leeway_s: int = LEEWAY_S,
) -> VerifiedApproval:
    """The approval that one person gave in an emergency: for one run of one spec with one capability.

    Raises ``E_BREAK_GLASS`` (its limits, its signature, another host's), ``E_REVIEW_OVERDUE``,
    ``E_SPEC_HASH``, ``E_ENVIRONMENT``, ``E_EXPIRED``, ``E_CAPABILITY``, ``E_REVOKED``, ``E_USED``.
    """
    glass, _ = open_break_glass(data, keys, now)
    check_break_glass(glass, reviews, now)
    if glass.audience != audience:
        raise refused("E_BREAK_GLASS", f"break-glass.dsse is for the host {glass.audience}")
    if glass.spec_hash != spec_hash:
        raise refused("E_SPEC_HASH", f"approved was {glass.spec_hash}, this is {spec_hash}")
    if (glass.environment_id, glass.environment_digest) != (environment.id, environment.digest):
        raise refused("E_ENVIRONMENT", f"the emergency was in another environment than {environment.name}")
    if not unix_of(glass.issued_at) - leeway_s <= now < unix_of(glass.expires_at) + leeway_s:
        raise refused("E_EXPIRED", f"the emergency lasted from {glass.issued_at} to {glass.expires_at}")
    lacking = [one for one in capabilities if one != glass.capability]
    if lacking:
        raise refused("E_CAPABILITY", f"not granted: {', '.join(lacking)}")
    if revocations is not None and revocations.revokes(glass.approval_id):
        raise refused("E_REVOKED", f"the approval {glass.approval_id} was revoked")
    if uses > 0:
        raise refused("E_USED", f"the approval was used {uses} times of 1")
    return VerifiedApproval(
        _SEAL,
        action="run",
        approval_id=glass.approval_id,
        capabilities=frozenset({glass.capability}),
        environment_digest=environment.digest,
        expires_at=glass.expires_at,
        max_uses=1,
        principals=(glass.principal,),
        spec_hash=spec_hash,
    )


def wanted_of(environment: Environment, spec_hash: str, capabilities: tuple[str, ...]) -> Wanted:
    """What a credential must say for ``environment``."""
    return Wanted(
        org_id=environment.org_id,
        project_id=environment.project_id,
        environment_id=environment.id,
        environment_posture=environment.posture,
        spec_hash=spec_hash,
        capabilities=capabilities,
    )


def match_companions(
    credentials: Sequence[VerifiedCredential],
    companions: Sequence[bytes],
    *,
    keys: KeySet,
    here: Here | None,
    now: int,
    leeway_s: int = LEEWAY_S,
) -> dict[str, Companion]:
    """The verified companions by key id. Raises ``E_COMPANION`` for one that belongs to no credential."""
    by_kid = {credential.claims.kid: credential for credential in credentials}
    found = {}
    for data in companions:
        try:
            kid = open_envelope(data, APPROVAL, Companion)[0].kid
        except ValueError as error:
            raise refused("E_COMPANION", f"no approval.dsse: {error}") from None
        if kid not in by_kid:
            raise refused(
                "E_COMPANION", f"approval.dsse of the key `{kid}` belongs to none of the credentials"
            )
        found[kid] = verify_companion(data, by_kid[kid], keys=keys, here=here, now=now, leeway_s=leeway_s)
    return found


def one_request(credentials: Sequence[VerifiedCredential]) -> str:
    """The approval id that all ``credentials`` share. Raises ``E_QUORUM`` for none or several."""
    ids = {credential.claims.approval_id for credential in credentials}
    if len(ids) != 1:
        message = "the credentials answer different requests" if ids else "there is no credential"
        raise refused("E_QUORUM", message)
    return ids.pop()


def _terms(credentials: Sequence[VerifiedCredential], found: Sequence[Companion]) -> tuple[int, str | None]:
    """(max_uses, requester) on which all companions agree; without any, once and nobody."""
    if not found:
        return 1, None
    terms = {(one.request_sha256, one.max_uses, one.not_before, one.requester) for one in found}
    if len(terms) != 1:
        raise refused("E_COMPANION", "the companions answer different requests")
    # Somebody who signed no companion has agreed to one use only.
    max_uses = found[0].max_uses if len(found) == len({one.claims.kid for one in credentials}) else 1
    return max_uses, found[0].requester


def _check_stages(companions: Iterable[Companion], stages: str, posture: str) -> None:
    """The spec names stages; who rewrites their code under the same names runs what nobody approved."""
    for companion in companions:
        approved = companion.stages_sha256
        if approved != stages and not (approved is None and posture != "prod"):
            raise refused("E_COMPANION", "the code of the stages is not what was approved")


def check_quorum(
    credentials: Sequence[VerifiedCredential],
    keys: KeySet,
    environment: Environment,
    *,
    requester: str | None,
) -> Tally:
    """How far the signers fill the environment's quorum. Raises ``E_QUORUM`` unless they do."""
    signers = people([credential.key for credential in credentials], keys)
    result = tally(environment.quorum, signers, requester=requester)
    if not result.reached:
        open_places = ", ".join(f"{quota.n} of {quota.group}" for quota in result.lacking) or "all"
        message = f"{result.filled} of {result.needed} approvals; open: {open_places}"
        raise refused("E_QUORUM", message)
    return result
