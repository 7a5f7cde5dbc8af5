"""What policy decided on this host, out of its audit log: what a backtest decides again."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from byteor.governance.backtest import PastDecision
from byteor_store import AuditLog, audit_path


class _Body(msgspec.Struct):
    environment: str
    capability: str | None
    side_effecting: bool
    dry_run: bool
    approved: bool
    replay: bool


def past_decisions() -> Iterator[PastDecision]:
    """Every ``policy_decision`` whose body was not erased, oldest first. Raises ``StoreError``."""
    decode = msgspec.json.Decoder(_Body).decode
    with AuditLog.observe(audit_path()) as log:
        for row in log.rows():
            if row.leaf.action != "policy_decision" or row.body is None:
                continue
            body = msgspec.structs.asdict(decode(row.body))
            yield PastDecision(
                seq=row.leaf.seq, decision=row.leaf.decision or "", rule=row.leaf.rule or "", **body
            )
