"""A run asks first: which environment, what policy says of each capability, and on whose word."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byteor.acts.frozen import freeze_of
from byteor.acts.log import open_log
from byteor.acts.needs import check_listed, declared_by, needed_capabilities, posted_by, stages_digest
from byteor.acts.permit import Permit, Ruled, decision_events, strictest
from byteor.acts.question import Question
from byteor.errors import ByteorError, Exit
from byteor.governance.environment import BUILT_IN_DEV, Environment
from byteor.governance.environment_file import Environments, load_environments, user_file
from byteor.governance.environment_trust import environment_trust, remember_environments
from byteor.governance.explain import explain
from byteor.governance.freeze import Freeze, effective_side_effects
from byteor.governance.policy_inputs import inputs_for
from byteor.runtime.stages import ResolvedStage
from byteor.spec import ValidatedSpec
from byteor_store import Event, current_actor

if TYPE_CHECKING:
    from byteor.governance.approval import VerifiedApproval


def environment_for(question: Question, now: int) -> Environment:
    """The environment that was named; without a name ``dev``, and where none is defined the built-in one.

    Raises ``E_ENVIRONMENT_UNTRUSTED`` when a file that was given calls something dev that the host, or a
    signed file, knows as staging or prod: effects would pass for those of the real one.
    """
    found = _loaded(question.environments, now)
    if question.env is None and all(one.name != "dev" for one in found.found):
        return BUILT_IN_DEV
    environment = found.get(question.env or "dev")
    if question.environments is None or environment.trusted or question.dry_effects:
        return environment
    for one in _loaded(None, now).found:
        same = one.name == environment.name or one.id == environment.id
        if same and one.trusted and one.posture != "dev":
            raise _untrusted(environment)
    return environment


def _loaded(given: Path | None, now: int) -> Environments:
    found = load_environments(
        given=given, start=Path.cwd(), user=user_file(), trust=environment_trust(), now=now
    )
    if found.signed_version:
        remember_environments(found.signed_version)
    return found


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
    ends: Sequence[object] = (),
    sinks: Sequence[str] = (),
    note: bool = True,
) -> Permit:
    """May ``spec`` run? ``beside``: the spec's file, next to which ``approval.cred`` may lie. ``ends``: its
    sources and sinks, ``sinks`` as they were named. ``note``: write a row when the answer is no.

    Raises ``E_POLICY_DENIED``, ``E_ENVIRONMENT_UNTRUSTED`` and ``E_ACTION_NOT_LISTED`` (exit 4),
    ``E_APPROVAL_REQUIRED`` and too few approvals (5), a credential's code (9). A refusal is an audit row.
    """
    now = int(time.time())
    environment = environment_for(question, now)
    freeze = freeze_of(environment.id)
    declared = (*declared_by(ends), *posted_by(sinks))
    needed = needed_capabilities(spec, stages, declared)
    common: dict[str, Any] = {"freeze": freeze, "spec_hash": spec.spec_hash, "dry_run": question.dry_effects}
    ruled = rule(environment, needed, approval=None, **common)
    approval = None
    try:
        if not question.dry_effects and not environment.allows_effects_here:
            raise _untrusted(environment)
        if question.dry_effects and declared:
            raise _no_dry_sink(declared)
        waits = any(one.explanation.decision == "RequireApproval" for one in ruled)
        denied = strictest(ruled).decision == "Deny"  # no approval changes that: a freeze is told as one
        if not denied and (waits or question.credentials or question.approval):
            from byteor.acts.proof import approval_for

            code = stages_digest(stages)
            approval = approval_for(question, environment, spec, needed, beside, now, code)
            if approval is None:
                raise _no_approval(environment, needed)
            ruled = rule(environment, needed, approval=approval, **common)
        _check_allowed(environment, ruled, freeze)
        check_listed(environment, stages, sinks)
    except ByteorError as error:
        if note:
            _note_refusal(environment, spec, ruled, error)
        raise
    return Permit(environment, spec, ruled, approval, freeze)


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


def _no_dry_sink(declared: Sequence[str]) -> ByteorError:
    return ByteorError(
        "E_POLICY_DENIED",
        f"a dry run sends nothing, but a source or sink would: {', '.join(declared)}",
        hint="name another sink: --sink=null: or --sink=file:PATH",
        exit=Exit.REFUSED,
    )


def _untrusted(environment: Environment) -> ByteorError:
    return ByteorError(
        "E_ENVIRONMENT_UNTRUSTED",
        f"{environment.name} is a {environment.posture} environment of {environment.source},"
        " which whoever asks for a run could have written",
        hint="put it into /etc/byteor/byteor.toml, or sign it: byteor env sign; --dry-effects runs without",
        exit=Exit.REFUSED,
    )


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
