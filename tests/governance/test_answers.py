"""Where a request stands is worked out from signed answers, in whatever order they came in."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from byteor.governance.answers import Account, Answer, account_of, answer_yes, check_answer
from byteor.governance.companion import Denial, seal_companion, seal_denial
from byteor.governance.errors import GovernanceError
from byteor.governance.request import Request, Shown
from byteor.governance.revocation import RevocationList, Revoked


@pytest.fixture
def request_(world: Any) -> Request:
    environment = world.environment()
    return Request(
        action="deploy", approval_expires_at=world.time(world.now + 3600),
        audience="byteor/acme/telemetry/log", capabilities=world.capabilities,
        created_at=world.time(world.now), environment_digest=environment.digest,
        environment_id=environment.id, environment_posture=environment.posture, max_uses=2,
        not_before=world.time(world.now + 300), org_id="acme", project_id="telemetry",
        quorum=environment.quorum, reason="new",
        request_expires_at=world.time(world.now + 600), request_id=world.approval_id,
        requester="erin", shown=Shown(None, world.spec, None), spec_hash=world.spec, v=1,
    )  # fmt: skip


def yes(world: Any, request: Request, name: str, at: int = 0) -> Answer:
    signer = world.signer(name)
    text, companion = answer_yes(
        request,
        kid=f"{name}-1",
        principal=name,
        signer=signer,
        issued_at=world.time(world.now + at),
        log=None,
    )
    return Answer(credential=text, companion=seal_companion(companion, signer))


def no(world: Any, request: Request, name: str, at: int = 0) -> Answer:
    denial = Denial(
        world.time(world.now + at), name, f"{name}-1", "no", request.request_id, request.digest, 1
    )
    return Answer(denial=seal_denial(denial, world.signer(name)))


def stand(world: Any, request: Request, answers: dict[str, Answer], **given: Any) -> Account:
    values = {"keys": world.keys, "revocations": None, "uses": 0, "now": world.now + 60, **given}
    return account_of(request, answers, **values)


def test_a_yes_that_begins_later_counts_today(world: Any, request_: Request) -> None:
    answers = {"alice-1": yes(world, request_, "alice"), "carol-1": yes(world, request_, "carol", 5)}
    found = stand(world, request_, answers)
    assert (found.progress.state, found.progress.approved_by) == ("approved", ("alice-1", "carol-1"))
    assert found.void == {}
    assert {row.kid: row.why for row in found.standings}["alice-1"] == "has approved"


def test_an_approval_in_time_outlives_the_requests_own_clock(world: Any, request_: Request) -> None:
    answers = {"alice-1": yes(world, request_, "alice", 599), "carol-1": yes(world, request_, "carol", 599)}
    assert stand(world, request_, answers, now=world.now + 700).progress.state == "approved"
    assert stand(world, request_, answers, now=world.now + 3600).progress.state == "expired"
    late = {**answers, "carol-1": yes(world, request_, "carol", 600)}
    found = stand(world, request_, late, now=world.now + 700)
    assert (found.progress.state, list(found.void)) == ("expired", ["carol-1"])


def test_a_no_before_the_last_yes_ends_it_and_one_after_changes_nothing(
    world: Any, request_: Request
) -> None:
    answers = {"alice-1": yes(world, request_, "alice", 1), "carol-1": yes(world, request_, "carol", 9)}
    before = stand(world, request_, {**answers, "bob-1": no(world, request_, "bob", 5)})
    assert (before.progress.state, before.progress.denied_by, list(before.void)) == (
        "denied",
        "bob-1",
        ["carol-1"],
    )
    after = stand(world, request_, {**answers, "bob-1": no(world, request_, "bob", 20)})
    assert (after.progress.state, list(after.void)) == ("approved", ["bob-1"])


def test_revocation_and_uses_end_an_approval(world: Any, request_: Request) -> None:
    answers = {"alice-1": yes(world, request_, "alice"), "carol-1": yes(world, request_, "carol")}
    at = world.time(world.now)
    entry = Revoked(request_.request_id, world.time(world.now + 9999), "x", at)
    listed = RevocationList((entry,), at, at, 1, 1)
    assert stand(world, request_, answers, revocations=listed).progress.state == "revoked"
    assert stand(world, request_, {}, revocations=listed).progress.state == "revoked"
    assert [stand(world, request_, answers, uses=n).progress.state for n in (1, 2)] == ["approved", "used"]


def test_the_answer_of_a_key_that_was_revoked_since_no_longer_counts(world: Any, request_: Request) -> None:
    answers = {"alice-1": yes(world, request_, "alice"), "carol-1": yes(world, request_, "carol")}
    rows = tuple(
        msgspec.structs.replace(key, status="revoked") if key.kid == "alice-1" else key
        for key in world.keys.keys
    )
    found = stand(world, request_, answers, keys=msgspec.structs.replace(world.keys, keys=rows))
    assert found.progress.state == "pending"
    assert "E_UNKNOWN_KEY" in found.void["alice-1"]


def test_answers_to_a_changed_request_are_void(world: Any, request_: Request) -> None:
    for change in (
        {"max_uses": 3}, {"reason": "other"}, {"requester": "alice"}, {"audience": None},
        {"shown": Shown(None, world.spec, world.spec)}, {"not_before": world.time(world.now + 9)},
        {"environment_digest": world.spec}, {"action": "run"}, {"capabilities": world.capabilities[:1]},
        {"approval_expires_at": world.time(world.now + 9999)},
    ):  # fmt: skip
        other = msgspec.structs.replace(request_, **change)
        for answer in (yes(world, other, "alice"), no(world, other, "alice")):
            found = stand(world, request_, {"alice-1": answer})
            assert list(found.void) == ["alice-1"], change
            assert found.progress.state == "pending"


@pytest.mark.parametrize("which", ["credential", "companion"])
def test_deploying_takes_both_halves(which: str, world: Any, request_: Request) -> None:
    half = msgspec.structs.replace(yes(world, request_, "alice"), **{which: None})
    with pytest.raises(GovernanceError) as caught:
        check_answer(request_, half, keys=world.keys, now=world.now)
    assert caught.value.code == "E_COMPANION"


def test_a_denial_by_another_key_or_under_another_name_is_void(world: Any, request_: Request) -> None:
    for kid, principal, signer in (
        ("alice-1", "bob", "alice"),
        ("alice-1", "alice", "bob"),
        ("x", "alice", "alice"),
    ):
        denial = Denial(world.time(world.now), principal, kid, "no", request_.request_id, request_.digest, 1)
        answer = Answer(denial=seal_denial(denial, world.signer(signer)))
        with pytest.raises(GovernanceError) as caught:
            check_answer(request_, answer, keys=world.keys, now=world.now)
        assert caught.value.code == "E_COMPANION"


@pytest.mark.parametrize("change", [
    {"v": 2}, {"request_id": "22222222-2222-4333-8444-555555555555"},
    {"request_sha256": "sha256:" + "9" * 64}, {"issued_by": "bob"}, {"kid": "bob-1"}, {"issued_at": "today"},
])  # fmt: skip
def test_a_no_to_another_request_or_of_another_key_is_none(
    world: Any, request_: Request, change: Any
) -> None:
    denial = Denial(world.time(world.now), "alice", "alice-1", "no", request_.request_id, request_.digest, 1)
    data = seal_denial(msgspec.structs.replace(denial, **change), world.signer("alice"))
    with pytest.raises(GovernanceError) as caught:
        check_answer(request_, Answer(denial=data), keys=world.keys, now=world.now)
    assert caught.value.code == "E_COMPANION"


def test_what_the_signer_saw_of_the_log_is_in_what_he_signs(world: Any, request_: Request) -> None:
    terms = {"kid": "alice-1", "principal": "alice", "signer": world.signer("alice"), "issued_at": "x"}
    terms["issued_at"] = world.time(world.now)
    for log in (None, (7, "ab")):
        companion = answer_yes(request_, log=log, **terms)[1]
        assert (companion.log_size, companion.log_root) == (log or (None, None))
