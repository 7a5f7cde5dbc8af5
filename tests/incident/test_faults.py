"""Kills during capture, and what a dry run may not do.

The long ones: ``BYTEOR_SEED=1 BYTEOR_KILLS=2000 pytest -m campaign tests/incident/test_faults.py``.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from recorded import ran
from scenes import Scene

from byteor.incident.capture import Capture, CaptureSettings
from byteor.incident.frames import Batch
from byteor.incident.recording import frames_of_segments, open_capture
from byteor.incident.slice import journal_members, newest_range
from byteor.indexbus.journal_disk import DiskJournalWriter

SEED = int(os.environ.get("BYTEOR_SEED", "1"))
KILLS = int(os.environ.get("BYTEOR_KILLS", "2000"))
HERE = Path(__file__).resolve()


def payload(number: int) -> bytes:
    return struct.pack("<Q", number) * (1 + number % 17)


def write_until_killed(scene: Scene, folder: Path, told: int) -> None:
    """Capture batches of both kinds; say after each how many inputs are committed."""
    settings = CaptureSettings(first_segment_bytes=1 << 15, segment_bytes=1 << 15, max_bytes=1 << 40)
    capture = Capture(folder, scene.facts(), scene.spec.canonical, settings)
    number = 0
    os.write(told, struct.pack("<Q", 0))
    while True:
        size = 1 + number % 13
        messages = [payload(number + i) for i in range(size)]
        capture.ingress(0, 0, number, 1, messages)
        os.write(told, struct.pack("<Q", number + size))
        capture.egress(0, *Batch.of(range(number, number + size), [0] * size, messages))
        number += size


def kill_one(scene: Scene, folder: Path, delay_s: float) -> int:
    """Kill a writer after ``delay_s`` of work; how many inputs it had told to be committed."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        try:
            write_until_killed(scene, folder, write)
        finally:
            os._exit(1)
    os.close(write)
    told = 0
    with open(read, "rb", buffering=0) as pipe:  # noqa: PTH123  (a descriptor)
        pipe.read(8)
        deadline = time.monotonic() + delay_s
        while time.monotonic() < deadline and (data := pipe.read(4096)):
            told = struct.unpack("<Q", data[-8:])[0]
        os.kill(pid, signal.SIGKILL)
        while data := pipe.read(4096):
            told = struct.unpack("<Q", data[-8:])[0]
    os.waitpid(pid, 0)
    return told


def check_one(folder: Path, told: int) -> int:
    """Every input that was told is there, in order and whole; the tail is clean; it can be bundled."""
    recording = open_capture(folder)
    expected = 0
    for _, frame in recording.read():
        if frame.kind == 1:
            assert frame.origins[0] == expected
            assert frame.payloads() == [payload(expected + i) for i in range(frame.count)]
            expected += frame.count
    assert expected >= told
    members = journal_members(recording, newest_range(recording, 1 << 16))
    assert list(frames_of_segments([members[name] for name in sorted(members)])) or not expected
    with DiskJournalWriter(folder / "journal", segment_bytes=1 << 15) as writer:
        writer.append(b"goes on")
    return expected


def kills(root: Path, count: int) -> int:
    rng = random.Random(SEED)
    scene = Scene(root, "", "identity")
    total = 0
    for number in range(count):
        folder = root / f"capture-{number}"
        told = kill_one(scene, folder, rng.random() ** 2 * 0.02)
        total += check_one(folder, told)
        subprocess.run(["rm", "-rf", str(folder)], check=True)
    return total


def test_a_killed_capture_has_every_record_that_was_told(tmp_path: Path) -> None:
    assert kills(tmp_path, 8) > 0


@pytest.mark.campaign
def test_thousands_of_kills_lose_no_record_that_was_told(tmp_path: Path) -> None:
    assert kills(tmp_path, KILLS) > KILLS


REPLAY = """
import sys
from pathlib import Path
seen = []
def hook(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.exec", "os.posix_spawn", "os.system", "pty.")):
        seen.append(event)
from byteor.acts import replays
sys.addaudithook(hook)
done = replays.replay_now(replays.ReplayRequest(which=None))
assert not done.replayed.diverged
print(done.replayed.inputs, seen)
"""


def test_a_dry_run_opens_no_socket_starts_no_program_and_touches_no_region(home: Path) -> None:
    ran(home)
    (home / "shm" / "of-a-live-run.region").write_bytes(os.urandom(4096))
    before = digests(home / "shm")
    done = subprocess.run([sys.executable, "-c", REPLAY], capture_output=True, text=True, check=True)
    assert done.stdout.split(maxsplit=1) == ["500", "[]\n"]
    assert digests(home / "shm") == before


@pytest.mark.campaign
def test_strace_sees_no_socket_and_no_program(home: Path) -> None:
    strace = "/usr/bin/strace"
    if not Path(strace).exists():
        pytest.skip("no strace here")
    ran(home)
    command = [strace, "-f", "-qq", "-e", "trace=socket,connect,bind,execve", "-o", str(home / "calls")]
    subprocess.run([*command, sys.executable, "-m", "byteor", "replay"], check=True, capture_output=True)
    calls = (home / "calls").read_text().splitlines()
    assert len([line for line in calls if "execve(" in line]) == 1
    assert [line for line in calls if "socket(" in line or "connect(" in line] == []


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.campaign
def test_a_planted_record_in_ten_thousand_is_brought_down_to_three_at_most(tmp_path: Path) -> None:
    from byteor.incident.replay.inputs import Range
    from byteor.incident.replay.minimize import minimize

    code = (
        "from byteor.runtime.stages import stage\n"
        "@stage\ndef odd(message):\n    return message.replace(b'7777', b'x')\n"
    )
    scene = Scene(tmp_path, code, "odd")
    messages = [b"m%d" % n for n in range(10_000)]
    recording = scene.record(messages, enumerate(messages), batch=256)
    target = scene.replay(recording, until_divergence=True).first
    assert target is not None

    def diverges(origins: frozenset[int]) -> bool:
        if target.difference.origin not in origins:
            return False
        return scene.replay(recording, range=Range(only=origins), until_divergence=True).first is not None

    found, tests = minimize(range(target.difference.origin + 1), diverges)
    assert len(found) <= 3
    assert tests < 100
