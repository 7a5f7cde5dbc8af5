"""This host's audit log, opened with its own key: what matters is sealed by a signed checkpoint."""

from __future__ import annotations

from byteor.atomic import private_folder
from byteor_store import AuditLog, Signer, audit_path
from byteor_store.log_key import make_key


def open_log(org: str | None = None, project: str | None = None) -> AuditLog:
    """The log for appending; log and key are made when missing. ``org`` and ``project`` stand in its origin.

    Raises ``StoreError``: whoever wanted to act must then not act.
    """
    path = audit_path()
    private_folder(path.parent)
    return AuditLog.open(path, Signer(make_key(path), org or None, project or None))
