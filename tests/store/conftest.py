"""A fresh log for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from byteor_store import AuditLog


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "audit.db"


@pytest.fixture
def log(path: Path) -> Iterator[AuditLog]:
    with AuditLog.open(path) as opened:
        yield opened
