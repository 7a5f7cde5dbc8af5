"""A terminal in a folder of its own, and a team whose key set is trusted there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desk import Desk
from http_script import Server
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


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def desk(team: Terminal, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    for name in ("RUNTIME_DIR", "SHM_DIR"):
        (tmp_path / name).mkdir(mode=0o700)
        monkeypatch.setenv(f"BYTEOR_{name}", str(tmp_path / name))
    return Desk(team, server)
