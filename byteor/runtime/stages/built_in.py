"""The project's own stages by key. A run loads the modules of those that it names, and no others."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Final

from byteor.runtime.stages.api import ATTRIBUTE, StageDef

# Key: module of this package. Held against what the modules declare by tests/runtime/stages/test_built_in.py.
MODULES: Final[Mapping[str, str]] = {
    "crc32c": "native",
    "crc32c_append": "native",
    "crc32c_check": "native",
    "dataguard_check": "dataguard",
    "dataguard_fused": "dataguard",
    "dataguard_redact": "dataguard",
    "dedupe": "dedupe",
    "dedupe_within": "dedupe",
    "delay": "pace",
    "enrich": "enrich",
    "hash_chain": "chain",
    "hash_chain_check": "chain",
    "identity": "native",
    "json_append": "native",
    "json_drop": "fields",
    "json_filter": "flow",
    "json_normalise": "normalise",
    "json_rename": "fields",
    "json_select": "fields",
    "pace": "pace",
    "rate_limit": "pace",
    "redact": "fields",
    "sample": "flow",
    "sample_random": "flow",
    "threshold": "detect",
    "zscore": "detect",
}


def built_in_stage(key: str) -> StageDef | None:
    """The project's own stage of this key, if there is one."""
    module = MODULES.get(key)
    return None if module is None else declared_in(module)[key]


def built_in() -> dict[str, StageDef]:
    """All of them by key; loads every module."""
    found: dict[str, StageDef] = {}
    for module in dict.fromkeys(MODULES.values()):
        found |= declared_in(module)
    return found


def declared_in(module: str) -> dict[str, StageDef]:
    """The stages by key that one module of this package declares."""
    if module == "native":  # those are rows of a table, not functions
        from byteor.runtime.stages.native import NATIVE

        return {stage.key: stage for stage in NATIVE}
    loaded = importlib.import_module(f"byteor.runtime.stages.{module}")
    return {stage.key: stage for stage in definitions_of(loaded)}


def definitions_of(module: ModuleType) -> list[StageDef]:
    """The stages that have a name in ``module``: declared there, or imported, as a package's front does."""
    found = (getattr(value, ATTRIBUTE, None) for value in vars(module).values() if callable(value))
    return [item for item in found if isinstance(item, StageDef)]
