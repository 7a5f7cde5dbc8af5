"""Which stage of a spec needs which capability."""

from __future__ import annotations

from typing import Any

from byteor.spec.keys import capability
from byteor.spec.model import LaneGraph, SingleRing


def needs(spec: SingleRing | LaneGraph) -> list[dict[str, Any]]:
    """Stage, key and capability (``None``: no side effect) of every stage, in the order of ``spec``."""
    if isinstance(spec, SingleRing):
        stages = [(stage.name, stage.key) for stage in spec.stages]
    else:
        stages = [(role.name, role.key) for role in spec.roles if role.key is not None]
    return [{"stage": name, "key": key, "capability": capability(key)} for name, key in stages]
