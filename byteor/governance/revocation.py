"""The revocation list: which approvals no longer hold. Signed, versioned, expiring; it works offline."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from byteor.governance.canonical import MAX_SAFE_INTEGER, is_uuid, time_of, unix_of
from byteor.governance.dsse import REVOCATIONS, open_envelope, seal, valid_signers
from byteor.governance.errors import refused
from byteor.governance.keyset import KeySet
from byteor.governance.private_key import Signer

# An entry stays until the longest leeway that a host may have configured is over as well.
FORGET_AFTER_S: Final = 24 * 3600


class Revoked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``keep_until``: when the approval is dead anyway and the entry may be left out."""

    approval_id: str
    keep_until: str
    reason: str
    revoked_at: str


class RevocationList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The payload of ``revocations.dsse``; ``entries`` sorted by approval id, each once."""

    entries: tuple[Revoked, ...]
    expires_at: str
    issued_at: str
    v: int
    version: int

    def revokes(self, approval_id: str) -> bool:
        """Whether the approval was revoked."""
        return any(entry.approval_id == approval_id for entry in self.entries)


def seal_revocations(document: RevocationList, kid: str, signer: Signer) -> bytes:
    """The file. Raises ``E_REVOCATIONS`` for a list that no reader would take."""
    for problem in _problems(document):
        raise refused("E_REVOCATIONS", problem)
    return seal(REVOCATIONS, document, [(kid, signer)])


def open_revocations(data: bytes, keys: KeySet, now: int) -> RevocationList:
    """The list in ``data``, signed by one usable person's key, and not expired at ``now`` (s).

    One signature is enough: revoking only denies. What one key must not do, taking an entry back, is what
    ``check_newer`` refuses. Raises ``E_REVOCATIONS``.
    """
    try:
        document, envelope = open_envelope(data, REVOCATIONS, RevocationList)
    except ValueError as error:
        raise refused("E_REVOCATIONS", f"no revocation list: {error}") from None
    for problem in _problems(document):
        raise refused("E_REVOCATIONS", problem)
    if not any(key.is_person for key in valid_signers(envelope, keys, now)):
        raise refused("E_REVOCATIONS", "the revocation list is signed by no usable key of the key set")
    if now >= unix_of(document.expires_at):
        message = f"the revocation list expired at {document.expires_at}: nothing says what was revoked since"
        raise refused("E_REVOCATIONS", message)
    return document


def _problems(document: RevocationList) -> Iterable[str]:
    if document.v != 1:
        yield f"the revocation list is of format version {document.v}"
    if not 1 <= document.version <= MAX_SAFE_INTEGER:
        yield "a version is a number from 1 to 2^53 - 1"
    ids = [entry.approval_id for entry in document.entries]
    if ids != sorted(set(ids)) or not all(is_uuid(one) for one in ids):
        yield "entries are sorted by approval id, each once"
    moments = [document.issued_at, document.expires_at]
    for entry in document.entries:
        moments += [entry.keep_until, entry.revoked_at]
    for moment in moments:
        try:
            unix_of(moment)
        except ValueError:
            yield f"`{moment}` is not RFC 3339 UTC with seconds and Z"


def check_newer(new: RevocationList, seen: RevocationList, now: int) -> None:
    """Raise ``E_REVOCATIONS`` unless ``new`` may follow ``seen``.

    Its version is no lower, a list of the same version is the same list, and no entry is gone or shortened
    whose approval could still be used.
    """
    if new.version < seen.version or (new.version == seen.version and new != seen):
        message = f"revocation list version {new.version} does not follow version {seen.version} seen before"
        raise refused("E_REVOCATIONS", message)
    kept = {entry.approval_id: entry.keep_until for entry in new.entries}
    for entry in seen.entries:
        over = now >= unix_of(entry.keep_until)
        if not over and kept.get(entry.approval_id, "") < entry.keep_until:
            message = f"version {new.version} leaves out {entry.approval_id}, which was revoked"
            raise refused("E_REVOCATIONS", message)


def revoke(
    seen: RevocationList | None, approval_id: str, *, reason: str, approval_ends: int, now: int, lives_s: int
) -> RevocationList:
    """The next version of the list, with one entry more. Times in s since 1970; it lives for ``lives_s``."""
    entry = Revoked(approval_id, time_of(approval_ends + FORGET_AFTER_S), reason, time_of(now))
    old = seen.entries if seen else ()
    # The longer of two entries for one approval stays.
    longest_last = sorted((entry, *old), key=lambda row: row.keep_until)
    rows = {row.approval_id: row for row in longest_last if now < unix_of(row.keep_until)}
    return RevocationList(
        entries=tuple(rows[one] for one in sorted(rows)),
        expires_at=time_of(now + lives_s),
        issued_at=time_of(now),
        v=1,
        version=seen.version + 1 if seen else 1,
    )
