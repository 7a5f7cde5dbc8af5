"""Requests on this host with where they stand, verified anew only when their files or a clock changed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from byteor.errors import ByteorError
from byteor_tui.model.evidence import Approval, Approvals, AuditRow, Signer
from byteor_tui.model.text import clean

if TYPE_CHECKING:
    from byteor.acts.approvals import Kept
    from byteor.governance.answers import Account

SECOND_NS = 1_000_000_000
Stamp = tuple[tuple[str, int], ...]


class ApprovalsTail:
    """Looks at the folders of requests. Verification costs signatures, so it is kept by what it saw."""

    def __init__(self) -> None:
        self._stamp: tuple[Stamp, int] | None = None
        self._due = 0
        self._found = Approvals()

    def look(self, now: int, uses_marker: int) -> Approvals:
        """All requests at ``now`` (s). ``uses_marker`` changes when the log noted another use."""
        from byteor.state import state_dir

        stamp = (stamp_of(state_dir() / "approvals", state_dir() / "trust"), uses_marker)
        if stamp == self._stamp and not (self._due and now >= self._due):
            return self._found
        self._stamp = stamp
        try:
            self._found = read_approvals(now) if stamp[0] else Approvals()
        except ByteorError as error:
            self._found = Approvals((), error.message)
        except OSError as error:
            self._found = Approvals((), f"{error.filename}: {error.strerror}")
        ends = [row.ends() for row in self._found.rows if row.ends() > now]
        self._due = min(ends, default=0)
        return self._found


COMMENTED = "approval_commented"  # says nothing of where a request stands
STATES = frozenset({"pending", "approved", "denied", "revoked", "used", "expired"})


def as_of(found: Approvals, audit: tuple[AuditRow, ...], unix_ns: int) -> Approvals:
    """The requests that there were at a moment, each as it stood then, as far as ``audit`` tells."""
    rows = []
    for one in found.rows:
        if one.created * SECOND_NS > unix_ns:
            continue
        about = [row for row in audit if row.approval_id == one.request_id and row.action != COMMENTED]
        later = [row for row in about if row.at_unix_ns > unix_ns]
        before = [row for row in about if row.at_unix_ns <= unix_ns]
        if later:  # answered or used since: it stood as the last entry before says
            state = next((said for row in reversed(before) if (said := _state_in(row))), "pending")
            one = msgspec.structs.replace(one, state=state, revision=f"{one.revision}@{unix_ns}")
        rows.append(one)
    return Approvals(tuple(rows), found.error)


def _state_in(row: AuditRow) -> str:
    try:
        said = msgspec.json.decode(row.body, type=dict[str, object]).get("state")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return said if isinstance(said, str) and said in STATES else ""


def stamp_of(root: Path, trust: Path) -> Stamp:
    """Names and times of the request folders and of the key set: different when anything changed."""
    found: list[tuple[str, int]] = []
    try:
        with os.scandir(root) as entries:
            found = sorted((entry.name, entry.stat().st_mtime_ns) for entry in entries)
        if found:
            found.append((str(trust), trust.stat().st_mtime_ns))
    except OSError:
        pass
    return tuple(found)


def read_approvals(now: int) -> Approvals:
    """Every request with its account. Without a pinned key set nobody's answer counts, and that is said."""
    from byteor.acts.approvals import account, all_kept
    from byteor.governance.canonical import unix_of
    from byteor.governance.trust import trusted_keys

    kept = all_kept()
    if not kept:
        return Approvals()
    keys = trusted_keys()
    keys_end = unix_of(keys.expires_at)
    return Approvals(tuple(_approval(one, account(one, keys, now), keys_end) for one in kept))


def _approval(kept: Kept, found: Account, keys_end: int) -> Approval:
    from byteor.governance.canonical import unix_of

    request, progress = kept.request, found.progress
    answers = ",".join(sorted(kept.answers))
    return Approval(
        request_id=request.request_id,
        revision=f"{request.digest}/{progress.state}/{answers}/{progress.uses}",
        digest=request.digest,
        state=progress.state,
        action=request.action,
        env=clean(request.environment_id),
        posture=request.environment_posture,
        requester=clean(request.requester),
        reason=clean(request.reason),
        spec_hash=request.spec_hash,
        created=unix_of(request.created_at),
        request_ends=unix_of(request.request_expires_at),
        approval_ends=unix_of(request.approval_expires_at),
        max_uses=request.max_uses,
        uses=progress.uses,
        capabilities=tuple(map(clean, request.capabilities)),
        quorum=tuple((clean(quota.group), quota.n) for quota in request.quorum),
        approved_by=tuple(map(clean, progress.approved_by)),
        denied_by=clean(progress.denied_by or ""),
        signers=tuple(
            Signer(clean(row.principal), clean(row.kid), row.can, clean(row.why)) for row in found.standings
        ),
        void=tuple((clean(kid), clean(why)) for kid, why in found.void.items()),
        certificate=request.shown.certificate or "",
        keys_end=keys_end,
    )
