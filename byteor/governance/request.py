"""An approval request: the document that asks, and its life as a state machine with two clocks.

A request dies unapproved at ``request_expires_at``, its approval unused at ``approval_expires_at``. Times in
functions are seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from byteor.governance.canonical import (
    canonical_json,
    decode_canonical,
    is_digest,
    is_uuid,
    sha256_of,
    unix_of,
)
from byteor.governance.capability import is_normal
from byteor.governance.environment import Quota
from byteor.governance.errors import refused
from byteor.governance.keyset import Key, KeySet
from byteor.governance.policy import POSTURES
from byteor.governance.quorum import people, standings, tally

State = Literal["pending", "approved", "denied", "expired", "revoked", "used"]
ACTIONS: Final = ("run", "deploy", "replay_execute")
MAX_USES: Final = 1000

# What may follow what. A state without a row is final.
TRANSITIONS: Final[dict[State, frozenset[State]]] = {
    "pending": frozenset({"approved", "denied", "expired", "revoked"}),
    "approved": frozenset({"used", "expired", "revoked"}),
    "denied": frozenset(),
    "expired": frozenset(),
    "revoked": frozenset(),
    "used": frozenset(),
}


class Shown(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an approver is shown, by digest: the last dry run's certificate, the spec, its diff, and the code
    of its stages (over distribution, version and module of each)."""

    certificate: str | None
    spec: str
    spec_diff: str | None
    stages: str | None = None


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request file. ``request_id`` is also the ``approval_id`` of every credential that answers it."""

    action: str
    approval_expires_at: str
    audience: str | None
    capabilities: tuple[str, ...]
    created_at: str
    environment_digest: str
    environment_id: str
    environment_posture: str
    max_uses: int
    not_before: str
    org_id: str
    project_id: str
    quorum: tuple[Quota, ...]
    reason: str
    request_expires_at: str
    request_id: str
    requester: str
    shown: Shown
    spec_hash: str
    v: int

    def text(self) -> bytes:
        """The file: RFC 8785 text and a newline."""
        return canonical_json(self) + b"\n"

    @property
    def digest(self) -> str:
        """``sha256:...`` of the text without its newline: what an approver's companion names."""
        return sha256_of(canonical_json(self))


class Progress(msgspec.Struct, frozen=True):
    """How far a request is. ``approved_by``, ``denied_by``: key ids; ``uses``: runs that it allowed."""

    state: State = "pending"
    approved_by: tuple[str, ...] = ()
    denied_by: str | None = None
    uses: int = 0


def read_request(data: bytes, *, source: str = "request") -> Request:
    """The request in ``data``. Raises ``E_REQUEST`` unless it has its one exact form and fits the rules."""
    try:
        request = decode_canonical(data.removesuffix(b"\n"), Request)
    except ValueError as error:
        raise refused("E_REQUEST", f"no request: {error}", file=source) from None
    check_request(request, source=source)
    return request


def check_request(request: Request, *, source: str = "request") -> None:
    """Raise ``E_REQUEST`` with the first rule that ``request`` breaks."""
    for key, message in _problems(request):
        raise refused("E_REQUEST", message, file=source, key=key)


def _problems(request: Request) -> Iterable[tuple[str, str]]:
    if request.v != 1:
        yield "v", f"this is a request of version {request.v}"
    if request.action not in ACTIONS:
        yield "action", f"the action is `{request.action}`, not one of {', '.join(ACTIONS)}"
    if request.environment_posture not in POSTURES:
        yield "environment_posture", f"the posture is `{request.environment_posture}`"
    if not is_uuid(request.request_id):
        yield "request_id", "request_id is not a UUID in its usual form"
    for name in ("org_id", "project_id", "environment_id", "requester", "reason"):
        if not getattr(request, name).strip() or not getattr(request, name).isprintable():
            yield name, f"{name} is empty or not one printable line"
    if list(request.capabilities) != sorted(set(request.capabilities)):
        yield "capabilities", "capabilities are not sorted, each once"
    if not all(is_normal(capability) for capability in request.capabilities):
        yield "capabilities", "a capability is not in its one spelling"
    digests = (request.spec_hash, request.environment_digest, *msgspec.structs.astuple(request.shown))
    if not all(digest is None or is_digest(digest) for digest in digests):
        yield "spec_hash", "a digest is not sha256: and 64 hex digits"
    if not 1 <= request.max_uses <= MAX_USES:
        yield "max_uses", f"max_uses is 1 to {MAX_USES}"
    if not request.quorum or any(quota.n < 1 or not quota.group for quota in request.quorum):
        yield "quorum", "a quorum asks for one person or more"
    yield from _clock_problems(request)


