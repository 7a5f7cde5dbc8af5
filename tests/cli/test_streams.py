"""Standard streams that are closed or full, and the table of verbs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from home import BYTEOR, Home

from byteor.cli.verbs import VERBS

CLI = Path(__file__).resolve().parents[2] / "byteor" / "cli"
HELPERS = {"__init__", "governed", "main", "options", "output", "root", "run_report", "spec_io", "verbs"}


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("arguments", ["ps --json", "ps", "nonsense", "--version"])
def test_bad_streams_never_bring_a_traceback(home: Home, redirection: str, arguments: str) -> None:
    command = f"{' '.join(BYTEOR)} {arguments} {redirection}"
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, env=home.env, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr
    assert done.returncode in (2 if arguments == "nonsense" else 0, 69)


def test_every_module_of_the_command_line_is_a_verb_or_a_known_helper() -> None:
    modules = {path.stem for path in CLI.glob("*.py")} - HELPERS
    assert modules == {verb.module.rpartition(".")[2] for verb in VERBS}


def test_a_snapshot_never_replaces_a_device_or_a_pipe(home: Home) -> None:
    home.byteor("run", home.spec(("a", "identity")), "--source", "generate:1,8", "--sink", "null:")
    pipe = home.root / "pipe"
    subprocess.run(["mkfifo", pipe], check=True)
    done = home.byteor("snapshot", "-o", pipe)
    assert (done.returncode, pipe.is_fifo()) == (2, True)
    assert "E_NOT_A_FILE" in done.stderr
