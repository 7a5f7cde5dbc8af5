"""The audit rows of acts: the intention durable before the act, the outcome after it.

The acting stage appends them itself, through a connection of its own and a batch at a time: it is the one
that must wait for the disk, and no other stage does.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from byteor.actions.attempt import Outcome
from byteor.actions.effects import Effects
from byteor_store import AuditLog, Event, Signer, current_actor
from byteor_store.log_key import load_key


class Act(NamedTuple):
    """One act as the log names it: by its idempotency key, the digest of the message."""

    idempotency_key: str
    size: int


class Ledger:
    """Writes what one worker of a run intends, does, and holds back."""

    def __init__(self, effects: Effects, stage: str, capability: str, target: str) -> None:
        path = Path(effects.audit_log)
        key = load_key(path)
        self._log = AuditLog.open(path, Signer(key) if key is not None else None)
        self._effects = effects
        self._common = {"stage": stage, "capability": capability, "target": target}
        self._actor = current_actor()

    def intend(self, acts: Sequence[Act]) -> list[int]:
        """Note acts before they happen; durable on return. Raises ``StoreError``: then nothing may happen."""
        return self._log.append_many([self._event("effect_intended", "Allow", self._told(a)) for a in acts])

    def settle(self, acts: Sequence[Act], intended: Sequence[int], outcomes: Sequence[Outcome]) -> None:
        """Note what became of acts that were noted as ``intended``."""
        events = []
        for act, seq, outcome in zip(acts, intended, outcomes, strict=True):
            body = {
                "intended": seq,
                "detail": outcome.detail,
                "attempts": outcome.attempts,
                "duration_ns": str(outcome.duration_ns),
            }
            events.append(self._event(f"effect_{outcome.result}", None, self._told(act) | body))
        self._log.append_many(events)

    def would(self, acts: Sequence[Act]) -> None:
        """Note acts that a dry run leaves undone."""
        self._log.append_many([self._event("effect_dry_run", "DryRunOnly", self._told(act)) for act in acts])

    def held(self, word: str) -> None:
        """Note that effects are held, or go on."""
        self._log.append(self._event(word, None, {}))

    def close(self) -> None:
        self._log.close()

    def _told(self, act: Act) -> dict[str, Any]:
        return {"idempotency_key": act.idempotency_key, "bytes": act.size}

    def _event(self, action: str, decision: str | None, body: dict[str, Any]) -> Event:
        effects = self._effects
        return Event(
            action=action,
            actor=self._actor,
            env=effects.environment_id,
            spec_hash=effects.spec_hash,
            decision=decision,
            approval_id=effects.approval_id,
            run_id=effects.run_id,
            body=self._common | body,
        )
