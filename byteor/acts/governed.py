"""A run asks first: which environment, what policy says of each capability, who approved, is a use left.

ask       the decision, and the approval it rests on; refuses with exit 4, 5 or 9
Permit    what was decided; ``start`` makes it count: uses, rows and run_started in one step
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from byteor.actions.effects import VARIABLE, Effects, write_effects
from byteor.actions.gate import approval_gate, set_gate
from byteor.acts.approvals import count_uses, host_audience
from byteor.acts.emergency import open_reviews
from byteor.acts.freezes import freeze_of, ready_gate
from byteor.acts.log import open_log
from byteor.acts.papers import papers
from byteor.atomic import write_file
from byteor.errors import ByteorError, Exit
from byteor.governance.allow_list import exec_listed, http_listed
from byteor.governance.approval import VerifiedApproval, inputs_for, verify_approval, verify_emergency
from byteor.governance.break_glass import BreakGlass
from byteor.governance.canonical import digest_of, unix_of
from byteor.governance.capability import normalise
from byteor.governance.credential import LEEWAY_S, decode_credential
from byteor.governance.dsse import BREAK_GLASS, open_envelope
from byteor.governance.environment import BUILT_IN_DEV, Environment
from byteor.governance.environment_file import load_environments, user_file
from byteor.governance.errors import GovernanceError, refused
from byteor.governance.explain import Explanation, explain
from byteor.governance.freeze import Freeze, effective_side_effects
from byteor.governance.trust import (
    environment_trust,
    remember_environments,
    seen_revocations,
    trusted_keys,
)
from byteor.runtime.folders import RunIdentity, runtime_dir
from byteor.runtime.stages import ResolvedStage, resolve
from byteor.spec import ValidatedSpec
from byteor.spec.keys import BUILTIN_KEYS, exec_program
from byteor.spec.needs import needs
from byteor.state import state_dir
from byteor_store import Event, audit_path, current_actor

STRICTEST_FIRST = ("Deny", "RequireApproval", "DryRunOnly", "Allow")
POLICY_AUDIT = "policy_audit.json"


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What a person says about a run's governance. ``approval``: a request's id, whose answers are kept here.

    ``dry_effects``: the pipeline runs, and its actions only record what they would do.
    """

    env: str | None = None
    environments: Path | None = None
    credentials: tuple[Path, ...] = ()
    companions: tuple[Path, ...] = ()
    approval: str | None = None
    dry_effects: bool = False


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
        os.environ[VARIABLE] = str(write_effects(folder, self._effects(identity.run_id)))
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
            if not stop.exists():
                set_gate(stop, closed=False)
        return Effects(
            run_id=run_id,
            environment_id=self.environment.id,
            spec_hash=self._spec.spec_hash,
            mode="dry_run" if self.mode == "dry_run" else "act",
            granted=tuple(r.capability for r in self.ruled if r.capability is not None),
            allowed=self.environment.actions,
            approval_id=approval.approval_id if approval else None,
            ends_at=unix_of(approval.expires_at) + LEEWAY_S if approval else None,
            hold_gate=str(ready_gate(self.environment.id)),
            stop_gate=str(stop) if stop else None,
            audit_log=str(audit_path()),
        )

    def _decisions(self, run_id: str | None) -> Iterable[Event]:
        return decision_events(self.environment, self._spec.spec_hash, self.ruled, self.approval, run_id)


def strictest(ruled: Sequence[Ruled]) -> Explanation:
    """The answer for the whole run."""
    return min((r.explanation for r in ruled), key=lambda one: STRICTEST_FIRST.index(one.decision))


def environment_for(question: Question, now: int) -> Environment:
    """The environment that was named; without a name ``dev``, and where none is defined the built-in one."""
    found = load_environments(
        given=question.environments, start=Path.cwd(), user=user_file(), trust=environment_trust(), now=now
    )
    if found.signed_version:
        remember_environments(found.signed_version)
    if question.env is None and all(one.name != "dev" for one in found.found):
        return BUILT_IN_DEV
    return found.get(question.env or "dev")


