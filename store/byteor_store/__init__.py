"""Persistence: the append-only, tamper-evident audit log in SQLite. Imports no other layer of the project.

>>> log = AuditLog.open(audit_path())                                        # doctest: +SKIP
>>> log.append(Event(action="run_started", actor=current_actor(), run_id="r1"))   # doctest: +SKIP
0
"""

from byteor_store.audit import AuditLog, Row
from byteor_store.errors import StoreError
from byteor_store.kept_tree import Signer
from byteor_store.leaf import Event, Leaf, current_actor
from byteor_store.location import audit_path
from byteor_store.parts import Anchor
from byteor_store.proof import Proof, verify_proof
from byteor_store.verify import Problem, Verdict, verify

__all__ = [
    "Anchor",
    "AuditLog",
    "Event",
    "Leaf",
    "Problem",
    "Proof",
    "Row",
    "Signer",
    "StoreError",
    "Verdict",
    "audit_path",
    "current_actor",
    "verify",
    "verify_proof",
]
