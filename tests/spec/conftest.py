"""What the spec tests share: where data lies, and a run of the command line in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def data() -> Path:
    return ROOT / "tests/data/spec"


@pytest.fixture
def specs() -> Path:
    return ROOT / "specs"


@pytest.fixture
def byteor(tmp_path: Path) -> Callable[..., Ran]:
    def run(*args: str | Path, env: dict[str, str] | None = None) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "byteor", *map(str, args)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "BYTEOR_RUNTIME_DIR": str(tmp_path / "runtime"), **(env or {})},
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Ran(done.returncode, done.stdout, done.stderr)

    return run
