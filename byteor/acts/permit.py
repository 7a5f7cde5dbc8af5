"""What was decided about a run, and how it begins to count: uses, rows and files in one step."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from byteor.actions.effects import VARIABLE, Effects, write_effects
from byteor.actions.gate import approval_gate, make_gate, set_gate
from byteor.acts.frozen import ready_gate
from byteor.acts.log import open_log
from byteor.atomic import write_file
from byteor.errors import ByteorError
from byteor.governance.environment import Environment
from byteor.governance.errors import refused
from byteor.governance.explain import Explanation
from byteor.governance.freeze import Freeze
from byteor.runtime.folders import RunIdentity, runtime_dir
from byteor.spec import ValidatedSpec
from byteor.state import state_dir
from byteor_store import Event, audit_path, current_actor

if TYPE_CHECKING:
    from byteor.governance.approval import VerifiedApproval

STRICTEST_FIRST = ("Deny", "RequireApproval", "DryRunOnly", "Allow")
POLICY_AUDIT = "policy_audit.json"


class Ruled(msgspec.Struct, frozen=True):
    """What policy says of one capability (None: of a run that has none)."""

    capability: str | None
    explanation: Explanation


class Permit:
    """A run that may start, once. Only ``ask`` makes one."""

    def __init__(
        self,
        environment: Environment,
        spec: ValidatedSpec,
        ruled: tuple[Ruled, ...],
        approval: VerifiedApproval | None,
        freeze: Freeze | None,
    ) -> None:
        self.environment = environment
        self.ruled = ruled
        self.approval = approval
        self._spec = spec
        self._freeze = freeze

    @property
    def decision(self) -> Explanation:
        """The strictest of all."""
        return strictest(self.ruled)

    @property
    def mode(self) -> str:
        """``act``, or ``dry_run``: actions record what they would do."""
        return "dry_run" if any(r.explanation.decision == "DryRunOnly" for r in self.ruled) else "act"

    def told(self) -> str:
        """One line for the person at the terminal."""
        by = f", approved by {', '.join(self.approval.principals)}" if self.approval is not None else ""
        return f"policy: {self.decision.decision} ({self.decision.rule}) in {self.environment.name}{by}"

    def start(self, identity: RunIdentity, ends: Mapping[str, Any]) -> int:
        """Make it count: a use of the approval, the decisions and ``run_started`` are one audit step.

        The run's folder gets ``policy_audit.json``, its stages ``effects.json``. The seq of ``run_started``.
        Raises ``E_USED`` when another run was quicker, ``StoreError`` where nothing can be recorded.
        """
        folder = runtime_dir() / identity.run_id
        write_file(folder / POLICY_AUDIT, msgspec.json.format(msgspec.json.encode(self.document()), indent=2))
        effects = write_effects(folder, self._effects(identity.run_id))
        seq = self._record_start(identity, ends)
        os.environ[VARIABLE] = str(effects)
        return seq

    def _record_start(self, identity: RunIdentity, ends: Mapping[str, Any]) -> int:
        approval = self.approval
        common = {"env": self.environment.id, "spec_hash": self._spec.spec_hash, "run_id": identity.run_id}
        events = [*self._decisions(identity.run_id)]
        body = {"name": identity.name, "pid": identity.pid, **ends}
        started = Event(
            action="run_started",
            actor=current_actor(),
            decision=self.decision.decision,
            rule=self.decision.rule,
            approval_id=approval.approval_id if approval else None,
            body=body,
            **common,
        )
        with open_log(self.environment.org_id, self.environment.project_id) as log:
            if approval is None:
                return log.append_many([*events, started], seal=True)[-1]
            use = Event(
                action="approval_used",
                actor=current_actor(),
                approval_id=approval.approval_id,
                body={"principals": list(approval.principals), "max_uses": approval.max_uses},
                **common,
            )
            seqs = log.append_use(use, [*events, started], max_uses=approval.max_uses)
        if seqs is None:
            raise refused("E_USED", f"the approval {approval.approval_id} has no use left")
        return seqs[-1]

    def end(self) -> None:
        """The run is over: nothing that this process starts may act under its decision."""
        os.environ.pop(VARIABLE, None)

    def document(self) -> dict[str, Any]:
        """``policy_audit.json``: what was decided, from what, and on whose word."""
        approval = self.approval
        return {
            "schema": "byteor.policy-audit/v1",
            "environment": self.environment.name,
            "environment_id": self.environment.id,
            "environment_digest": self.environment.digest,
            "posture": self.environment.posture,
            "source": self.environment.source,
            "frozen": self._freeze is not None,
            "spec_hash": self._spec.spec_hash,
            "decision": self.decision.decision,
            "rule": self.decision.rule,
            "effects": self.mode,
            "decisions": [
                {"capability": r.capability, **msgspec.to_builtins(r.explanation)} for r in self.ruled
            ],
            "approval": None
            if approval is None
            else {
                "approval_id": approval.approval_id,
                "principals": approval.principals,
                "expires_at": approval.expires_at,
                "max_uses": approval.max_uses,
            },
        }

    def _effects(self, run_id: str) -> Effects:
        approval = self.approval
        stop = None
        if approval is not None:
            stop = approval_gate(state_dir(), approval.approval_id)
            make_gate(stop)
            from byteor.governance.trust import seen_revocations

            # A revocation that came after it was asked about found no cell to close.
            revocations = seen_revocations(now=int(time.time()), current=False)
            if revocations is not None and revocations.revokes(approval.approval_id):
                set_gate(stop, closed=True)
                raise refused("E_REVOKED", f"the approval {approval.approval_id} was revoked")
        return Effects(
            run_id=run_id,
            environment_id=self.environment.id,
            spec_hash=self._spec.spec_hash,
            mode="dry_run" if self.mode == "dry_run" else "act",
            granted=tuple(r.capability for r in self.ruled if r.capability is not None),
            allowed=self.environment.actions,
            approval_id=approval.approval_id if approval else None,
            ends_at=approval.ends_at if approval else None,
            hold_gate=str(ready_gate(self.environment.id)),
            stop_gate=str(stop) if stop else None,
            audit_log=str(audit_path()),
        )

    def _decisions(self, run_id: str | None) -> Iterable[Event]:
        return decision_events(self.environment, self._spec.spec_hash, self.ruled, self.approval, run_id)


def strictest(ruled: Sequence[Ruled]) -> Explanation:
    """The answer for the whole run."""
    return min((r.explanation for r in ruled), key=lambda one: STRICTEST_FIRST.index(one.decision))


def would(asked: Callable[[], Permit]) -> dict[str, Any]:
    """What ``asked`` answers or refuses, as a plan tells it: ``code`` is null when the run would start."""
    try:
        permit = asked()
    except ByteorError as error:
        return {"code": error.code, "decision": None, "rule": None, "told": f"refused: {error.message}"}
    found = permit.decision
    return {
        "code": None,
        "decision": found.decision,
        "rule": found.rule,
        "environment": permit.environment.name,
        "capabilities": [one.capability for one in permit.ruled if one.capability is not None],
        "told": permit.told().removeprefix("policy: "),
    }


def decision_events(
    environment: Environment,
    spec_hash: str,
    ruled: Sequence[Ruled],
    approval: VerifiedApproval | None,
    run_id: str | None,
) -> list[Event]:
    """A ``policy_decision`` row for each capability, with all inputs: what a backtest decides again.

    A run that has none needs no such row: ``run_started`` says by which rule it runs.
    """
    return [
        Event(
            action="policy_decision",
            actor=current_actor(),
            env=environment.id,
            spec_hash=spec_hash,
            decision=one.explanation.decision,
            rule=one.explanation.rule,
            approval_id=approval.approval_id if approval else None,
            run_id=run_id,
            body={
                "environment": environment.name,
                "environment_digest": environment.digest,
                "capability": one.capability,
                **msgspec.structs.asdict(one.explanation.inputs),
            },
        )
        for one in ruled
        if one.capability is not None
    ]
