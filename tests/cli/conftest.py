"""A terminal in a folder of its own, and a team whose key set is trusted there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from terminal import TOML, Terminal


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> Terminal:
    monkeypatch.setenv("BYTEOR_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    (work / "byteor.toml").write_text(TOML)
    return Terminal(work, capfd)


@pytest.fixture
def team(terminal: Terminal) -> Terminal:
    """alice in ops and carol in risk, in a key set that this user trusts."""
    terminal.make_key("alice", "ops")
    terminal.make_key("carol", "risk")
    signed = terminal.sign("key", "sign", name="alice")
    terminal.good("key", "trust", "signing_keys.json", "--fingerprint", signed["fingerprint"])
    return terminal
