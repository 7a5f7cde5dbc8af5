"""Credentials, companions, revocation, uses and quorum together, and what policy makes of them."""

from __future__ import annotations

import json
import pickle
from typing import Any

import msgspec
import pytest

from byteor.governance.approval import (
    VerifiedApproval,
    companion_required,
    verify_approval,
)
from byteor.governance.canonical import digest_of, sha256_of
from byteor.governance.companion import Companion, companion_for, seal_companion, verify_companion
from byteor.governance.credential import Wanted, verify_credential
from byteor.governance.dsse import (
    APPROVAL,
    DENIAL,
    Envelope,
    open_envelope,
    pre_authentication,
    seal,
    valid_signers,
)
from byteor.governance.environment import Quota
from byteor.governance.errors import GovernanceError
from byteor.governance.policy import decide
from byteor.governance.policy_inputs import inputs_for
from byteor.governance.revocation import RevocationList, Revoked


class Bench:
    """alice (ops) and carol (risk) answer one request; every test changes one thing."""

    def __init__(self, world: Any, posture: str = "staging") -> None:
        self.world = world
        self.environment = world.environment(posture=posture)
        self.request = world.request(self.environment)
        self.names = ["alice", "carol"]
        self.companions: list[bytes] | None = None
        self.given: dict[str, Any] = {
            "keys": world.keys, "spec_hash": world.spec, "capabilities": world.capabilities, "action": "run",
            "audience": "byteor/acme/telemetry/log", "revocations": None, "uses": 0, "now": world.now + 60,
        }  # fmt: skip
        self.claims: dict[str, Any] = {}

    def credential(self, name: str) -> str:
        claims = {"environment_posture": self.environment.posture, **self.claims}
        return self.world.credential(name, **claims)

    def companion(self, name: str, **changes: Any) -> bytes:
        document = companion_for(
            self.request, self.credential(name), kid=f"{name}-1", principal=name,
            issued_at=self.world.time(self.world.now), log=(7, "root"),
        )  # fmt: skip
        signer = self.world.signer(changes.pop("signer", name))
        return seal_companion(msgspec.structs.replace(document, **changes), signer)

    def verify(self, **given: Any) -> VerifiedApproval:
        companions = self.companions
        if companions is None:
            companions = [self.companion(name) for name in self.names]
        return verify_approval(
            [self.credential(name) for name in self.names], companions,
            **{"environment": self.environment, **self.given, **given},
        )  # fmt: skip

    def code(self, **given: Any) -> str | None:
        try:
            self.verify(**given)
        except GovernanceError as error:
            return error.code
        return None


@pytest.fixture
def bench(world: Any) -> Bench:
    return Bench(world)


def test_two_groups_approve_together(bench: Bench) -> None:
    found = bench.verify()
    assert found.principals == ("alice", "carol")
    assert (found.approval_id, found.spec_hash) == (bench.world.approval_id, bench.world.spec)
    assert found.capabilities == frozenset(bench.world.capabilities)
    assert (found.max_uses, found.expires_at) == (3, bench.world.time(bench.world.now + 3600))


def test_prod_takes_no_other_code_than_the_approved_and_nobody_takes_a_swapped_one(world: Any) -> None:
    one, other = "sha256:" + "1" * 64, "sha256:" + "2" * 64
    for posture in ("prod", "staging"):
        bench = Bench(world, posture)
        assert bench.code(stages=None) is None
        assert bench.code(stages=one) == ("E_COMPANION" if posture == "prod" else None)
        bench.companions = [bench.companion(name, stages_sha256=one) for name in bench.names]
        assert bench.code(stages=one) is None
        assert bench.code(stages=other) == "E_COMPANION"
        mixed = [bench.companion("alice", stages_sha256=one), bench.companion("carol", stages_sha256=other)]
        bench.companions = mixed
        assert bench.code(stages=one) == "E_COMPANION"


def test_whoever_reads_papers_elsewhere_asks_for_no_action_environment_or_host(bench: Bench) -> None:
    """``byteor approval verify`` of files, on a machine where nothing will run."""
    given = bench.given
    wanted = Wanted("acme", "telemetry", bench.environment.id, "staging", given["spec_hash"], ())
    terms: dict[str, Any] = {"keys": given["keys"], "now": given["now"]}
    credential = verify_credential(bench.credential("alice"), wanted=wanted, **terms)
    other = {"action": "deploy", "environment_digest": "sha256:" + "9" * 64, "audience": "byteor/a/b/c"}
    companion = verify_companion(bench.companion("alice", **other), credential, here=None, **terms)
    assert {name: getattr(companion, name) for name in other} == other
    with pytest.raises(GovernanceError, match="max_uses"):
        verify_companion(bench.companion("alice", max_uses=0), credential, here=None, **terms)


