"""Break-glass as an operator handles it: signing, finding, reviewing, each step with its audit row.

$BYTEOR_STATE_DIR/approvals/<approval id>/   0700
  break-glass.dsse                           what one person signed
  review.dsse                                what a second person signed after the fact
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from byteor.acts.approval_folder import MAX_BYTES, folder_of
from byteor.acts.log import open_log
from byteor.atomic import check_private_folder, write_file
from byteor.errors import ByteorError, Exit
from byteor.governance.break_glass import (
    BreakGlass,
    Review,
    check_break_glass,
    close_with,
    open_break_glass,
    review_of,
)
from byteor.governance.canonical import is_uuid
from byteor.governance.environment import Environment
from byteor.governance.errors import GovernanceError
from byteor.governance.keyset import KeySet
from byteor.governance.regular_file import read_regular
from byteor.state import state_dir
from byteor_store import Event, current_actor

GLASS, REVIEW = "break-glass.dsse", "review.dsse"


class Kept(msgspec.Struct, frozen=True):
    """An emergency on this host. ``why``: why its review is not closed, when somebody tried."""

    review: Review
    folder: str
    why: str | None = None


def reviews(keys: KeySet, now: int) -> list[Kept]:
    """The review of every emergency on this host, the oldest first."""
    root = state_dir() / "approvals"
    if not root.exists():
        return []
    check_private_folder(root)
    found = [_kept(folder, keys, now) for folder in root.iterdir() if (folder / GLASS).exists()]
    return sorted(found, key=lambda kept: kept.review.opened_at)


def open_reviews(keys: KeySet, now: int, environment_id: str | None = None) -> list[Review]:
    """Those that wait for a second person; what a console shows in red."""
    found = [kept.review for kept in reviews(keys, now)]
    return [one for one in found if one.closed_by is None and environment_id in (None, one.environment_id)]


def _kept(folder: Path, keys: KeySet, now: int) -> Kept:
    glass = read_regular(folder / GLASS, MAX_BYTES)[0]
    closing = folder / REVIEW
    try:
        if closing.exists():
            return Kept(review_of(glass, read_regular(closing, MAX_BYTES)[0], keys, now), str(folder))
    except GovernanceError as error:
        # A review that does not hold closes nothing.
        return Kept(review_of(glass, None, keys, now), str(folder), error.message)
    return Kept(review_of(glass, None, keys, now), str(folder))


def break_glass(data: bytes, environment: Environment, *, keys: KeySet, now: int) -> int:
    """Keep a signed emergency and note it; the row's seq. Raises what ``check_break_glass`` raises."""
    document = check_emergency(data, keys=keys, now=now)
    folder = folder_of(document.approval_id)
    seq = _record("break_glass", document, environment)
    write_file(folder / GLASS, data)
    return seq


def check_emergency(data: bytes, *, keys: KeySet, now: int) -> BreakGlass:
    """The emergency in ``data``, if it may be kept. Raises what ``check_break_glass`` raises."""
    document, _ = open_break_glass(data, keys, now)
    check_break_glass(document, open_reviews(keys, now), now)
    return document


def is_kept(approval_id: str, data: bytes) -> bool:
    """Whether this very emergency is on record here, and so waits for its review (or had it)."""
    try:
        return read_glass(approval_id) == data
    except (ByteorError, OSError, ValueError):
        return False


def read_glass(approval_id: str) -> bytes:
    """The file of an emergency. Raises ``E_NOT_FOUND`` (exit 7)."""
    path = state_dir() / "approvals" / approval_id / GLASS
    if not is_uuid(approval_id) or not path.exists():
        hint = "byteor approval review lists them"
        raise ByteorError(
            "E_NOT_FOUND", f"there is no emergency {approval_id}", hint=hint, exit=Exit.NOT_FOUND
        )
    check_private_folder(path.parent)
    return read_regular(path, MAX_BYTES)[0]


def close_review(approval_id: str, closing: bytes, kid: str, note: str, *, keys: KeySet, now: int) -> int:
    """Keep a second person's review and note it, sealed; the row's seq.

    Raises ``E_NOT_ELIGIBLE`` for the person who broke the glass, ``E_REQUEST_STATE`` when it is closed.
    """
    after = closed_with(approval_id, closing, keys=keys, now=now)
    document = review_document(read_glass(approval_id))
    event = Event(
        action="break_glass_reviewed",
        actor=current_actor(),
        kid=kid,
        env=after.environment_id,
        spec_hash=document.spec_hash,
        approval_id=approval_id,
        body={"note": note, "closed_by": after.closed_by},
    )
    with open_log() as log:
        seq = log.append(event, seal=True)
    write_file(folder_of(approval_id) / REVIEW, closing)
    return seq


def closed_with(approval_id: str, closing: bytes, *, keys: KeySet, now: int) -> Review:
    """The review as ``closing`` leaves it; nothing is kept. Raises as ``close_review`` does."""
    glass = read_glass(approval_id)
    before = _kept(state_dir() / "approvals" / approval_id, keys, now).review
    return close_with(before, review_document(glass).kid, glass, closing, keys, now)


def review_document(glass: bytes) -> BreakGlass:
    """The payload of a kept emergency, whoever may sign today."""
    from byteor.governance.dsse import BREAK_GLASS, open_envelope
    from byteor.governance.errors import refused

    try:
        return open_envelope(glass, BREAK_GLASS, BreakGlass)[0]
    except ValueError as error:
        raise refused("E_BREAK_GLASS", f"no break-glass.dsse: {error}") from None


def _record(action: str, document: BreakGlass, environment: Environment) -> int:
    event = Event(
        action=action,
        actor=current_actor(),
        kid=document.kid,
        env=document.environment_id,
        spec_hash=document.spec_hash,
        approval_id=document.approval_id,
        body={
            "capability": document.capability,
            "principal": document.principal,
            "reason": document.reason,
            "expires_at": document.expires_at,
        },
    )
    with open_log(environment.org_id, environment.project_id) as log:
        return log.append(event, seal=True)
