"""What a command loads. Counted, not timed: each module is time that every start of it takes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from kernels import needs_native
from terminal import Terminal

RING = """v=1
model=single_ring
name=pipe
single_ring.capacity=64
single_ring.stages.0.name=s0
single_ring.stages.0.key=identity
"""
RUN = ("run", "pipe.spec.kv", "--source=generate:10,16", "--sink=null:")
NOT_FOR_A_RUN = (
    "byteor.acts.approvals",
    "byteor.acts.detach",
    "byteor.cli.detach_report",
    "byteor.edge.dead_letter",
    "byteor.edge.http_sink",
    "byteor.governance.keyset",
    "byteor.governance.quorum",
    "byteor.incident.bundle",
    "byteor.indexbus.pure",
    "byteor.indexbus.router",
    "byteor.runtime.stages.dataguard",
    "byteor.runtime.stages.fields",
    "byteor.runtime.telemetry",
    "byteor.settings",
    "byteor.spec.compatibility",
    "byteor_tui",
    "cryptography.hazmat.primitives.serialization",
    "email",
    "html",
    "http",
    "importlib.metadata",
    "pydantic",
    "rich",
    "ssl",
    "textual",
    "tomllib",
    "websockets",
)
NOT_FOR_A_WORKER = (
    *NOT_FOR_A_RUN,
    "apsw",
    "byteor.acts",
    "byteor.cli",
    "byteor.edge",
    "byteor.governance",
    "byteor.incident",
    "byteor.indexbus.journal_disk",
    "byteor.spec",
    "byteor_store",
    "cryptography",
    "typer",
)


def loaded(program: str, arguments: Sequence[str] = ()) -> set[str]:
    """The modules that a Python process has loaded after ``program``."""
    code = f"{program}\nimport sys\nprint('MODULES', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stdout.rpartition("MODULES")[2].split())


def heavy(modules: set[str], unwanted: Sequence[str]) -> set[str]:
    return {name for name in modules if name.startswith(tuple(f"{one}." for one in unwanted))} | (
        modules & set(unwanted)
    )


@pytest.fixture
def ring(terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("byteor.toml").unlink()  # who has settings pays for reading them
    Path("pipe.spec.kv").write_text(RING)
    for name in ("RUNTIME_DIR", "SHM_DIR"):
        (tmp_path / name).mkdir(mode=0o700)
        monkeypatch.setenv(f"BYTEOR_{name}", str(tmp_path / name))


@needs_native
def test_a_run_of_native_stages_loads_what_it_uses(ring: None) -> None:
    main = "import contextlib\nfrom byteor.cli import main\nwith contextlib.suppress(SystemExit): main()"
    modules = loaded(main, RUN)
    assert "byteor.runtime.execute" in modules  # it ran
    assert heavy(modules, NOT_FOR_A_RUN) == set()
    assert len(modules) < 420, len(modules)


def test_a_workers_process_knows_no_specs_no_policy_and_no_log() -> None:
    modules = loaded("import byteor.runtime.worker_main")
    assert heavy(modules, NOT_FOR_A_WORKER) == set()
    assert len(modules) < 220, len(modules)


def test_the_version_loads_no_command(ring: None) -> None:
    main = "import contextlib\nfrom byteor.cli import main\nwith contextlib.suppress(SystemExit): main()"
    assert heavy(loaded(main, ["--version"]), ("msgspec", "byteor.acts", "byteor.spec", "typer")) == set()
