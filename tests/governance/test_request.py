"""A request's form, and its life: every state, every event, both clocks to the second."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from byteor.governance.environment import Quota
from byteor.governance.errors import GovernanceError
from byteor.governance.request import (
    TRANSITIONS,
    Progress,
    Request,
    Shown,
    State,
    approve,
    clock,
    deny,
    read_request,
    revoke,
    use,
)


@pytest.fixture
def request_(world: Any) -> Request:
    return Request(
        action="deploy",
        approval_expires_at=world.time(world.now + 3600),
        audience=None,
        capabilities=world.capabilities,
        created_at=world.time(world.now),
        environment_digest=world.environment().digest,
        environment_id="staging-1",
        environment_posture="staging",
        max_uses=2,
        not_before=world.time(world.now),
        org_id="acme",
        project_id="telemetry",
        quorum=(Quota("ops", 1), Quota("risk", 1)),
        reason="a new detector",
        request_expires_at=world.time(world.now + 600),
        request_id=world.approval_id,
        requester="erin",
        shown=Shown(certificate=None, spec=world.spec, spec_diff=None),
        spec_hash=world.spec,
        v=1,
    )


def code(call: Any, *args: Any) -> str:
    with pytest.raises(GovernanceError) as caught:
        call(*args)
    return caught.value.code


def test_a_request_survives_its_file(request_: Request) -> None:
    assert read_request(request_.text()) == request_
    assert read_request(request_.text().removesuffix(b"\n")).digest == request_.digest


BAD: list[dict[str, Any]] = [
    {"v": 2}, {"action": "delete"}, {"environment_posture": "qa"}, {"request_id": "1"}, {"org_id": ""},
    {"project_id": " "}, {"environment_id": ""}, {"requester": ""}, {"reason": "\n "},
    {"reason": "ok\x1b[2J"},
    {"requester": "a\nb"},
    {"capabilities": ("b:1", "a:1")},
    {"capabilities": ("a:1", "a:1")}, {"capabilities": ("http_post:https://A.example",)},
    {"capabilities": ("x",)},
    {"capabilities": ("exec:sh",)}, {"capabilities": ("exec:/bin/sh -c",)},
    {"capabilities": ("exec:/bin/sh|-c",)},
    {"spec_hash": "x"}, {"environment_digest": "x"}, {"shown": Shown("x", "x", None)}, {"max_uses": 0},
    {"max_uses": 1001}, {"quorum": ()}, {"quorum": (Quota("ops", 0),)}, {"quorum": (Quota("", 1),)},
    {"created_at": "x"}, {"not_before": "x"}, {"request_expires_at": "x"}, {"approval_expires_at": "x"},
    {"request_expires_at": "2027-01-15T08:00:00Z"}, {"approval_expires_at": "2027-01-15T08:00:00Z"},
    {"not_before": "2027-01-15T09:00:00Z"},
]  # fmt: skip


@pytest.mark.parametrize("change", BAD, ids=[str(change) for change in BAD])
def test_a_request_that_breaks_a_rule_is_refused(change: dict[str, Any], request_: Request) -> None:
    assert code(read_request, msgspec.structs.replace(request_, **change).text()) == "E_REQUEST"


@pytest.mark.parametrize("mangle", [
    lambda text: text + b"\n", lambda text: b" " + text, lambda text: b"",
    lambda text: text.replace(b'"v":1', b'"v":1,"x":1'), lambda text: text.replace(b'"v":1', b'"v":1,"v":1'),
    lambda text: text.replace(b',"v":1', b""),
])  # fmt: skip
def test_a_request_has_one_text(mangle: Any, request_: Request) -> None:
    assert code(read_request, mangle(request_.text())) == "E_REQUEST"


# --- life --------------------------------------------------------------------------------------------------


def test_a_quorum_of_two_groups_approves(request_: Request, world: Any) -> None:
    one = approve(request_, Progress(), world.key("alice", "ops"), world.keys, world.now + 1)
    assert (one.state, one.approved_by) == ("pending", ("alice-1",))
    two = approve(request_, one, world.key("carol", "risk"), world.keys, world.now + 2)
    assert (two.state, two.approved_by) == ("approved", ("alice-1", "carol-1"))


def test_it_is_used_as_often_as_said(request_: Request, world: Any) -> None:
    approved = Progress(state="approved")
    one = use(request_, approved, world.now + 5)
    two = use(request_, one, world.now + 6)
    assert [one.state, one.uses, two.state, two.uses] == ["approved", 1, "used", 2]
    assert code(use, request_, two, world.now + 7) == "E_REQUEST_STATE"


@pytest.mark.parametrize("name", ["alice", "bob"])
def test_one_no_of_somebody_who_could_approve_ends_it(name: str, request_: Request, world: Any) -> None:
    found = deny(request_, Progress(), world.keys.key(f"{name}-1"), world.keys, world.now)
    assert (found.state, found.denied_by) == ("denied", f"{name}-1")


def test_who_may_not_approve_may_not_deny_either(world: Any, request_: Request) -> None:
    keys = world.key_set(world.key("erin", "ops"), world.key("grace", "sales"), world.key("alice", "ops"))
    for call in (approve, deny):
        for kid in ("erin-1", "grace-1"):
            assert code(call, request_, Progress(), keys.key(kid), keys, world.now) == "E_NOT_ELIGIBLE"
        assert (
            code(call, request_, Progress(), world.key("mallory", "ops"), keys, world.now) == "E_NOT_ELIGIBLE"
        )


def test_nobody_approves_twice(request_: Request, world: Any) -> None:
    keys = world.key_set(world.key("alice", "ops"), world.key("alice", "risk", kid="alice-2", seed="alice2"))
    one = approve(request_, Progress(), keys.keys[0], keys, world.now)
    assert code(approve, request_, one, keys.keys[1], keys, world.now) == "E_NOT_ELIGIBLE"


EVENTS = {
    "approve": lambda r, p, w: approve(r, p, w.keys.key("alice-1"), w.keys, w.now),
    "deny": lambda r, p, w: deny(r, p, w.keys.key("alice-1"), w.keys, w.now),
    "revoke": lambda r, p, w: revoke(r, p, w.now),
    "use": lambda r, p, w: use(r, p, w.now),
}
ALLOWED = {
    ("pending", "approve"),
    ("pending", "deny"),
    ("pending", "revoke"),
    ("approved", "revoke"),
    ("approved", "use"),
}


@pytest.mark.parametrize("state", get_args(State))
@pytest.mark.parametrize("event", list(EVENTS))
def test_each_state_takes_the_events_of_the_table_and_no_other(
    state: State, event: str, request_: Request, world: Any
) -> None:
    progress = Progress(state=state)
    if (state, event) in ALLOWED:
        after = EVENTS[event](request_, progress, world)
        assert after.state == state or after.state in TRANSITIONS[state]
        assert after != progress
    else:
        assert code(EVENTS[event], request_, progress, world) == "E_REQUEST_STATE"


def test_the_table_of_transitions_is_that_of_the_design() -> None:
    assert {
        "pending": {"approved", "denied", "expired", "revoked"},
        "approved": {"used", "expired", "revoked"},
        "denied": set(), "expired": set(), "revoked": set(), "used": set(),
    } == TRANSITIONS  # fmt: skip


@pytest.mark.parametrize(
    ("state", "after", "found"),
    [
        ("pending", 599, "pending"), ("pending", 600, "expired"), ("approved", 600, "approved"),
        ("approved", 3599, "approved"), ("approved", 3600, "expired"), ("denied", 9999, "denied"),
        ("revoked", 9999, "revoked"), ("used", 9999, "used"), ("expired", 0, "expired"),
    ],
)  # fmt: skip
def test_two_clocks(state: State, after: int, found: str, request_: Request, world: Any) -> None:
    assert clock(request_, Progress(state=state), world.now + after).state == found


def test_a_request_dies_with_its_approval_even_if_it_might_live_longer(request_: Request, world: Any) -> None:
    short = msgspec.structs.replace(request_, approval_expires_at=world.time(world.now + 60))
    assert [clock(short, Progress(), world.now + at).state for at in (59, 60)] == ["pending", "expired"]


@pytest.mark.parametrize("event", list(EVENTS))
def test_no_event_comes_after_the_clock(event: str, request_: Request, world: Any) -> None:
    dead = msgspec.structs.replace(
        request_, request_expires_at=world.time(world.now), approval_expires_at=world.time(world.now)
    )
    for state in ("pending", "approved"):
        assert code(EVENTS[event], dead, Progress(state=state), world) == "E_REQUEST_STATE"


def test_nothing_is_used_before_its_time(request_: Request, world: Any) -> None:
    later = msgspec.structs.replace(request_, not_before=world.time(world.now + 10))
    assert code(use, later, Progress(state="approved"), world.now + 9) == "E_REQUEST_STATE"
    assert use(later, Progress(state="approved"), world.now + 10).uses == 1


def test_the_limits_themselves_are_within_them(request_: Request, world: Any) -> None:
    for uses in (1, 1000):
        assert read_request(msgspec.structs.replace(request_, max_uses=uses).text()).max_uses == uses


def test_a_key_that_is_not_in_the_set_approves_nothing(request_: Request, world: Any) -> None:
    with pytest.raises(GovernanceError, match="is not in the key set"):
        approve(request_, Progress(), world.key("zoe", "ops"), world.keys, world.now)
