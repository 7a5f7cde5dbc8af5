"""A terminal in a folder of its own, and a team whose key set is trusted there."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
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


class Tape:
    """Takes what is printed where pytest's own capture does not reach: in a fixture of the session."""

    def __init__(self) -> None:
        self._kept, sys.stdout = sys.stdout, io.TextIOWrapper(io.BytesIO())

    def readouterr(self) -> Any:
        buffer: Any = sys.stdout.buffer
        text = buffer.getvalue().decode()
        sys.stdout = io.TextIOWrapper(io.BytesIO())
        return SimpleNamespace(out=text, err="")

    def close(self) -> None:
        sys.stdout = self._kept


@pytest.fixture(scope="session")
def made_team(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders of a team, made once: keys with passphrases take their time."""
    root = tmp_path_factory.mktemp("team")
    (root / "work").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BYTEOR_STATE_DIR", str(root / "state"))
        patch.chdir(root / "work")
        tape = Tape()
        try:
            terminal = Terminal(root / "work", tape)
            terminal.make_key("alice", "ops")
            terminal.make_key("carol", "risk")
            signed = terminal.sign("key", "sign", name="alice")
            terminal.good("key", "trust", "signing_keys.json", "--fingerprint", signed["fingerprint"])
        finally:
            tape.close()
    return root


@pytest.fixture
def team(terminal: Terminal, made_team: Path) -> Terminal:
    """alice in ops and carol in risk, in a key set that this user trusts."""
    shutil.copytree(made_team / "work", terminal.folder, dirs_exist_ok=True)
    shutil.copytree(made_team / "state", terminal.folder.parent / "state")
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
