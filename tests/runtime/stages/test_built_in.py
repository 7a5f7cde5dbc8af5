"""The table of built-in keys and what the modules declare."""

from __future__ import annotations

import pkgutil

import pytest

import byteor.runtime.stages as package
from byteor.runtime.stages.built_in import MODULES, declared_in


@pytest.mark.parametrize("module", sorted(set(MODULES.values())))
def test_the_table_names_every_stage_where_it_is_declared(module: str) -> None:
    assert set(declared_in(module)) == {key for key, home in MODULES.items() if home == module}


def test_no_module_declares_a_stage_that_the_table_lacks() -> None:
    every = {info.name for info in pkgutil.iter_modules(package.__path__) if info.name != "__main__"}
    declared = {key for module in every for key in declared_in(module)}
    assert declared == set(MODULES)