def needed_capabilities(
    spec: ValidatedSpec, stages: Iterable[ResolvedStage], declared: Iterable[str] = ()
) -> tuple[str, ...]:
    """Everything that a run may do to the outside: what its keys say, ``stage:<key>`` for a stage of kind
    external of somebody else's, and what sources and sinks declare."""
    external = {
        f"stage:{one.definition.key}"
        for one in stages
        if one.definition.kind == "external" and one.definition.key not in BUILTIN_KEYS
    }
    return tuple(sorted({*spec.capabilities, *external, *declared}))


class Asked(msgspec.Struct, frozen=True):
    """What a request must name of a spec: the capabilities of its run, and the digest of its stages' code."""

    capabilities: tuple[str, ...]
    stages: str


def asked_of(spec: ValidatedSpec, modules: Sequence[str], declared: Iterable[str]) -> Asked:
    """What a run of ``spec`` will need. Raises ``E_REQUEST``, and ``StageError`` for a stage of no module."""
    try:
        extra = [normalise(one) for one in declared]
    except ValueError as error:
        raise refused("E_REQUEST", str(error)) from None
    stages = [resolve(row["key"], modules) for row in needs(spec.spec)]
    return Asked(needed_capabilities(spec, stages, extra), stages_digest(stages))


def stages_digest(stages: Iterable[ResolvedStage]) -> str:
    """``sha256:...`` over which code each stage is: distribution, version, module and its file's SHA-256."""
    rows = {one.key: {"key": one.key, **one.digest()} for one in stages}
    return digest_of([rows[key] for key in sorted(rows)])


def declared_by(ends: Iterable[object]) -> tuple[str, ...]:
    """The capabilities that sources and sinks say they need (attribute ``capability``)."""
    said = (getattr(end, "capability", None) for end in ends)
    return tuple(one for one in said if isinstance(one, str))


def rule(
    environment: Environment,
    needed: Sequence[str],
    *,
    freeze: Freeze | None,
    spec_hash: str,
    dry_run: bool,
    approval: VerifiedApproval | None,
    replay: bool = False,
) -> tuple[Ruled, ...]:
    """What the table says of each capability, at least of none."""
    return tuple(
        Ruled(
            capability,
            explain(
                inputs_for(
                    environment,
                    capability,
                    side_effects=effective_side_effects(environment, freeze),
                    spec_hash=spec_hash,
                    dry_run=dry_run,
                    replay=replay,
                    approval=approval,
                )
            ),
        )
        for capability in needed or (None,)
    )


def ask(
    question: Question,
    spec: ValidatedSpec,
    stages: Sequence[ResolvedStage],
    *,
    beside: Path | None,
    declared: Iterable[str] = (),
    note: bool = True,
) -> Permit:
    """May ``spec`` run? ``beside``: the spec's file, next to which ``approval.cred`` may lie. ``note``: write
    a row when the answer is no.

    Raises ``E_POLICY_DENIED``, ``E_ENVIRONMENT_UNTRUSTED`` and ``E_ACTION_NOT_LISTED`` (exit 4),
    ``E_APPROVAL_REQUIRED`` and too few approvals (5), a credential's code (9). A refusal is an audit row.
    """
    now = int(time.time())
    environment = environment_for(question, now)
    freeze = freeze_of(environment.id)
    needed = needed_capabilities(spec, stages, declared)
    common: dict[str, Any] = {"freeze": freeze, "spec_hash": spec.spec_hash, "dry_run": question.dry_effects}
    ruled = rule(environment, needed, approval=None, **common)
    approval = None
    try:
        if not question.dry_effects and not environment.allows_effects_here:
            raise _untrusted(environment)
        waits = any(one.explanation.decision == "RequireApproval" for one in ruled)
        if waits or question.credentials or question.approval:
            code = stages_digest(stages)
            approval = _approval(question, environment, spec, needed, beside, now, code)
            ruled = rule(environment, needed, approval=approval, **common)
        _check_allowed(environment, ruled, freeze)
        _check_listed(environment, stages)
    except ByteorError as error:
        if note:
            _note_refusal(environment, spec, ruled, error)
        raise
    return Permit(environment, spec, ruled, approval, freeze)


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


