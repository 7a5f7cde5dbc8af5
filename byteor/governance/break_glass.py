"""Emergency approvals: one person, short, narrow, and reviewed by a second person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from byteor.governance.canonical import is_digest, unix_of
from byteor.governance.capability import is_normal
from byteor.governance.errors import refused

MAX_SECONDS: Final = 15 * 60
MIN_REASON: Final = 20
REVIEW_WITHIN_S: Final = 24 * 3600


class BreakGlass(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one person signs in an emergency (payload type ``break-glass``)."""

    approval_id: str
    capability: str
    environment_id: str
    expires_at: str
    issued_at: str
    principal: str
    reason: str
    spec_hash: str
    v: int


class Review(msgspec.Struct, frozen=True):
    """A use of break-glass that a second person must look at. ``opened_at`` in seconds since 1970."""

    approval_id: str
    environment_id: str
    principal: str
    opened_at: int
    closed_by: str | None = None


def check_break_glass(document: BreakGlass, reviews: Sequence[Review], now: int) -> None:
    """Raise ``E_BREAK_GLASS`` past a limit, ``E_REVIEW_OVERDUE`` while an old review is open."""
    check_reviews(document.environment_id, reviews, now)
    try:
        length = unix_of(document.expires_at) - unix_of(document.issued_at)
    except ValueError as error:
        raise refused("E_BREAK_GLASS", f"issued_at or expires_at is {error}") from None
    rules = (
        (document.v == 1, f"this is a document of version {document.v}"),
        (
            len(" ".join(document.reason.split())) >= MIN_REASON,
            f"a reason has {MIN_REASON} characters or more",
        ),
        (0 < length <= MAX_SECONDS, "an emergency approval lives 15 minutes at most"),
        (is_digest(document.spec_hash), "an emergency approval names one spec by its hash"),
        (is_normal(document.capability), "an emergency approval names one capability"),
    )
    for holds, message in rules:
        if not holds:
            raise refused("E_BREAK_GLASS", message)


def check_reviews(environment_id: str, reviews: Sequence[Review], now: int) -> None:
    """Raise ``E_REVIEW_OVERDUE`` when a review here is open for over 24 h: no approvals then."""
    for review in reviews:
        open_here = review.environment_id == environment_id and review.closed_by is None
        if open_here and now - review.opened_at > REVIEW_WITHIN_S:
            message = (
                f"the emergency {review.approval_id} in {environment_id} waits for its review since over 24 h"
            )
            raise refused("E_REVIEW_OVERDUE", message)


def close_review(review: Review, principal: str) -> Review:
    """The review, closed. Raises ``E_NOT_ELIGIBLE`` unless ``principal`` is a second person."""
    if not principal or principal == review.principal:
        raise refused("E_NOT_ELIGIBLE", f"{review.principal} broke the glass; somebody else reviews it")
    if review.closed_by is not None:
        raise refused("E_REQUEST_STATE", f"{review.closed_by} closed this review already")
    return msgspec.structs.replace(review, closed_by=principal)
