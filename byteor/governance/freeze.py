"""Freezing an environment: one command denies every side effect. Two people lift it: ``lift``."""

from __future__ import annotations

import msgspec

from byteor.governance.environment import Environment


class Freeze(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A frozen environment. ``frozen_by``: the user who froze it, as the audit log names him."""

    environment_id: str
    frozen_by: str
    frozen_at: str
    reason: str


def effective_side_effects(environment: Environment, freeze: Freeze | None) -> str:
    """The side-effect policy that counts now: ``deny_all`` while frozen, whatever the environment says."""
    return "deny_all" if freeze is not None else environment.side_effects
