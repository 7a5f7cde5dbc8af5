"""The governance layer's one error, and the table of its codes with exit code and way out."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from byteor.errors import ByteorError, Exit, Where


class GovernanceError(ByteorError):
    """A document, key, approval or decision that was refused. ``code`` is a row of ``CODES``."""

    default_exit: ClassVar[Exit] = Exit.INTEGRITY


class Code(msgspec.Struct, frozen=True):
    """``rule`` is what holds when all is well, ``hint`` the usual way out."""

    code: str
    rule: str
    hint: str
    exit: Exit = Exit.INTEGRITY


_ROWS = (
    # environments and policy
    Code("E_ENVIRONMENT_FILE", "byteor.toml says what it must", "byteor policy check", Exit.INVALID),
    Code("E_ENVIRONMENT_UNKNOWN", "the environment is defined", "byteor env list", Exit.NOT_FOUND),
    Code("E_ENVIRONMENTS_SIGNATURE", "byteor.toml.dsse is signed by the pinned keys", "sign it again"),
    Code("E_ENVIRONMENTS_ROLLBACK", "a signed byteor.toml is no older than one seen", "use the newest"),
    # credential, in the order in which verification asks
    Code("E_DECODE", "a credential has its one exact form", "ask the approver to export it again"),
    Code("E_UNKNOWN_KEY", "the key is the principal's, active and in its window", "byteor key list"),
    Code("E_SIGNATURE", "the signature is the key's", "ask the approver to sign again"),
    Code("E_VERSION", "v is 1", "a newer ByteOr may read it"),
    Code("E_SPEC_HASH", "the spec is the approved one", "compare with byteor hash SPEC"),
    Code("E_ENVIRONMENT", "org, project, id and posture are the approved ones", "byteor env show"),
    Code("E_EXPIRED", "now lies within the approval's window", "ask for a new approval"),
    Code("E_CAPABILITY", "every capability needed was granted", "ask for one that names them all"),
    Code("E_COMPANION", "approval.dsse fits the credential and the request", "export both together"),
    Code("E_REVOKED", "the approval was not revoked", "ask for a new approval"),
    Code("E_USED", "the approval has uses left", "ask for a new approval"),
    Code("E_QUORUM", "enough people of each group approved", "byteor approval show says who still can"),
    # keys
    Code("E_KEYSET", "a key set has its exact form and sound keys", "byteor key list --keys FILE"),
    Code("E_KEYSET_SIGNATURE", "a key set is signed by its threshold", "collect the missing signatures"),
    Code("E_KEYSET_ROLLBACK", "a key set is no older than one seen", "use the newest key set"),
    Code("E_KEYSET_CHAIN", "a key set follows from the pinned one", "byteor key trust FILE --fingerprint F"),
    Code("E_FINGERPRINT", "the fingerprint is the one given", "compare it over another channel"),
    Code("E_NOT_PINNED", "a key set is pinned", "byteor key trust FILE --fingerprint F", Exit.NOT_FOUND),
    Code("E_PRIVATE_KEY", "the private key opens with the passphrase", "check file and passphrase"),
    Code("E_KEY_MODE", "a private key is its owner's alone", "chmod 600 FILE"),
    Code("E_REVOCATIONS", "the revocation list is signed, current and complete", "fetch the newest list"),
    # requests
    Code("E_REQUEST", "a request has its exact form", "byteor approval request -h", Exit.INVALID),
    Code("E_REQUESTER", "who asks is who signed, or this host's user", "ask with --kid and --key-file"),
    Code("E_REQUEST_STATE", "the request's state allows the step", "byteor approval show", Exit.CONFLICT),
    Code("E_NOT_ELIGIBLE", "the person may answer", "byteor approval show says who can", Exit.REFUSED),
    Code("E_BREAK_GLASS", "an emergency keeps its limits", "ask for an ordinary approval", Exit.REFUSED),
    Code("E_REVIEW_OVERDUE", "reviews close within 24 h", "close the open review first", Exit.REFUSED),
    Code("E_FREEZE", "a freeze is lifted by two people", "ask a second person", Exit.CONFLICT),
)  # fmt: skip

CODES: dict[str, Code] = {row.code: row for row in _ROWS}


def refused(
    code: str, message: str, *, hint: str | None = None, key: str | None = None, file: str | None = None
) -> GovernanceError:
    """The error of ``code`` with its exit code and, unless given, its hint from the table."""
    row = CODES[code]
    where = Where(file=file, key=key) if file or key else None
    return GovernanceError(code, message, hint=hint or row.hint, where=where, exit=row.exit)