def test_nobody_but_the_verifier_makes_an_approval(bench: Bench) -> None:
    with pytest.raises(TypeError):
        VerifiedApproval(object(), approval_id="x")
    found = bench.verify()
    with pytest.raises(AttributeError):
        found.max_uses = 1000  # type: ignore[misc]
    with pytest.raises(TypeError):
        pickle.dumps(found)


@pytest.mark.parametrize("names", [["alice"], ["carol"], ["alice", "bob"], ["dave"], [], ["alice", "alice"]])
def test_too_few_people_are_no_quorum(names: list[str], bench: Bench) -> None:
    bench.names = names
    assert bench.code() == "E_QUORUM"


def test_the_requester_does_not_count(world: Any) -> None:
    bench = Bench(world)
    bench.request = world.request(bench.environment, requester="alice")
    assert bench.code() == "E_QUORUM"


def test_answers_to_different_requests_do_not_add_up(bench: Bench) -> None:
    other = "22222222-2222-4333-8444-555555555555"
    credentials = [bench.credential("alice"), bench.world.credential("carol", approval_id=other)]
    with pytest.raises(GovernanceError) as caught:
        verify_approval(credentials, [], environment=bench.environment, **bench.given)
    assert caught.value.code == "E_QUORUM"


# --- companions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "posture", "needed"),
    [("run", "dev", False), ("run", "staging", False), ("run", "prod", True), ("deploy", "dev", True),
     ("replay_execute", "staging", True), ("deploy", "prod", True)],
)  # fmt: skip
def test_every_action_but_run_and_all_of_prod_need_companions(
    action: str, posture: str, needed: bool, world: Any
) -> None:
    assert companion_required(action, posture) is needed
    bench = Bench(world, posture)
    bench.companions = []
    assert bench.code(action=action) == ("E_COMPANION" if needed else None)


def test_in_prod_every_signer_needs_one(world: Any) -> None:
    bench = Bench(world, "prod")
    bench.companions = [bench.companion("alice")]
    assert bench.code() == "E_COMPANION"


def test_a_credential_alone_authorises_once(bench: Bench) -> None:
    bench.companions = []
    assert bench.verify().max_uses == 1
    assert bench.code(uses=1) == "E_USED"


def test_more_than_one_use_needs_every_signers_word(bench: Bench) -> None:
    bench.companions = [bench.companion("alice")]
    assert bench.verify().max_uses == 1


@pytest.mark.parametrize(
    ("uses", "code"), [(0, None), (2, None), (3, "E_USED"), (4, "E_USED"), (-1, "E_USED")]
)
def test_uses_are_counted(uses: int, code: str | None, bench: Bench) -> None:
    assert bench.code(uses=uses) == code


COMPANION_CHANGES: list[dict[str, Any]] = [
    {"v": 2}, {"approval_id": "22222222-2222-4333-8444-555555555555"}, {"kid": "carol-1"}, {"kid": "bob-1"},
    {"request_id": "22222222-2222-4333-8444-555555555555"}, {"issued_by": "carol"},
    {"expires_at": "2028-01-01T00:00:00Z"},
    {"credential_sha256": sha256_of(b"x")}, {"action": "deploy"}, {"environment_digest": sha256_of(b"x")},
    {"audience": None}, {"audience": "byteor/acme/telemetry/other"}, {"max_uses": 0}, {"max_uses": 1001},
    {"max_uses": 4}, {"requester": "mallory"}, {"request_sha256": "x"}, {"request_sha256": sha256_of(b"x")},
    {"shown_sha256": ""}, {"not_before": "soon"}, {"issued_at": "now"}, {"signer": "carol"},
    {"signer": "mallory"},
    {"not_before": "2027-01-15T07:59:59Z"},
]  # fmt: skip


@pytest.mark.parametrize("change", COMPANION_CHANGES, ids=[str(change) for change in COMPANION_CHANGES])
def test_a_companion_that_does_not_fit_is_refused(change: dict[str, Any], bench: Bench) -> None:
    bench.companions = [bench.companion("alice", **change), bench.companion("carol")]
    assert bench.code() == "E_COMPANION"


def test_the_unchanged_companions_of_that_test_fit(bench: Bench) -> None:
    bench.companions = [bench.companion("alice"), bench.companion("carol")]
    assert bench.code() is None


