"""The spec layer's table of built-in keys and the runtime's stages say the same."""

from __future__ import annotations

import pytest

from byteor.runtime.stages.catalogue import built_in
from byteor.spec.keys import BUILTIN_KEYS

# Validated and governed by the spec layer; the governed actions come with their own issue.
NOT_EXECUTED_YET = {"http_post", "exec"}


def test_the_spec_layer_knows_every_built_in_stage_and_no_other() -> None:
    assert set(BUILTIN_KEYS) - NOT_EXECUTED_YET == set(built_in())


@pytest.mark.parametrize("key", sorted(set(BUILTIN_KEYS) & set(built_in())))
def test_both_agree_on_what_writes_and_what_is_native(key: str) -> None:
    known, stage = BUILTIN_KEYS[key], built_in()[key]
    assert (known.writes, known.native) == (stage.writes, stage.native is not None)
