"""kill -9 of a writer at any moment: what it said is written is there, and the log verifies."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from byteor_store import AuditLog, Event, verify

EVENT = Event(action="act", actor="user:op", body={"n": 1})


def write_until_killed(path: Path, told: int, group: int) -> None:
    with AuditLog.open(path) as log:
        while True:
            newest = log.append_many([EVENT] * group)[-1]
            os.write(told, newest.to_bytes(8, "little"))  # acknowledged


def kill(path: Path, chance: random.Random) -> int:
    """Start a writer, kill it after a random time; the newest seq that it acknowledged, -1 for none."""
    hear, told = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            write_until_killed(path, told, chance.choice([1, 1, 1, 7, 40]))
        finally:
            os._exit(1)
    os.close(told)
    # Nine of ten are killed while they write, the others at any moment, also while they open the log.
    data = os.read(hear, 8) if chance.random() < 0.9 else b""
    time.sleep(chance.uniform(0, 0.01))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with os.fdopen(hear, "rb") as pipe:
        data += pipe.read()
    return int.from_bytes(data[-8:], "little") if data else -1


def kills(path: Path, count: int, seed: int) -> tuple[int, int]:
    """(acknowledged entries that are gone, kills that came before any acknowledgement)."""
    chance = random.Random(seed)
    lost = early = 0
    AuditLog.open(path).close()
    for number in range(count):
        newest = kill(path, chance)
        early += newest < 0
        with AuditLog.observe(path) as log:
            lost += max(0, newest + 1 - log.size())
        if number % 200 == 199:  # the log grows: verify it whole, then begin a new one
            assert verify(path).ok
            shutil.rmtree(path.parent)
            AuditLog.open(path).close()
    assert verify(path).ok
    return lost, early


def test_no_acknowledged_entry_is_lost_by_a_kill(path: Path) -> None:
    lost, early = kills(path, 40, seed=1)
    assert lost == 0
    assert early < 40  # some did write


@pytest.mark.campaign
def test_ten_thousand_kills_lose_nothing(path: Path) -> None:
    """BYTEOR_SEED=1 .venv/bin/pytest -m campaign tests/store/test_kills.py -s"""
    seed = int(os.environ.get("BYTEOR_SEED", "1"))
    lost, early = kills(path, int(os.environ.get("BYTEOR_KILLS", "10000")), seed)
    print(f"\nseed {seed}: {lost} acknowledged entries lost, {early} kills before the first")
    assert lost == 0