def test_a_copy_is_worth_nothing_on_another_host(bench: Bench) -> None:
    assert bench.code(audience="byteor/acme/telemetry/other") == "E_COMPANION"
    assert bench.code(audience=None) == "E_COMPANION"


def test_an_answer_for_one_environment_is_none_for_a_changed_one(bench: Bench) -> None:
    companions = [bench.companion(name) for name in bench.names]
    bench.companions = companions
    bench.environment = msgspec.structs.replace(bench.environment, replay="allowed")
    assert bench.code() == "E_COMPANION"


def test_not_before_holds_with_the_leeway(world: Any) -> None:
    bench = Bench(world)
    bench.request = world.request(bench.environment, not_before=world.time(world.now + 100))
    assert [bench.code(now=world.now + at) for at in (69, 70)] == ["E_EXPIRED", None]


def test_a_denial_is_no_approval_though_its_signature_holds(bench: Bench) -> None:
    good = bench.companion("alice")
    document, _ = open_envelope(good, APPROVAL, Companion)
    as_denial = seal(DENIAL, document, [("alice-1", bench.world.signer("alice"))])
    bench.companions = [as_denial, bench.companion("carol")]
    assert bench.code() == "E_COMPANION"
    relabelled = as_denial.replace(DENIAL.encode(), APPROVAL.encode())
    bench.companions = [relabelled, bench.companion("carol")]
    assert bench.code() == "E_COMPANION"


ENVELOPE_BREAKS = [
    lambda text: text + b" ", lambda text: b" " + text, lambda text: text.replace(b'":', b'": ', 1),
    lambda text: text[:-1], lambda text: b"", lambda text: text.replace(b"==", b"", 1),
    lambda text: text.replace(b'"keyid"', b'"kid"'),
    lambda text: text.replace(b'{"keyid"', b'{"a":1,"keyid"'),
    lambda text: text.replace(b'"signatures":[{', b'"signatures":[],"x":[{'), lambda text: text + b"\n\n",
    lambda text: b"[" * 9000,
]  # fmt: skip


@pytest.mark.parametrize("index", range(len(ENVELOPE_BREAKS)))
def test_an_envelope_has_one_text(index: int, bench: Bench) -> None:
    good = bench.companion("alice")
    bad = ENVELOPE_BREAKS[index](good)
    assert bad != good
    bench.companions = [bad, bench.companion("carol")]
    assert bench.code() == "E_COMPANION"


def test_a_final_newline_of_the_file_is_no_other_text(bench: Bench) -> None:
    bench.companions = [bench.companion("alice") + b"\n", bench.companion("carol")]
    assert bench.code() is None


def test_one_raw_key_signs_an_envelope_once(world: Any) -> None:
    keys = world.key_set(world.key("alice"), world.key("mallory", seed="alice"))
    signer = world.signer("alice")
    data = seal(APPROVAL, {"x": 1}, [("alice-1", signer), ("mallory-1", signer), ("nobody", signer)])
    _, envelope = open_envelope(data, APPROVAL, dict)
    assert [key.kid for key in valid_signers(envelope, keys, world.now)] == ["alice-1"]


def test_an_envelope_without_signatures_is_refused(world: Any) -> None:
    with pytest.raises(ValueError, match="1 to 64"):
        open_envelope(seal(APPROVAL, {}, []), APPROVAL, dict)


