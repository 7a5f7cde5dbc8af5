"""Freezing an environment: one command denies every side effect, two people lift it."""

from __future__ import annotations

import msgspec

from byteor.governance.environment import Environment
from byteor.governance.errors import refused


class Freeze(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A frozen environment. ``lifters``: who asked to lift it so far (principals); empty while nobody did."""

    environment_id: str
    frozen_by: str
    frozen_at: str
    reason: str
    lifters: tuple[str, ...] = ()


def effective_side_effects(environment: Environment, freeze: Freeze | None) -> str:
    """The side-effect policy that counts now: ``deny_all`` while frozen, whatever the environment says."""
    return "deny_all" if freeze is not None else environment.side_effects


def lift(freeze: Freeze, principal: str) -> Freeze | None:
    """The freeze after ``principal`` asked to lift it: ``None`` once two different people did.

    Raises ``E_FREEZE`` when the same person asks again.
    """
    if not principal or principal in freeze.lifters:
        raise refused("E_FREEZE", f"{principal or 'nobody'} asked already; a second person must")
    lifters = (*freeze.lifters, principal)
    return None if len(lifters) >= 2 else msgspec.structs.replace(freeze, lifters=lifters)
