"""Who asks is who signed: the name that is left out of the quorum is nobody's claim."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from byteor.governance.dsse import DENIAL, REQUESTER, seal
from byteor.governance.errors import GovernanceError
from byteor.governance.requester import Asker, check_asker, seal_asker

DIGEST = "sha256:" + "7" * 64


def signed(world: Any, signer: str = "alice", kind: str = REQUESTER, **changes: Any) -> bytes:
    document = Asker(world.time(world.now), "alice-1", world.approval_id, DIGEST, "alice", 1)
    document = msgspec.structs.replace(document, **changes)
    return seal(kind, document, [(document.kid, world.signer(signer))])


def refused(data: bytes, keys: Any, now: int, digest: str = DIGEST, who: str = "alice") -> bool:
    try:
        check_asker(data, digest, who, keys, now)
    except GovernanceError as error:
        assert (error.code, error.exit) == ("E_REQUESTER", 9)
        return True
    return False


def test_a_persons_and_an_agents_signature_count(world: Any) -> None:
    assert not refused(signed(world), world.keys, world.now)
    agent = world.key_set(world.key("alice", "agent"))
    assert not refused(signed(world), agent, world.now)


def test_what_an_asker_seals_is_taken_for_his_request_alone(world: Any) -> None:
    request = world.request(world.environment(), requester="alice")
    data = seal_asker(request, "alice-1", world.signer("alice"), world.time(world.now))
    assert not refused(data, world.keys, world.now, request.digest)
    assert refused(data, world.keys, world.now)


def test_another_persons_signature_under_his_name_does_not_count(world: Any) -> None:
    document = Asker(world.time(world.now), "alice-1", world.approval_id, DIGEST, "alice", 1)
    data = seal(REQUESTER, document, [("bob-1", world.signer("bob"))])
    assert refused(data, world.keys, world.now)


@pytest.mark.parametrize("change", [
    {"v": 2}, {"request_sha256": "sha256:" + "8" * 64}, {"requester": "bob"}, {"kid": "bob-1"},
    {"kid": "nobody-1"}, {"issued_at": "today"}, {"signer": "bob"}, {"kind": DENIAL},
])  # fmt: skip
def test_anything_else_does_not(world: Any, change: dict[str, Any]) -> None:
    assert refused(signed(world, **change), world.keys, world.now)


def test_the_name_and_the_request_are_those_that_are_asked_about(world: Any) -> None:
    assert refused(signed(world), world.keys, world.now, who="bob")
    assert refused(signed(world), world.keys, world.now, digest="sha256:" + "8" * 64)
    assert refused(b"{}", world.keys, world.now)


@pytest.mark.parametrize("change", [{"groups": ("log",)}, {"groups": ("host",)}, {"status": "revoked"}])
def test_a_key_that_may_not_ask_is_refused(world: Any, change: dict[str, Any]) -> None:
    keys = world.key_set(world.key("alice", **change) if "groups" not in change else
                         msgspec.structs.replace(world.key("alice"), **change))  # fmt: skip
    assert refused(signed(world), keys, world.now)
    assert refused(signed(world), world.keys, world.now + 2 * 86_400)
