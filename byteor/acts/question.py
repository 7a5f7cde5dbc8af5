"""What a person says about a run's governance when asking for it."""

from __future__ import annotations

from pathlib import Path

import msgspec


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
