"""May a replay take place, and may it act? Every condition is asked before the first message.

A dry run acts on nothing; policy may still forbid it (``replay = "disabled"``). ``execute`` needs an
environment that permits it and whose table nobody who asks could have written, the recorded spec, an approval
for ``replay_execute``, and in staging and prod a fresh dry-run certificate without undeclared divergence.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from byteor.actions.effects import VARIABLE, Effects, write_effects
from byteor.actions.gate import approval_gate, set_gate
from byteor.acts.approvals import count_uses, host_audience
from byteor.acts.frozen import freeze_of, ready_gate
from byteor.acts.governed import environment_for, rule
from byteor.acts.host_key import trusted_signers
from byteor.acts.log import open_log
from byteor.acts.needs import check_listed, needed_capabilities, stages_digest
from byteor.acts.papers import papers
from byteor.acts.permit import Ruled, strictest
from byteor.acts.proof import check_companions_requester
from byteor.acts.question import Question
from byteor.errors import ByteorError, Exit
from byteor.governance.approval import VerifiedApproval, verify_approval
from byteor.governance.canonical import unix_of
from byteor.governance.credential import LEEWAY_S, decode_credential
from byteor.governance.environment import Environment
from byteor.governance.errors import GovernanceError, refused
from byteor.governance.trust import seen_revocations, trusted_keys
from byteor.incident.errors import IncidentError
from byteor.incident.replay.audit import Certificate, Judged
from byteor.incident.signing import CERTIFICATE, opened
from byteor.runtime.prepare import Prepared
from byteor.state import state_dir
from byteor_store import Event, audit_path, current_actor

FRESH_S = 24 * 3600
ACTION = "replay_execute"


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What was named with the order: credentials, companions, a request kept here, a certificate's file."""

    env: str | None = None
    environments: Path | None = None
    credentials: tuple[Path, ...] = ()
    companions: tuple[Path, ...] = ()
    approval: str | None = None
    certificate: Path | None = None


class Recorded(msgspec.Struct, frozen=True):
    """What is replayed: which run, of which spec, out of which bundle (its digest), if any; the inputs from
    ``first`` to ``last``, and the stages as they are now.
    """

    run_id: str
    spec_hash: str
    bundle_digest: str | None
    first: int = 0
    last: int = 0
    stages: tuple[dict[str, str], ...] = ()


class ReplayPermit:
    """A replay that may start. Only ``judge`` makes one; ``started`` makes it count."""

    def __init__(
        self,
        environment: Environment,
        mode: str,
        prepared: Prepared,
        ruled: tuple[Ruled, ...],
        approval: VerifiedApproval | None,
    ) -> None:
        self.environment = environment
        self.mode = mode
        self._prepared = prepared
        self._ruled = ruled
        self._approval = approval

    @property
    def judged(self) -> Judged:
        """For the replay's audit."""
        actions = tuple(
            {
                "action": one.capability.partition(":")[0],
                "role": "capability",
                "input_lane": None,
                "output_lane": None,
                "stage": None,
                "target": one.capability.partition(":")[2],
                "decision": f"{one.explanation.decision} ({one.explanation.rule})",
            }
            for one in self._ruled
            if one.capability is not None
        )
        return Judged(self.environment.name, self.mode, self._approval is not None, actions)

    @contextlib.contextmanager
    def started(self, body: dict[str, Any], run_id: str) -> Iterator[None]:
        """Note the start, take a use of the approval in the same step, and let stages act inside the block.

        Raises ``E_USED``, ``StoreError``.
        """
        replay_id = f"{run_id}-replay-{secrets.token_hex(4)}"
        self._note(body, replay_id)
        if self.mode != "execute":
            yield
            return
        with tempfile.TemporaryDirectory(prefix="byteor-replay-") as folder:
            os.environ[VARIABLE] = str(write_effects(Path(folder), self._effects(replay_id)))
            try:
                yield
            finally:
                os.environ.pop(VARIABLE, None)

    def _note(self, body: dict[str, Any], replay_id: str) -> None:
        approval, spec = self._approval, self._prepared.spec
        decision = strictest(self._ruled)
        started = Event(
            action="replay_started",
            actor=current_actor(),
            env=self.environment.id,
            spec_hash=spec.spec_hash,
            run_id=replay_id if approval is not None else body["run_id"],
            decision=decision.decision,
            rule=decision.rule,
            approval_id=None if approval is None else approval.approval_id,
            body=body,
        )
        with open_log(self.environment.org_id, self.environment.project_id) as log:
            if approval is None:
                log.append(started, seal=True)
                return
            use = Event(
                action="approval_used",
                actor=current_actor(),
                env=self.environment.id,
                spec_hash=spec.spec_hash,
                run_id=replay_id,
                approval_id=approval.approval_id,
                body={"principals": list(approval.principals), "max_uses": approval.max_uses},
            )
            if log.append_use(use, [started], max_uses=approval.max_uses) is None:
                raise refused("E_USED", f"the approval {approval.approval_id} has no use left")

    def _effects(self, replay_id: str) -> Effects:
        approval = self._approval
        assert approval is not None
        stop = approval_gate(state_dir(), approval.approval_id)
        if not stop.exists():
            set_gate(stop, closed=False)
        return Effects(
            run_id=replay_id,
            environment_id=self.environment.id,
            spec_hash=self._prepared.spec.spec_hash,
            mode="act",
            replay=True,
            granted=tuple(one.capability for one in self._ruled if one.capability is not None),
            allowed=self.environment.actions,
            approval_id=approval.approval_id,
            ends_at=unix_of(approval.expires_at) + LEEWAY_S,
            hold_gate=str(ready_gate(self.environment.id)),
            stop_gate=str(stop),
            audit_log=str(audit_path()),
        )


