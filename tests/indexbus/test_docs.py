"""Every example in ``docs/lanes`` runs; ``docs/abi.md`` is current."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from byteor.indexbus.generate import DOCS, markdown

LANES = DOCS.parent / "lanes"
EXAMPLES = [
    (path.name, number, code)
    for path in sorted(LANES.glob("*.md"))
    for number, code in enumerate(re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL))
]


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 8


@pytest.mark.parametrize(("name", "number", "code"), EXAMPLES, ids=[f"{name}-{n}" for name, n, _ in EXAMPLES])
def test_the_example_runs(
    shm: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int, code: str
) -> None:
    monkeypatch.chdir(shm)
    exec(compile(code, f"{name}-{number}", "exec"), {})


def test_the_description_of_the_layout_is_what_the_tables_say() -> None:
    assert DOCS.read_text() == markdown()
