"""A stage that gives no sign of life is told, and fails the run after its limit; so does one that leaks."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from home import Home, until

from byteor.indexbus import RowSample
from byteor.runtime.stalls import StallWatch

MORE = """
@stage
def stuck_at_seventh(message: bytes) -> bytes | None:
    if message == b"6":
        time.sleep(600)
    return message

@batch_stage
def stuck_batch(messages):
    time.sleep(600)
    return messages

@stage("slow_but_alive", waits=True)
class SlowButAlive:
    def __init__(self, context):
        self.context = context

    def __call__(self, message: bytes) -> bytes | None:
        self.context.wait(1.5)
        return message

kept = []

@stage
def hoards(message: bytes) -> bytes | None:
    kept.append(bytearray(1 << 20))
    return message
"""
S = 1_000_000_000
ROW = RowSample(
    index=0, name="a", key="mine", role="stage", where="thread", pid=1, pid_start=0, state="running",
    heartbeat_ns=0, taken=0, handed_on=0, filtered=0, dropped=0, errors=0, busy_ns=0, idle_ns=0, batches=0,
    batch_max=0, full_waits=0, error_sequence=0, error_text="", histogram=(0,) * 64,
)  # fmt: skip


class Clock:
    """A watch over one row, with the time in our hands: it looks each second."""

    def __init__(self, limit_s: float = 60.0) -> None:
        self.heard: list[str] = []
        self.watch = StallWatch(limit_s, self.heard.append)
        self.now_ns = self.began_ns = self.watch._looked_ns

    def see(self, seconds: int, **row: Any) -> list[str]:
        """Look once a second, until someone is given up; who that was."""
        seen = msgspec.structs.replace(ROW, **{"heartbeat_ns": self.began_ns, **row})
        for _ in range(seconds):
            self.now_ns += S
            if culprit := self.watch.look([seen], self.now_ns):
                return [culprit.name]
        return []


def test_silence_is_told_once_and_its_end_too() -> None:
    clock = Clock()
    assert clock.see(4) == [] and clock.heard == []
    assert clock.see(20, in_hand=18) == []
    assert clock.heard == ["stage a gives no sign of life for 5 s, since it was given message 17"]
    clock.see(1, heartbeat_ns=clock.now_ns, in_hand=18)
    assert clock.heard[1:] == ["stage a goes on, after more than 19 s"]


def test_who_takes_message_after_message_lives_without_a_heartbeat() -> None:
    clock = Clock(10)
    for number in range(40):
        assert clock.see(1, in_hand=number) == []
    assert clock.heard == []
    assert clock.see(11, in_hand=39) == ["a"]


@pytest.mark.parametrize("role", ["source", "sink"])
def test_silent_ends_are_told_and_never_given_up(role: str) -> None:
    clock = Clock(10)
    assert clock.see(100, role=role) == []
    assert clock.heard == [f"{role} a gives no sign of life for 5 s; its peer neither answers nor goes away"]


def test_no_limit_waits_for_ever_and_who_has_ended_is_not_waited_for() -> None:
    clock = Clock(0)
    assert clock.see(100) == [] and len(clock.heard) == 1
    clock = Clock(10)
    assert clock.see(100, state="finished") == [] and clock.heard == []


def test_a_watch_that_was_stopped_itself_saw_nothing_meanwhile() -> None:
    clock = Clock(10)
    clock.see(3)
    clock.now_ns += 1000 * S
    assert clock.see(4) == [] and clock.heard == []


def fails(home: Home, spec: Path, *more: object) -> dict[str, Any]:
    home.stages.write_text(home.stages.read_text() + MORE)
    done = home.byteor(
        "run", spec, "--stages", home.stages, "--sink", "null:", "--stage-timeout", "0.7", *more, "--json"
    )
    assert done.returncode == 11, done.stderr
    failure: dict[str, Any] = json.loads(done.stdout)["first_failure"]
    return failure


def graph(home: Home, key: str) -> Path:
    path = home.root / "graph.spec.kv"
    path.write_text(
        "v=1\nmodel=lane_graph\nname=pipe\n"
        "lane_graph.endpoints.0.name=in\nlane_graph.endpoints.0.kind=ingress\nlane_graph.endpoints.0.lane=x\n"
        "lane_graph.endpoints.1.name=out\nlane_graph.endpoints.1.kind=egress\nlane_graph.endpoints.1.lane=y\n"
        "lane_graph.lanes.0.name=x\nlane_graph.lanes.0.kind=events\n"
        "lane_graph.lanes.1.name=y\nlane_graph.lanes.1.kind=events\n"
        f"lane_graph.roles.0.name=a\nlane_graph.roles.0.kind=stage\nlane_graph.roles.0.key={key}\n"
        "lane_graph.roles.0.rx.0=x\nlane_graph.roles.0.tx.0=y\n"
    )
    return path


@pytest.mark.parametrize(("key", "at"), [("stuck_at_seventh", 6), ("stuck_batch", 0)])
@pytest.mark.parametrize("model", ["ring", "graph"])
def test_a_stage_that_hangs_fails_the_run_with_its_message(home: Home, model: str, key: str, at: int) -> None:
    spec = home.spec(("a", key)) if model == "ring" else graph(home, key)
    failure = fails(home, spec, "--source", f"file:{home.lines(100)}")
    assert (failure["code"], failure["stage"], failure["sequence"]) == ("E_STAGE_TIMEOUT", "a", at)
    assert failure["digest"] == f"sha256:{hashlib.sha256(b'%d' % at).hexdigest()}"
    assert f"since it was given message {at}" in failure["error"]


def test_a_stage_that_waits_through_its_context_lives(home: Home) -> None:
    home.stages.write_text(home.stages.read_text() + MORE)
    result = home.json(
        "run", home.spec(("a", "slow_but_alive")), "--stages", home.stages, "--sink", "null:",
        "--stage-timeout", "0.7", "--source", f"file:{home.lines(1)}",
    )  # fmt: skip
    assert (result["state"], result["out"]) == ("finished", 1)


def test_a_worker_that_was_stopped_is_named_so(home: Home) -> None:
    spec = home.spec(("a", "upper"))
    process = home.start(
        spec, "--stages", home.stages, "--source", "generate:0,8?rate=100", "--sink", "null:",
        "--stage-timeout", "0.7", "--json",
    )  # fmt: skip
    (worker,) = home.children(process.pid)
    os.kill(worker, signal.SIGSTOP)
    told, _ = process.communicate(timeout=30)
    failure = json.loads(told)["first_failure"]
    assert (process.returncode, failure["code"], failure["stage"]) == (11, "E_STAGE_TIMEOUT", "a")
    assert f"kill -CONT {worker}" in failure["error"]
    until(lambda: not Path(f"/proc/{worker}").exists())


def test_a_stage_that_leaks_fails_where_its_memory_ends(home: Home) -> None:
    failure = fails(home, home.spec(("a", "hoards")), "--source", "generate:10000,8", "--stage-memory", "128")
    assert (failure["code"], failure["stage"]) == ("E_STAGE_MEMORY", "a")
    assert 10 < failure["sequence"] < 128


@pytest.mark.parametrize("how", ["stopped", "holds_the_gil"])
def test_what_a_run_cannot_tell_itself_is_seen_from_outside(home: Home, how: str) -> None:
    """Inside a supervisor that a signal holds, or whose interpreter a stage holds, nobody can look."""
    key = "upper" if how == "stopped" else how
    ends = ("--source", "generate:0,8?rate=50", "--sink", "null:")
    run = home.start(home.spec(("a", key)), "--stages", home.stages, "--executor", "sp", *ends)
    if how == "stopped":
        os.kill(run.pid, signal.SIGSTOP)
    until(lambda: {one["worker"] for one in home.json("ps")["runs"][0]["silent"]} >= {"a", "egress"})
    assert home.json("ps")["runs"][0]["stopped"] == (how == "stopped")
    for verb in (("ps",), ("top", "--once")):
        told = home.byteor(*verb).stdout
        assert "no sign of life" in told
        assert ("stopped by a signal: kill -CONT" in told) == (how == "stopped")
