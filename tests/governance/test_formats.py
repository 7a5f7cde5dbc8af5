"""The vectors of docs/formats.md: what was written once is still written, byte by byte, and still read.

BYTEOR_WRITE_VECTORS=1 writes the file anew, for a format that has changed on purpose.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from byteor.governance.break_glass import (
    BreakGlass,
    SignedReview,
    open_break_glass,
    review_of,
    seal_break_glass,
    seal_review,
)
from byteor.governance.canonical import sha256_of
from byteor.governance.companion import (
    Companion,
    Denial,
    companion_for,
    seal_companion,
    seal_denial,
    verify_companion,
    verify_denial,
)
from byteor.governance.credential import verify_credential
from byteor.governance.dsse import BREAK_GLASS, ENVIRONMENTS, open_envelope, seal
from byteor.governance.environment_signature import SignedFile, Trust, check_signature
from byteor.governance.freeze import Freeze
from byteor.governance.keyset import check_self_signed, read_key_set
from byteor.governance.lift import lifted_by, seal_lift
from byteor.governance.request import Request, Shown, read_request
from byteor.governance.requester import check_asker, seal_asker
from byteor.governance.revocation import open_revocations, revoke, seal_revocations

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "tests" / "data" / "governance" / "formats.json"
TOML = b'org_id = "acme"\nproject_id = "telemetry"\n[environments.staging]\nposture = "staging"\n'


def written(world: Any) -> dict[str, str]:
    """Every format, made by the program from the tests' keys."""
    now, at = world.now, world.time(world.now)
    environment = world.environment()
    request = Request(
        action="run", approval_expires_at=world.time(now + 3600), audience="byteor/acme/telemetry/log",
        capabilities=world.capabilities, created_at=at, environment_digest=environment.digest,
        environment_id=environment.id, environment_posture=environment.posture, max_uses=1, not_before=at,
        org_id="acme", project_id="telemetry", quorum=environment.quorum, reason="a new detector",
        request_expires_at=world.time(now + 600), request_id=world.approval_id, requester="erin",
        shown=Shown(certificate=None, spec=world.spec, spec_diff=None), spec_hash=world.spec, v=1,
    )  # fmt: skip
    alice = world.signer("alice")
    credential = world.credential("alice")
    companion = companion_for(
        request, credential, kid="alice-1", principal="alice", issued_at=at, log=(7, "0" * 64)
    )
    denial = Denial(at, "alice", "alice-1", "not today", request.request_id, request.digest, 1)
    listed = revoke(
        None, world.approval_id, reason="wrong", approval_ends=now + 3600, now=now, lives_s=86_400
    )
    signed = SignedFile(world.time(now + 99), "sha256:" + hashlib.sha256(TOML).hexdigest(), 1, 4)
    return {
        "signing_keys.json": world.as_json(world.signed(world.keys, "alice")).decode(),
        "credential": credential,
        "request.json": request.text().decode(),
        "approval.dsse": seal_companion(companion, alice).decode(),
        "requester.dsse": seal_asker(request_of_alice(request), "alice-1", alice, at).decode(),
        "denial.dsse": seal_denial(denial, alice).decode(),
        "revocations.dsse": seal_revocations(listed, "alice-1", alice).decode(),
        "byteor.toml.dsse": seal(ENVIRONMENTS, signed, [("alice-1", alice)]).decode(),
        **emergency(world),
    }


def request_of_alice(request: Request) -> Request:
    return msgspec.structs.replace(request, requester="alice")


def emergency(world: Any) -> dict[str, str]:
    """Break-glass, its review, and the wish to lift a freeze."""
    at, environment, alice = world.time(world.now), world.environment(), world.signer("alice")
    glass = BreakGlass(
        approval_id=world.approval_id, audience="byteor/acme/telemetry/log", capability=world.capabilities[0],
        environment_digest=environment.digest, environment_id=environment.id,
        expires_at=world.time(world.now + 900), issued_at=at, kid="alice-1", principal="alice",
        reason="the pager is down since nine", spec_hash=world.spec, v=1,
    )  # fmt: skip
    sealed = seal_break_glass(glass, alice)
    found = SignedReview(
        approval_id=world.approval_id, break_glass_sha256=sha256_of(sealed), issued_at=at, issued_by="carol",
        kid="carol-1", note="it was right", v=1,
    )  # fmt: skip
    return {
        "break-glass.dsse": sealed.decode(),
        "review.dsse": seal_review(found, world.signer("carol")).decode(),
        "lift.dsse": seal_lift(FROZEN, "alice-1", world.keys, alice, world.now).decode(),
    }


FROZEN = Freeze("staging-1", "user:op", "2027-01-15T07:00:00Z", "odd traffic")


@pytest.fixture(scope="module")
def vectors(world: Any) -> dict[str, str]:
    if os.environ.get("BYTEOR_WRITE_VECTORS") == "1":
        VECTORS.write_text(json.dumps(written(world), indent=1) + "\n")
    found: dict[str, str] = json.loads(VECTORS.read_text())
    return found


def test_the_program_still_writes_the_same_bytes(vectors: dict[str, str], world: Any) -> None:
    assert written(world) == vectors


def test_the_program_still_reads_and_verifies_them(vectors: dict[str, str], world: Any) -> None:
    now = world.now
    keys = read_key_set(vectors["signing_keys.json"].encode())
    check_self_signed(keys, now)
    credential = verify_credential(vectors["credential"], keys=keys, wanted=world.wanted, now=now)
    request = read_request(vectors["request.json"].encode())
    companion = verify_companion(vectors["approval.dsse"].encode(), credential, keys=keys, here=None, now=now)
    assert (type(companion), companion.request_sha256) == (Companion, request.digest)
    assert verify_denial(vectors["denial.dsse"].encode(), request, keys=keys, now=now)[1].principal == "alice"
    asked = request_of_alice(request)
    check_asker(vectors["requester.dsse"].encode(), asked.digest, "alice", keys, now)
    assert open_revocations(vectors["revocations.dsse"].encode(), keys, now).revokes(request.request_id)
    signed = check_signature(TOML, vectors["byteor.toml.dsse"].encode(), Trust(keys), now)
    assert signed.version == 4
    glass, review, lift = (vectors[f"{name}.dsse"].encode() for name in ("break-glass", "review", "lift"))
    assert open_break_glass(glass, keys, now)[1].principal == "alice"
    assert review_of(glass, review, keys, now).closed_by == "carol"
    assert lifted_by([lift], FROZEN, keys, now) == ("alice",)


NAMES = (
    "signing_keys.json", "credential", "request.json", "approval.dsse", "requester.dsse", "denial.dsse",
    "revocations.dsse",
    "byteor.toml.dsse", "break-glass.dsse", "review.dsse", "lift.dsse",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_page_names_each_vector_by_its_digest(name: str, vectors: dict[str, str]) -> None:
    page = (ROOT / "docs" / "formats.md").read_text()
    assert f"`{hashlib.sha256(vectors[name].encode()).hexdigest()}`" in page


def test_a_break_glass_document_has_a_payload_type_of_its_own(world: Any) -> None:
    data = seal(BREAK_GLASS, {"v": 1}, [("alice-1", world.signer("alice"))])
    with pytest.raises(ValueError, match="type"):
        open_envelope(data, ENVIRONMENTS, dict)
