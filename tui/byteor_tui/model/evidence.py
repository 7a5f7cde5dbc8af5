"""What the store and the disk say, as values: audit rows, approvals, specs, incidents, checks. No widget."""

from __future__ import annotations

import msgspec

from byteor_tui.model.replays import Replay


class AuditRow(msgspec.Struct, frozen=True):
    """One entry of the audit log as a screen shows it. Absent fields are empty; ``body`` is its JSON text."""

    seq: int
    at_unix_ns: int
    actor: str
    action: str
    env: str = ""
    run_id: str = ""
    spec_hash: str = ""
    decision: str = ""
    rule: str = ""
    kid: str = ""
    approval_id: str = ""
    body: str = ""
    leaf_hash: str = ""


class AuditPage(msgspec.Struct, frozen=True):
    """A window of the log: ``rows`` oldest first, of ``size`` entries; the newest ones when ``tail``.

    ``notable`` are entries before ``rows`` that are no side effect of a run: a busy run writes thousands of
    those, and what people did would be out of sight within seconds. ``skipped``: where the newest page began
    that did not join on to the one before it, because too much was written in between.
    """

    rows: tuple[AuditRow, ...] = ()
    size: int = 0
    tail: bool = True
    error: str = ""
    notable: tuple[AuditRow, ...] = ()
    skipped: int = 0

    def newest(self, ending: str) -> int:
        """Another number than before when there may be another entry whose action ends like this."""
        found = (row.seq for row in reversed(self.known) if row.action.endswith(ending))
        return max(next(found, -1), self.skipped)

    @property
    def known(self) -> tuple[AuditRow, ...]:
        """Everything that is at hand, oldest first."""
        return (*self.notable, *self.rows)


class Signer(msgspec.Struct, frozen=True):
    """A key of the key set: whether its holder can still answer, and why not."""

    principal: str
    kid: str
    can: bool
    why: str


class Approval(msgspec.Struct, frozen=True):
    """A request with where it stands. ``revision`` changes with every answer and with the state.

    Times are seconds since 1970; ``keys_end`` is when the key set dies that its answers are judged by.
    """

    request_id: str
    revision: str
    digest: str
    state: str
    action: str
    env: str
    posture: str
    requester: str
    reason: str
    spec_hash: str
    created: int
    request_ends: int
    approval_ends: int
    max_uses: int
    uses: int
    capabilities: tuple[str, ...]
    quorum: tuple[tuple[str, int], ...]
    approved_by: tuple[str, ...]
    denied_by: str
    signers: tuple[Signer, ...]
    void: tuple[tuple[str, str], ...]
    certificate: str
    keys_end: int = 0

    @property
    def short(self) -> str:
        """The part of the id that people say aloud."""
        return self.request_id[:8]

    @property
    def where(self) -> str:
        """The environment, with its posture where the name does not say it."""
        return self.env if self.env == self.posture else f"{self.env} ({self.posture})"

    @property
    def open(self) -> bool:
        return self.state == "pending"

    def ends(self) -> int:
        """When its present state ends by itself; 0 when it never does."""
        return {"pending": self.request_ends, "approved": self.approval_ends}.get(self.state, 0)


class Approvals(msgspec.Struct, frozen=True):
    rows: tuple[Approval, ...] = ()
    error: str = ""


class Comment(msgspec.Struct, frozen=True):
    """What somebody said about a request; ``text`` is one line and empty once it was erased."""

    audit_seq: int
    at_unix_ns: int
    actor: str
    text: str


class Comments(msgspec.Struct, frozen=True):
    """Those on one request, the oldest first."""

    request_id: str = ""
    rows: tuple[Comment, ...] = ()


class Environment(msgspec.Struct, frozen=True):
    """An environment that the console knows the rules of."""

    id: str
    name: str
    posture: str
    replay: str
    side_effects: str
    quorum: str
    trusted: bool
    frozen: str = ""


class Incident(msgspec.Struct, frozen=True):
    """An incident record. ``revision`` changes with it; ``lines`` is its story, ready to read."""

    id: str
    revision: str
    state: str
    at_unix_ns: int
    run_id: str
    title: str
    bundle: str = ""
    fields: tuple[tuple[str, str], ...] = ()


class Incidents(msgspec.Struct, frozen=True):
    rows: tuple[Incident, ...] = ()
    error: str = ""


class Check(msgspec.Struct, frozen=True):
    """A check of the doctor. ``fix`` is what to type."""

    id: str
    verdict: str
    detail: str
    fix: str = ""


class Past(msgspec.Struct, frozen=True):
    """What the checks of a host said at a moment. ``facts`` are what the host is, by name."""

    host: str
    at_unix_ns: int
    profile: str
    rows: tuple[Check, ...]
    facts: tuple[tuple[str, str], ...] = ()


class Checks(msgspec.Struct, frozen=True):
    """``before`` are kept results of this host and others, the oldest first, this one not among them."""

    rows: tuple[Check, ...] = ()
    at_unix_ns: int = 0
    running: bool = False
    error: str = ""
    before: tuple[Past, ...] = ()
    host: str = ""
    profile: str = "default"
    facts: tuple[tuple[str, str], ...] = ()

    @property
    def now(self) -> Past:
        return Past(self.host, self.at_unix_ns, self.profile, self.rows, self.facts)


class Tuned(msgspec.Struct, frozen=True):
    """One request of a run's tuning and what became of it."""

    request: str
    requested: str
    applied: str
    status: str
    why: str = ""


class Handover(msgspec.Struct, frozen=True):
    """What the shift before wrote down; the audit entry holds the same text."""

    audit_seq: int
    at_unix_ns: int
    actor: str
    text: str


class Evidence(msgspec.Struct, frozen=True):
    """Everything beside the run's regions, at one instant of the collector. ``taken_ns`` is monotonic."""

    audit: AuditPage = AuditPage()
    approvals: Approvals = Approvals()
    incidents: Incidents = Incidents()
    replays: tuple[Replay, ...] = ()
    environments: tuple[Environment, ...] = ()
    taken_ns: int = 0
    handover: Handover | None = None
    tuning: tuple[Tuned, ...] = ()
    comments: Comments = Comments()
