"""Fixtures for every folder of tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from home import Home
from hypothesis import settings

# A shell lets what it starts in the background ignore SIGINT, and so would everything started here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests start hundreds of processes: none of them should compile the same modules again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A machine that is busy with something else is no failure of the code under test.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """On CI a test that is skipped, for want of a tool or of the native kernel, is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("CI: a skipped test is a failure", red=True)
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    for process in made.started:
        process.kill()
        process.communicate()


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home for runs in this process."""
    for name in ("run", "state", "shm"):
        (tmp_path / name).mkdir(mode=0o700)
        monkeypatch.setenv(f"BYTEOR_{'RUNTIME' if name == 'run' else name.upper()}_DIR", str(tmp_path / name))
    return tmp_path
