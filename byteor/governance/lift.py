"""Lifting a freeze: each of two people signs that this one be lifted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from byteor.governance.canonical import digest_of, time_of, unix_of
from byteor.governance.dsse import LIFT, open_envelope, seal, valid_signers
from byteor.governance.errors import refused
from byteor.governance.freeze import Freeze
from byteor.governance.keyset import Key, KeySet
from byteor.governance.private_key import Signer
from byteor.governance.quorum import people


class Lift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody signs who wants a freeze lifted (payload type ``lift``): this freeze and no later one."""

    environment_id: str
    freeze_sha256: str
    issued_at: str
    issued_by: str
    kid: str
    v: int


def seal_lift(freeze: Freeze, kid: str, keys: KeySet, signer: Signer, now: int) -> bytes:
    """The signed wish to lift ``freeze``. Raises ``E_UNKNOWN_KEY``, ``E_SIGNATURE`` (another's key)."""
    key = keys.usable_key(kid, now)
    if key is None or not key.is_person:
        raise refused("E_UNKNOWN_KEY", f"the key `{kid}` is no person's that may sign now")
    if key.public_key != signer.public_key:
        raise refused("E_SIGNATURE", f"the private key is not that of `{kid}`")
    document = Lift(
        environment_id=freeze.environment_id,
        freeze_sha256=digest_of(freeze),
        issued_at=time_of(now),
        issued_by=key.principal,
        kid=kid,
        v=1,
    )
    return seal(LIFT, document, [(kid, signer)])


def lifted_by(lifts: Iterable[bytes], freeze: Freeze, keys: KeySet, now: int) -> tuple[str, ...]:
    """The different people (by first principal) who signed that they want ``freeze`` lifted.

    What does not hold, or belongs to another freeze, counts for nobody.
    """
    signing = [key for data in lifts if (key := _signer_of(data, freeze, keys, now)) is not None]
    return tuple(person.principals[0] for person in people(signing, keys))


def _signer_of(data: bytes, freeze: Freeze, keys: KeySet, now: int) -> Key | None:
    try:
        lift, envelope = open_envelope(data, LIFT, Lift)
        unix_of(lift.issued_at)
    except ValueError:
        return None
    if lift.v != 1 or lift.freeze_sha256 != digest_of(freeze):  # which covers the environment
        return None
    signers: Sequence[Key] = valid_signers(envelope, keys, now)
    fitting = (key for key in signers if (key.kid, key.principal) == (lift.kid, lift.issued_by))
    return next((key for key in fitting if key.is_person), None)
