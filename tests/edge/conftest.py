"""Sources and sinks that close themselves, dead letters, and a peer that listens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from edge_peers import Edges, Listener

from byteor.edge.dead_letter import DeadLetters


@pytest.fixture
def edges() -> Iterator[Edges]:
    made = Edges()
    yield made
    made.close_all()


@pytest.fixture
def dead(tmp_path: Path) -> Iterator[DeadLetters]:
    letters = DeadLetters(str(tmp_path / "dead.jsonl"))
    letters.open()
    yield letters
    letters.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()