def _approval(
    question: Question,
    environment: Environment,
    spec: ValidatedSpec,
    needed: tuple[str, ...],
    beside: Path | None,
    now: int,
    stages: str,
) -> VerifiedApproval:
    texts, companions, emergencies = papers(
        question.credentials, question.companions, question.approval, beside
    )
    if not texts and not emergencies:
        raise _no_approval(environment, needed)
    keys = trusted_keys()
    revocations = seen_revocations(now=now)
    terms: dict[str, Any] = {
        "keys": keys,
        "environment": environment,
        "spec_hash": spec.spec_hash,
        "capabilities": needed,
        "audience": host_audience(environment),
        "revocations": revocations,
        "now": now,
    }
    if emergencies:
        if len(emergencies) > 1 or texts:
            raise refused("E_BREAK_GLASS", "an emergency stands alone: name its file and nothing else")
        approval_id = open_envelope(emergencies[0], BREAK_GLASS, BreakGlass)[0].approval_id
        waiting = open_reviews(keys, now)
        return verify_emergency(emergencies[0], reviews=waiting, uses=count_uses(approval_id), **terms)
    ids = {decode_credential(text)[0].approval_id for text in texts}
    uses = count_uses(ids.copy().pop())
    try:
        return verify_approval(texts, companions, action="run", uses=uses, stages=stages, **terms)
    except GovernanceError as error:
        if error.code == "E_QUORUM" and len(ids) == 1:  # nothing is wrong with them; there are too few
            error.exit = Exit.PENDING
        raise


def _check_listed(environment: Environment, stages: Iterable[ResolvedStage]) -> None:
    """Raise ``E_ACTION_NOT_LISTED`` for a URL or program that the environment does not list."""
    for stage in stages:
        kind, argument = stage.definition.key, stage.parameters
        if kind == "http_post" and not http_listed(argument, environment.actions):
            what = argument.partition("?")[0]
        elif kind == "exec" and not exec_listed(exec_program(argument), environment.actions):
            what = exec_program(argument)
        else:
            continue
        raise ByteorError(
            "E_ACTION_NOT_LISTED",
            f"{environment.name} does not list {what}",
            hint=f"list it under [environments.{environment.name}.actions] in byteor.toml",
            exit=Exit.REFUSED,
        )


def _check_allowed(environment: Environment, ruled: Sequence[Ruled], freeze: Freeze | None) -> None:
    worst = strictest(ruled)
    if worst.decision in ("Allow", "DryRunOnly"):
        return
    capability = next(one.capability for one in ruled if one.explanation is worst)
    what = f"{capability} in {environment.name}" if capability else environment.name
    if worst.decision == "RequireApproval":
        raise _no_approval(environment, [one.capability for one in ruled if one.capability])
    why, hint = worst.rule, "byteor policy explain"
    if worst.smallest_change:
        hint = "to Allow: " + ", ".join(
            f"{one.input} {one.from_} -> {one.to}" for one in worst.smallest_change
        )
    if freeze is not None:
        why, hint = f"frozen since {freeze.frozen_at}: {freeze.reason}", "two people lift it: byteor unfreeze"
    raise ByteorError("E_POLICY_DENIED", f"policy denies {what} ({why})", hint=hint, exit=Exit.REFUSED)


def _no_approval(environment: Environment, needed: Iterable[str]) -> ByteorError:
    return ByteorError(
        "E_APPROVAL_REQUIRED",
        f"{environment.name} wants an approval for {', '.join(needed)}",
        hint="byteor approval request; then run with --approval ID or --credential FILE",
        exit=Exit.PENDING,
    )


def _untrusted(environment: Environment) -> ByteorError:
    return ByteorError(
        "E_ENVIRONMENT_UNTRUSTED",
        f"{environment.name} is a {environment.posture} environment of {environment.source},"
        " which whoever asks for a run could have written",
        hint="put it into /etc/byteor/byteor.toml, or sign it: byteor env sign; --dry-effects runs without",
        exit=Exit.REFUSED,
    )


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


def _note_refusal(
    environment: Environment, spec: ValidatedSpec, ruled: Sequence[Ruled], error: ByteorError
) -> None:
    events = decision_events(environment, spec.spec_hash, ruled, None, None)
    event = Event(
        action="run_refused",
        actor=current_actor(),
        env=environment.id,
        spec_hash=spec.spec_hash,
        body={"code": error.code, "message": error.message},
    )
    with open_log(environment.org_id, environment.project_id) as log:
        log.append_many([*events, event], seal=True)
