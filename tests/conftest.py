"""Fixtures for every folder of tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from home import Home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    for process in made.started:
        process.kill()
        process.communicate()