def judge(prepared: Prepared, recorded: Recorded, mode: str, proof: Proof) -> ReplayPermit:
    """Raises ``E_POLICY_DENIED`` (exit 4), ``E_REPLAY_REFUSED`` (4), ``E_APPROVAL_REQUIRED`` (5), a
    credential's code (9), ``E_BUNDLE_SIGNATURE`` for a certificate (9).
    """
    now = int(time.time())
    environment = environment_for(Question(env=proof.env, environments=proof.environments), now)
    stages = list(prepared.stages.values())
    needed = needed_capabilities(prepared.spec, stages)
    common: dict[str, Any] = {"freeze": freeze_of(environment.id), "spec_hash": prepared.spec.spec_hash}
    dry = mode == "dry_run"
    ruled = rule(environment, needed, dry_run=dry, approval=None, replay=True, **common)
    worst = strictest(ruled)
    if worst.decision == "Deny":
        raise _denied(environment, ruled)
    if dry:
        return ReplayPermit(environment, mode, prepared, ruled, None)
    if worst.decision == "DryRunOnly":
        raise _refused(f"{environment.name} permits dry runs only ({worst.rule})", "--mode dry_run")
    if not environment.allows_effects_here:
        raise _refused(
            f"whoever asks could have written {environment.source}",
            "put the environment into /etc/byteor/byteor.toml, or sign it: byteor env sign",
        )
    if prepared.spec.spec_hash != recorded.spec_hash:
        raise _refused("only the recorded spec acts again, and --spec names another", "--mode dry_run")
    check_listed(environment, stages, ())
    if environment.posture != "dev":
        _check_certificate(recorded, proof.certificate, now)
    approval = _approval(environment, prepared, needed, proof, now)
    ruled = rule(environment, needed, dry_run=False, approval=approval, replay=True, **common)
    if strictest(ruled).decision != "Allow":
        raise _denied(environment, ruled)
    return ReplayPermit(environment, mode, prepared, ruled, approval)


def _check_certificate(recorded: Recorded, path: Path | None, now: int) -> None:
    """A dry run of the very same recording, signed by a host that is known here, a day old at most."""
    if path is None:
        raise _refused("a dry-run certificate is needed here", "byteor replay first, then --certificate FILE")
    try:
        found, _, who = opened(path.read_bytes(), CERTIFICATE, Certificate, trusted_signers())
    except (OSError, ValueError) as error:
        raise _refused(f"{path} is no replay certificate: {error}", "byteor replay writes one") from None
    age_s = now - found.created_unix_ms // 1000
    rows = (
        (who is not None, "it is signed by nobody known here"),
        (found.mode == "dry_run", "it is not of a dry run"),
        (found.run_id == recorded.run_id, "it is of another run"),
        (found.spec_hash == found.replayed_spec_hash == recorded.spec_hash, "it is of another spec"),
        (found.bundle_digest == recorded.bundle_digest, "it is of another bundle"),
        (found.stages == recorded.stages, "it is of other code"),
        (
            found.input_first <= recorded.first and found.input_last >= recorded.last,
            f"it is of a part, the messages {found.input_first} to {found.input_last}",
        ),
        (-LEEWAY_S <= age_s <= FRESH_S, f"it is {age_s} s old, not a day at most"),
        (not found.undeclared_divergence, "its replay diverged, and nothing declared why"),
    )
    for good, why in rows:
        if not good:
            raise _refused(f"the certificate does not count: {why}", "byteor replay writes a new one")


def _approval(
    environment: Environment, prepared: Prepared, needed: tuple[str, ...], proof: Proof, now: int
) -> VerifiedApproval:
    found = papers(proof.credentials, proof.companions, proof.approval, None)
    if not found.credentials:
        raise ByteorError(
            "E_APPROVAL_REQUIRED",
            f"{environment.name} wants an approval for {ACTION}",
            hint=f"byteor approval request --action {ACTION}; then --approval ID or --credential FILE",
            exit=Exit.PENDING,
        )
    ids = {decode_credential(text)[0].approval_id for text in found.credentials}
    keys = trusted_keys()
    try:
        verified = verify_approval(
            found.credentials,
            found.companions,
            keys=keys,
            environment=environment,
            spec_hash=prepared.spec.spec_hash,
            capabilities=needed,
            action=ACTION,
            audience=host_audience(environment),
            revocations=seen_revocations(now=now),
            uses=count_uses(min(ids)),
            now=now,
            stages=stages_digest(prepared.stages.values()),
        )
        check_companions_requester(found.companions, found.askers, environment, keys, now)
        return verified
    except GovernanceError as error:
        if error.code == "E_QUORUM" and len(ids) == 1:  # nothing is wrong with them; there are too few
            error.exit = Exit.PENDING
        raise


def _denied(environment: Environment, ruled: Sequence[Ruled]) -> ByteorError:
    worst = strictest(ruled)
    changes = ", ".join(f"{one.input} {one.from_} -> {one.to}" for one in worst.smallest_change)
    return ByteorError(
        "E_POLICY_DENIED",
        f"policy denies this replay in {environment.name} ({worst.rule})",
        hint=f"to Allow: {changes}" if changes else "byteor policy explain",
        exit=Exit.REFUSED,
    )


def _refused(why: str, hint: str) -> IncidentError:
    return IncidentError("E_REPLAY_REFUSED", why, hint=hint, exit=Exit.REFUSED)
