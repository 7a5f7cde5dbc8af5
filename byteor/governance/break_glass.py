"""Emergency approvals: one person, short, narrow, and reviewed by a second person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from byteor.governance.canonical import is_digest, is_uuid, sha256_of, unix_of
from byteor.governance.capability import is_normal
from byteor.governance.dsse import BREAK_GLASS, REVIEW, open_envelope, seal, valid_signers
from byteor.governance.errors import refused
from byteor.governance.keyset import Key, KeySet
from byteor.governance.private_key import Signer
from byteor.governance.quorum import people

MAX_SECONDS: Final = 15 * 60
MIN_REASON: Final = 20
REVIEW_WITHIN_S: Final = 24 * 3600


class BreakGlass(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one person signs in an emergency (payload type ``break-glass``). ``audience``: the origin of the
    audit log of the host where it holds; ``environment_digest``: the very environment that its signer saw."""

    approval_id: str
    audience: str
    capability: str
    environment_digest: str
    environment_id: str
    expires_at: str
    issued_at: str
    kid: str
    principal: str
    reason: str
    spec_hash: str
    v: int


class SignedReview(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a second person signs after the fact (payload type ``review``). ``note``: what was found."""

    approval_id: str
    break_glass_sha256: str
    issued_at: str
    issued_by: str
    kid: str
    note: str
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
        (is_uuid(document.approval_id), "approval_id is not a UUID in its usual form"),
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


def seal_break_glass(document: BreakGlass, signer: Signer) -> bytes:
    """The file ``break-glass.dsse``."""
    return seal(BREAK_GLASS, document, [(document.kid, signer)])


def open_break_glass(data: bytes, keys: KeySet, now: int) -> tuple[BreakGlass, Key]:
    """The document in ``data`` and the key of the one person who signed it. Raises ``E_BREAK_GLASS``."""
    try:
        document, envelope = open_envelope(data, BREAK_GLASS, BreakGlass)
    except ValueError as error:
        raise refused("E_BREAK_GLASS", f"no break-glass.dsse: {error}") from None
    for key in valid_signers(envelope, keys, now):
        if (key.kid, key.principal) == (document.kid, document.principal) and key.is_person:
            return document, key
    raise refused("E_BREAK_GLASS", f"break-glass.dsse is not signed by {document.principal}'s usable key")


def seal_review(document: SignedReview, signer: Signer) -> bytes:
    """The file ``review.dsse``."""
    return seal(REVIEW, document, [(document.kid, signer)])


def review_of(glass: bytes, closing: bytes | None, keys: KeySet, now: int) -> Review:
    """The review that the emergency in ``glass`` opened, closed if ``closing`` is a second person's.

    Raises ``E_BREAK_GLASS``, ``E_NOT_ELIGIBLE``.
    """
    try:
        document, _ = open_envelope(glass, BREAK_GLASS, BreakGlass)
        opened = unix_of(document.issued_at)
    except ValueError as error:
        raise refused("E_BREAK_GLASS", f"no break-glass.dsse: {error}") from None
    review = Review(document.approval_id, document.environment_id, document.principal, opened)
    return close_with(review, document.kid, glass, closing, keys, now) if closing is not None else review


def close_with(review: Review, broke: str, glass: bytes, closing: bytes, keys: KeySet, now: int) -> Review:
    """``review`` closed by the signed ``closing``; ``broke``: the key id that broke the glass.

    Raises ``E_NOT_ELIGIBLE`` when no second person signed it, ``E_BREAK_GLASS`` when it is of another one.
    """
    try:
        signed, envelope = open_envelope(closing, REVIEW, SignedReview)
        unix_of(signed.issued_at)
    except ValueError as error:
        raise refused("E_BREAK_GLASS", f"no review.dsse: {error}") from None
    if (signed.v, signed.approval_id, signed.break_glass_sha256) != (1, review.approval_id, sha256_of(glass)):
        raise refused("E_BREAK_GLASS", "review.dsse is of another emergency")
    for key in valid_signers(envelope, keys, now):
        if (key.kid, key.principal) != (signed.kid, signed.issued_by) or not key.is_person:
            continue
        first = keys.key(broke)
        same = people([one for one in (first, key) if one is not None], keys)
        if first is not None and len(same) < 2:
            break
        return close_review(review, key.principal)
    raise refused("E_NOT_ELIGIBLE", f"{review.principal} broke the glass; a second person's key reviews it")
