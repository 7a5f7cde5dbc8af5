"""The spec layer's table of built-in keys and the runtime's stages say the same."""

from __future__ import annotations

import pytest

from byteor.runtime.stages.built_in import built_in
from byteor.runtime.stages.catalogue import resolve
from byteor.spec.keys import BUILTIN_KEYS

# Above the runtime, which finds them as it finds anybody's: by entry point.
ACTIONS = {"http_post", "exec"}


def test_the_spec_layer_knows_every_built_in_stage_and_no_other() -> None:
    assert set(BUILTIN_KEYS) - ACTIONS == set(built_in())


@pytest.mark.parametrize("key", sorted(set(BUILTIN_KEYS) & set(built_in())))
def test_both_agree_on_what_writes_and_what_is_native(key: str) -> None:
    known, stage = BUILTIN_KEYS[key], built_in()[key]
    assert (known.writes, known.native) == (stage.writes, stage.native is not None)


@pytest.mark.parametrize("key", ["http_post:https://alerts.example/x", "exec:/usr/bin/notify|--now"])
def test_actions_are_found_by_entry_point_and_are_external(key: str) -> None:
    found = resolve(key)
    assert (found.distribution, found.definition.kind, found.definition.writes) == (
        "byteor",
        "external",
        False,
    )