def test_what_is_signed_is_the_encoding_of_the_standard() -> None:
    assert pre_authentication("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_payloads_are_canonical(bench: Bench) -> None:
    envelope = msgspec.json.decode(bench.companion("alice"), type=Envelope)
    spaced = json.dumps({"v": 1}).encode()
    import base64

    bad = msgspec.structs.replace(envelope, payload=base64.b64encode(spaced).decode())
    with pytest.raises(ValueError, match="canonical"):
        open_envelope(msgspec.json.encode(bad), APPROVAL, dict)


# --- revocation, and the order -----------------------------------------------------------------------------


def revocation(world: Any) -> RevocationList:
    at = world.time(world.now)
    return RevocationList(
        (Revoked(world.approval_id, world.time(world.now + 9999), "wrong spec", at),), at, at, 1, 1
    )


def test_a_revoked_approval_is_refused_before_uses_and_quorum(bench: Bench) -> None:
    assert bench.code(revocations=revocation(bench.world)) == "E_REVOKED"
    bench.names = ["alice"]
    assert bench.code(revocations=revocation(bench.world), uses=9) == "E_REVOKED"
    assert bench.code(uses=9) == "E_USED"


def test_the_revocation_of_another_approval_changes_nothing(bench: Bench) -> None:
    other = msgspec.structs.replace(revocation(bench.world), entries=())
    assert bench.code(revocations=other) is None


# --- what policy makes of it -------------------------------------------------------------------------------


def answer(bench: Bench, approval: Any, **changes: Any) -> str:
    given = {
        "side_effects": bench.environment.side_effects, "spec_hash": bench.world.spec, "dry_run": False,
        "replay": False, "approval": approval,
    }  # fmt: skip
    capability = changes.pop("capability", bench.world.capabilities[0])
    environment = changes.pop("environment", bench.environment)
    return decide(inputs_for(environment, capability, **{**given, **changes})).decision


def test_an_approval_allows_exactly_what_it_names(bench: Bench) -> None:
    approval = bench.verify()
    assert answer(bench, approval) == "Allow"
    assert answer(bench, None) == "RequireApproval"
    assert answer(bench, approval, capability="exec:/bin/sh") == "RequireApproval"
    assert answer(bench, approval, spec_hash="sha256:" + "6" * 64) == "RequireApproval"
    assert answer(bench, approval, side_effects="deny_all") == "Deny"
    other = msgspec.structs.replace(bench.environment, quorum=(Quota("ops", 1),))
    assert answer(bench, approval, environment=other) == "RequireApproval"
    assert answer(bench, None, capability=None) == "Allow"


def test_an_approval_of_a_run_is_none_for_a_replay(bench: Bench) -> None:
    environment = msgspec.structs.replace(bench.environment, replay="allowed")
    bench.environment = environment
    bench.request = bench.world.request(environment)
    assert answer(bench, bench.verify(), replay=True) == "RequireApproval"
    bench.request = bench.world.request(environment, action="replay_execute")
    approval = bench.verify(action="replay_execute")
    assert answer(bench, approval, replay=True) == "Allow"
    assert answer(bench, approval) == "RequireApproval"


def test_granted_together_is_only_what_each_granted(bench: Bench) -> None:
    bench.given["capabilities"] = world_first = bench.world.capabilities[:1]
    credentials = [bench.credential("alice"), bench.world.credential("carol", capabilities=world_first)]
    found = verify_approval(credentials, [], environment=bench.environment, **bench.given)
    assert found.capabilities == frozenset(world_first)


def test_what_was_shown_is_signed_by_its_digest(bench: Bench) -> None:
    document, _ = open_envelope(bench.companion("alice"), APPROVAL, Companion)
    assert document.shown_sha256 == digest_of(bench.request.shown)
    assert (document.log_size, document.log_root) == (7, "root")


def alike(bench: Bench, **changes: Any) -> Bench:
    """Every companion says the same wrong thing: nothing but the rule itself can notice."""
    bench.companions = [bench.companion(name, **changes) for name in bench.names]
    return bench


@pytest.mark.parametrize(("uses", "refused"), [(0, True), (1, False), (1000, False), (1001, True)])
def test_uses_that_all_companions_name_have_limits(bench: Bench, uses: int, refused: bool) -> None:
    assert alike(bench, max_uses=uses).code() == ("E_COMPANION" if refused else None)


@pytest.mark.parametrize("name", ["request_sha256", "shown_sha256"])
def test_a_digest_that_is_none_is_refused_even_from_all(bench: Bench, name: str) -> None:
    assert alike(bench, **{name: "x"}).code() == "E_COMPANION"


def test_without_a_stages_digest_none_is_compared(world: Any) -> None:
    bench = Bench(world, "prod")
    assert alike(bench, stages_sha256="sha256:" + "1" * 64).code(stages=None) is None


def test_an_approval_ends_when_a_slow_clock_says_so(bench: Bench) -> None:
    assert bench.verify().ends_at == bench.world.now + 3600 + 30


def test_what_is_wrong_with_a_quorum_is_told(bench: Bench) -> None:
    def told(**given: Any) -> str:
        with pytest.raises(GovernanceError) as caught:
            bench.verify(**given)
        return caught.value.message

    bench.names = []
    assert told() == "there is no credential"
    bench.names = ["alice"]
    assert told() == "1 of 2 approvals; open: 1 of risk"
    other = bench.world.credential("carol", approval_id="22222222-2222-4333-8444-555555555555")
    with pytest.raises(GovernanceError, match="different requests"):
        verify_approval([bench.credential("alice"), other], [], environment=bench.environment, **bench.given)
    nobody = msgspec.structs.replace(bench.environment, quorum=())
    with pytest.raises(GovernanceError, match="0 of 0 approvals; open: all"):
        verify_approval([bench.credential("alice")], [], environment=nobody, **bench.given)