def _clock_problems(request: Request) -> Iterable[tuple[str, str]]:
    names = ("created_at", "request_expires_at", "not_before", "approval_expires_at")
    times = {}
    for name in names:
        try:
            times[name] = unix_of(getattr(request, name))
        except ValueError:
            yield name, f"{name} is not RFC 3339 UTC with seconds and Z"
            return
    if times["request_expires_at"] <= times["created_at"]:
        yield "request_expires_at", "the request expires before it is made"
    if times["approval_expires_at"] <= max(times["not_before"], times["created_at"]):
        yield "approval_expires_at", "the approval expires before it begins"


def clock(request: Request, progress: Progress, now: int) -> Progress:
    """``progress`` once the two clocks have been looked at."""
    if progress.state == "pending":
        over = now >= min(unix_of(request.request_expires_at), unix_of(request.approval_expires_at))
    else:
        over = progress.state == "approved" and now >= unix_of(request.approval_expires_at)
    return msgspec.structs.replace(progress, state="expired") if over else progress


def approve(request: Request, progress: Progress, key: Key, keys: KeySet, now: int) -> Progress:
    """``progress`` after the holder of ``key`` approved; ``approved`` once the quorum is reached.

    Raises ``E_REQUEST_STATE`` unless it is pending, ``E_NOT_ELIGIBLE`` with the reason.
    """
    current = clock(request, progress, now)
    _require(current, "approved")
    _check_eligible(request, current, key, keys, now)
    approved_by = (*current.approved_by, key.kid)
    signing = [known for kid in approved_by if (known := keys.key(kid)) is not None]
    reached = tally(request.quorum, people(signing, keys), requester=request.requester).reached
    state: State = "approved" if reached else "pending"
    return msgspec.structs.replace(current, state=state, approved_by=approved_by)


def deny(request: Request, progress: Progress, key: Key, keys: KeySet, now: int) -> Progress:
    """``progress`` after the holder of ``key`` said no: one denial of somebody who could approve ends it."""
    current = clock(request, progress, now)
    _require(current, "denied")
    _check_eligible(request, current, key, keys, now)
    return msgspec.structs.replace(current, state="denied", denied_by=key.kid)


def revoke(request: Request, progress: Progress, now: int) -> Progress:
    """``progress`` after the request or its approval was taken back."""
    current = clock(request, progress, now)
    _require(current, "revoked")
    return msgspec.structs.replace(current, state="revoked")


def use(request: Request, progress: Progress, now: int) -> Progress:
    """``progress`` after one use; ``used`` after the last. Raises ``E_REQUEST_STATE`` unless approved now."""
    current = clock(request, progress, now)
    _require(current, "used")
    if now < unix_of(request.not_before):
        raise refused("E_REQUEST_STATE", f"the approval is not valid before {request.not_before}")
    uses = current.uses + 1
    state: State = "used" if uses >= request.max_uses else "approved"
    return msgspec.structs.replace(current, state=state, uses=uses)


def _require(progress: Progress, to: State) -> None:
    if to not in TRANSITIONS[progress.state]:
        raise refused("E_REQUEST_STATE", f"the request is {progress.state}; it cannot become {to}")


def _check_eligible(request: Request, progress: Progress, key: Key, keys: KeySet, now: int) -> None:
    approved = [known.principal for kid in progress.approved_by if (known := keys.key(kid)) is not None]
    rows = standings(keys, request.quorum, approved, requester=request.requester, now=now)
    mine = next((row for row in rows if row.kid == key.kid), None)
    if mine is None or not mine.can:
        raise refused("E_NOT_ELIGIBLE", f"{key.principal} {mine.why if mine else 'is not in the key set'}")
