"""What people say about a request: entries of the audit log beside its own. They sign and decide nothing."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from byteor.acts.approvals import read_kept, record
from byteor.acts.notes import check
from byteor_store import AuditLog, Row, audit_path

COMMENTED = "approval_commented"


class Comment(msgspec.Struct, frozen=True):
    """``text`` is as it was written, and empty once the entry's body was erased."""

    audit_seq: int
    at_unix_ns: int
    actor: str
    text: str


def comment(request_id: str, text: str, *, at_unix_ns: int | None = None) -> int:
    """Write ``text`` about a request of this host into the log, whatever state it is in; its seq.

    Raises ``E_NOT_FOUND`` (exit 7) for no such request, ``E_NOTE`` for what ``note`` refuses.
    """
    check(text)
    request = read_kept(request_id).request
    at = time.time_ns() if at_unix_ns is None else at_unix_ns
    return record(COMMENTED, request, body={"text": text, "at_unix_ns": str(at)})


def comments_in(log: AuditLog, request_id: str) -> tuple[Comment, ...]:
    """Every comment on a request, the oldest first."""
    return tuple(map(_comment, log.about(request_id, COMMENTED)))


def comments_on(request_id: str) -> tuple[Comment, ...]:
    """The same out of this host's log."""
    if not audit_path().exists():
        return ()
    with AuditLog.observe(audit_path()) as log:
        return comments_in(log, request_id)


def _comment(row: Row) -> Comment:
    body = msgspec.json.decode(row.body or b"{}", type=dict[str, Any])
    leaf = row.leaf
    return Comment(leaf.seq, int(leaf.ts_unix_ns), leaf.actor, str(body.get("text", "")))
