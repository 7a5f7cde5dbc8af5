"""What can go wrong with the audit store."""

from __future__ import annotations

from typing import ClassVar

from byteor.errors import ByteorError, Exit


class StoreError(ByteorError):
    """The audit log cannot be opened, read or written; whoever wanted an effect must then refuse it.

    Codes: ``E_AUDIT_NOT_FOUND`` (exit 7), ``E_AUDIT_UNREADABLE`` (3), ``E_AUDIT_VERSION`` (69: a newer
    program's file), ``E_SQLITE_VERSION`` (69), ``E_AUDIT_BUSY`` (69), ``E_AUDIT_WRITE`` (69),
    ``E_AUDIT_BODY`` (11: a body that has no RFC 8785 text), ``E_AUDIT_ENTRY`` (7: no such entry),
    ``E_AUDIT_KEY`` (9, as an argument 2), ``E_PROOF`` and ``E_CHECKPOINT_SIG`` (9).
    """

    default_exit: ClassVar[Exit] = Exit.UNAVAILABLE
