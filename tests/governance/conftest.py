"""Keys, people and an environment that the tests share. Keys come from names, so a failure repeats."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest

from byteor.governance.canonical import encode_base64url, time_of
from byteor.governance.credential import Claims, Wanted, encode_credential
from byteor.governance.environment import Environment, Quota
from byteor.governance.keyset import Key, KeySet, Signature
from byteor.governance.private_key import Signer
from byteor.governance.request import Request, Shown

NOW = 1_800_000_000  # 2027-01-15T08:00:00Z
SPEC = "sha256:" + "5" * 64
CAPABILITIES = ("exec:/usr/bin/notify", "http_post:https://alerts.example")
APPROVAL_ID = "11111111-2222-4333-8444-555555555555"


def signer_of(name: str) -> Signer:
    """The private key that the tests give to ``name``."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Signer(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest()))


def key_of(
    name: str, *groups: str, principal: str | None = None, seed: str | None = None, **changes: Any
) -> Key:
    """The public entry of ``name``'s key, good for a day around NOW unless changed."""
    key = Key(
        kid=f"{name}-1",
        alg="Ed25519",
        public_key=signer_of(seed or name).public_key,
        principal=principal or name,
        groups=groups,
        not_before=time_of(NOW - 86_400),
        not_after=time_of(NOW + 86_400),
        status="active",
    )
    return msgspec.structs.replace(key, **changes)


def key_set_of(*keys: Key, version: int = 1, threshold: int = 1, lives_s: int = 86_400) -> KeySet:
    return KeySet(version=version, expires_at=time_of(NOW + lives_s), threshold=threshold, keys=keys)


def signed(keys: KeySet, *names: str) -> KeySet:
    """``keys`` with the signatures of ``names`` added."""
    text = keys.signed_text()
    extra = tuple(Signature(f"{name}-1", encode_base64url(signer_of(name).sign(text))) for name in names)
    return msgspec.structs.replace(keys, signatures=(*keys.signatures, *extra))


def as_json(keys: KeySet) -> bytes:
    return msgspec.json.encode(keys)


def credential_of(name: str, **changes: Any) -> str:
    """``name``'s credential for the shared spec and environment, with ``changes`` to its claims."""
    return encode_credential(msgspec.structs.replace(claims_of(name), **changes), signer_of(name))


def claims_of(name: str) -> Claims:
    return Claims(
        approval_id=APPROVAL_ID,
        capabilities=CAPABILITIES,
        environment_id="staging-1",
        environment_posture="staging",
        expires_at=time_of(NOW + 3600),
        issued_at=time_of(NOW),
        issued_by=name,
        kid=f"{name}-1",
        org_id="acme",
        project_id="telemetry",
        spec_hash=SPEC,
        v=1,
    )


def environment_of(**changes: Any) -> Environment:
    environment = Environment(
        name="staging",
        id="staging-1",
        org_id="acme",
        project_id="telemetry",
        posture="staging",
        replay="dry_run_only",
        side_effects="require_approval",
        quorum=(Quota("ops", 1), Quota("risk", 1)),
        trusted=True,
    )
    return msgspec.structs.replace(environment, **changes)


def request_of(environment: Environment, **changes: Any) -> Request:
    """alice's and carol's to answer; dies unapproved in 10 minutes, unused in an hour."""
    request = Request(
        action="run",
        approval_expires_at=time_of(NOW + 3600),
        audience="byteor/acme/telemetry/log",
        capabilities=CAPABILITIES,
        created_at=time_of(NOW),
        environment_digest=environment.digest,
        environment_id=environment.id,
        environment_posture=environment.posture,
        max_uses=3,
        not_before=time_of(NOW),
        org_id="acme",
        project_id="telemetry",
        quorum=environment.quorum,
        reason="a new detector",
        request_expires_at=time_of(NOW + 600),
        request_id=APPROVAL_ID,
        requester="erin",
        shown=Shown(certificate=None, spec=SPEC, spec_diff=None),
        spec_hash=SPEC,
        v=1,
    )
    return msgspec.structs.replace(request, **changes)


class World:
    """Everything above in one fixture, since test modules import nothing of each other."""

    now, spec, capabilities, approval_id = NOW, SPEC, CAPABILITIES, APPROVAL_ID
    signer = staticmethod(signer_of)
    key = staticmethod(key_of)
    key_set = staticmethod(key_set_of)
    signed = staticmethod(signed)
    as_json = staticmethod(as_json)
    claims = staticmethod(claims_of)
    credential = staticmethod(credential_of)
    environment = staticmethod(environment_of)
    request = staticmethod(request_of)
    time = staticmethod(time_of)

    @property
    def keys(self) -> KeySet:
        """alice and bob in ops, carol in risk, dave in both."""
        return key_set_of(
            key_of("alice", "ops"),
            key_of("bob", "ops"),
            key_of("carol", "risk"),
            key_of("dave", "ops", "risk"),
        )

    @property
    def wanted(self) -> Wanted:
        return Wanted("acme", "telemetry", "staging-1", "staging", SPEC, CAPABILITIES)


@pytest.fixture(scope="session")
def world() -> World:
    return World()
