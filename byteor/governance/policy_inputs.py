"""From an environment, a capability and an approval to what the policy's table asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from byteor.governance.environment import Environment
from byteor.governance.policy import Inputs

if TYPE_CHECKING:
    from byteor.governance.approval import VerifiedApproval


def inputs_for(
    environment: Environment,
    capability: str | None,
    *,
    side_effects: str,
    spec_hash: str,
    dry_run: bool,
    replay: bool,
    approval: VerifiedApproval | None,
) -> Inputs:
    """The policy's inputs for one capability (``None``: a run that has none).

    ``side_effects`` is the effective policy (``freeze``). An approval counts only for its own spec,
    environment, action and capabilities: holding one says nothing about another run.
    """
    action = "replay_execute" if replay else "run"
    approved = (
        approval is not None
        and approval.spec_hash == spec_hash
        and approval.environment_digest == environment.digest
        and approval.action == action
        and capability in approval.capabilities
    )
    return Inputs(
        posture=environment.posture,
        replay_policy=environment.replay,
        side_effect_policy=side_effects,
        side_effecting=capability is not None,
        dry_run=dry_run,
        approved=approved,
        replay=replay,
    )
