"""A decision to act under, and a server that answers as a script says. Everything is real but the pauses."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from http_script import Server

from byteor.actions import attempt
from byteor.actions.effects import VARIABLE, Effects, write_effects
from byteor.actions.gate import approval_gate, environment_gate, set_gate
from byteor.governance.allow_list import AllowList
from byteor.runtime.stages import Context, resolve
from byteor_store import AuditLog

APPROVAL = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


class Governed:
    """What a run hands to its stages, in one folder; ``decide`` changes it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._monkeypatch = folder, monkeypatch
        self.beats: list[float] = []  # when the stage gave a sign of life
        self.hold = environment_gate(folder, "prod-eu-1")
        self.stop = approval_gate(folder, APPROVAL)
        set_gate(self.hold, closed=False)
        set_gate(self.stop, closed=False)
        self.log = folder / "audit.db"
        AuditLog.open(self.log).close()

    def decide(self, *granted: str, **changes: Any) -> None:
        effects = Effects(
            run_id="r1",
            environment_id="prod-eu-1",
            spec_hash="sha256:" + "5" * 64,
            mode="act",
            granted=granted,
            allowed=AllowList(exec=tuple(g.removeprefix("exec:") for g in granted if g.startswith("exec:"))),
            approval_id=APPROVAL,
            ends_at=int(time.time()) + 3600,
            hold_gate=str(self.hold),
            stop_gate=str(self.stop),
            audit_log=str(self.log),
        )
        self._monkeypatch.setenv(
            VARIABLE, str(write_effects(self.folder, msgspec.structs.replace(effects, **changes)))
        )

    def do(self, key: str, *messages: bytes, live: bool = True) -> list[bytes]:
        """Hand ``messages`` to the stage ``key``, in one batch, as a worker does."""
        context = Context("alert", key, live=live, beat=lambda: self.beats.append(time.monotonic()))
        with resolve(key).opened(context) as function:
            return list(function(messages))

    def rows(self) -> list[tuple[str, dict[str, Any]]]:
        with AuditLog.observe(self.log) as log:
            return [(row.leaf.action, msgspec.json.decode(row.body or b"{}")) for row in log.rows()]

    def actions(self) -> list[str]:
        return [action for action, _ in self.rows()]


@pytest.fixture
def governed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Governed:
    monkeypatch.setattr(attempt, "FIRST_PAUSE_S", 0.001)
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    return Governed(folder, monkeypatch)
