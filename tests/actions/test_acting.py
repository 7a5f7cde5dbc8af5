"""The loop of every action: nothing without a decision, nothing while frozen, nothing that is not noted."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from home import until

from byteor.actions.effects import VARIABLE
from byteor.actions.gate import Gate, make_gate, set_gate
from byteor.errors import ByteorError


def refused(call: Any, *args: Any, **more: Any) -> str:
    with pytest.raises(ByteorError) as caught:
        call(*args, **more)
    return caught.value.code


def test_without_a_decision_nothing_acts(server: Any, governed: Any, monkeypatch: Any) -> None:
    key = f"http_post:{server.origin}/"
    monkeypatch.delenv(VARIABLE, raising=False)
    assert refused(governed.do, key, b"x") == "E_ACTION_UNGOVERNED"
    assert governed.do(key, b"x", live=False) == [b"x"]  # a replay forwards and does nothing else
    assert server.got == []


def test_a_decision_that_others_could_have_written_is_none(server: Any, governed: Any) -> None:
    governed.decide(f"http_post:{server.origin}")
    Path(os.environ[VARIABLE]).chmod(0o666)
    assert refused(governed.do, f"http_post:{server.origin}/", b"x") == "E_ACTION_UNGOVERNED"
    Path(os.environ[VARIABLE]).chmod(0o600)
    Path(os.environ[VARIABLE]).write_text("{}")
    assert refused(governed.do, f"http_post:{server.origin}/", b"x") == "E_ACTION_UNGOVERNED"


def test_what_was_not_granted_is_not_done(server: Any, governed: Any) -> None:
    governed.decide("http_post:http://other.example")
    assert refused(governed.do, f"http_post:{server.origin}/", b"x") == "E_ACTION_UNGOVERNED"


@pytest.mark.parametrize(("mode", "live"), [("dry_run", True), ("act", False), ("dry_run", False)])
def test_a_dry_run_and_a_replay_record_what_they_would_have_done(
    server: Any, governed: Any, mode: str, live: bool
) -> None:
    governed.decide(f"http_post:{server.origin}", mode=mode)
    assert governed.do(f"http_post:{server.origin}/hook", b"x", b"y", live=live) == [b"x", b"y"]
    assert (server.got, governed.actions()) == ([], ["effect_dry_run"] * 2)
    assert governed.rows()[0][1]["target"] == f"{server.origin}/hook"


def test_a_replay_that_may_act_acts(server: Any, governed: Any) -> None:
    governed.decide(f"http_post:{server.origin}", replay=True)
    governed.do(f"http_post:{server.origin}/", b"x", live=False)
    assert len(server.got) == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [({"ends_at": 1}, "E_ACTION_EXPIRED"), ({"stop_gate": "/nowhere"}, "E_GATE"),
     ({"hold_gate": "/nowhere"}, "E_GATE"), ({"audit_log": "/proc/audit.db"}, "E_AUDIT_WRITE")],
)  # fmt: skip
def test_expired_or_blind_nothing_acts(server: Any, governed: Any, change: Any, code: str) -> None:
    governed.decide(f"http_post:{server.origin}", **change)
    assert refused(governed.do, f"http_post:{server.origin}/", b"x") == code
    assert server.got == []


def test_a_revoked_approval_stops_the_next_act(server: Any, governed: Any) -> None:
    governed.decide(f"http_post:{server.origin}")
    server.script = [lambda handler: (set_gate(governed.stop, closed=True), handler.send_response(204),
                                      handler.end_headers())]  # fmt: skip
    assert refused(governed.do, f"http_post:{server.origin}/", b"x", b"y") == "E_ACTION_REVOKED"
    assert governed.actions() == ["effect_intended"] * 2 + ["effect_done", "effect_not_done"]


def test_a_frozen_environment_holds_effects_until_it_is_thawed(server: Any, governed: Any) -> None:
    governed.decide(f"http_post:{server.origin}")
    set_gate(governed.hold, closed=True)
    worker = threading.Thread(target=governed.do, args=(f"http_post:{server.origin}/", b"x"), daemon=True)
    worker.start()
    until(governed.actions)
    until(lambda: len(governed.beats) > 5)  # who is held lives: a freeze may last for hours
    assert (server.got, worker.is_alive()) == ([], True)
    set_gate(governed.hold, closed=False)
    worker.join(10)
    assert len(server.got) == 1
    assert governed.actions() == ["effects_held", "effects_resumed", "effect_intended", "effect_done"]


def test_a_freeze_comes_between_two_attempts(server: Any, governed: Any) -> None:
    def freeze(handler: Any) -> None:
        set_gate(governed.hold, closed=True)
        threading.Timer(0.15, set_gate, (governed.hold, False)).start()
        handler.send_response(503)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    server.script = [freeze]
    governed.decide(f"http_post:{server.origin}")
    governed.do(f"http_post:{server.origin}/", b"x")
    assert governed.actions() == ["effect_intended", "effects_held", "effects_resumed", "effect_done"]


def test_making_a_gate_that_is_there_changes_nothing_and_closing_reaches_who_looks(tmp_path: Path) -> None:
    path = tmp_path / "gates" / "x.gate"
    make_gate(path)
    gate, file = Gate(path), path.stat().st_ino
    assert (gate.closed, path.stat().st_mode & 0o777, path.stat().st_size) == (False, 0o600, 64)
    set_gate(path, closed=True)
    make_gate(path)
    assert (gate.closed, path.stat().st_ino) == (True, file)
    set_gate(path, closed=False)
    assert (gate.closed, path.stat().st_ino) == (False, file)
    assert [one.name for one in path.parent.iterdir()] == ["x.gate"]


def test_a_gate_that_is_none_is_not_open(tmp_path: Path) -> None:
    path = tmp_path / "gates" / "x.gate"
    set_gate(path, closed=False)
    assert not Gate(path).closed
    set_gate(path, closed=True)
    gate = Gate(path)
    assert gate.closed
    set_gate(path, closed=False)
    assert not gate.closed
    for damage in (b"", b"x" * 64, path.read_bytes()[:63]):
        path.write_bytes(damage)
        assert refused(Gate, path) == "E_GATE"
    path.write_bytes(b"BYTEORGT\x01" + bytes(55))
    path.chmod(0o622)
    assert refused(Gate, path) == "E_GATE"
