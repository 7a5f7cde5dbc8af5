"""A throw-away home for runs, and the ``byteor`` command in real processes. Used by many test folders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BYTEOR = [sys.executable, "-m", "byteor"]

STAGES = """
import os, time
from byteor.runtime.stages import StageError, batch_stage, stage

seen = 0

@stage
def upper(message: bytes) -> bytes | None:
    return message.upper()

@stage
def odd(message: bytes) -> bytes | None:
    return message if int(message) % 2 else None

@stage
def raises_at_third(message: bytes) -> bytes | None:
    global seen
    seen += 1
    if seen == 3:
        raise RuntimeError("kaboom")
    return message

@batch_stage()
def blames_seven(messages):
    for index, message in enumerate(messages):
        if bytes(message) == b"7":
            raise StageError("E_SEVEN", "seven is not welcome", index=index)
    return messages

@stage
def grows(message: bytes) -> bytes | None:
    return message * 1000

@stage
def quits(message: bytes) -> bytes | None:
    raise SystemExit(5)

@batch_stage()
def forgets(messages):
    return None

@stage
def shouts(message: bytes) -> bytes | None:
    raise RuntimeError("\\x1b[31mred\\udcff" + "x" * 5_000_000)

@stage
def scribbles(message: bytes) -> bytes | None:
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, b"junk\\n")
        except OSError:
            pass
    return message

@stage
def removes(message: bytes) -> bytes | None:
    import shutil
    shutil.rmtree(os.environ["BYTEOR_SHM_DIR"], ignore_errors=True)
    return message

@stage
def leaves_a_child(message: bytes) -> bytes | None:
    import subprocess
    child = subprocess.Popen(["sleep", "600"])
    with open(os.environ["BYTEOR_TEST_CHILD"], "w") as file:
        file.write(str(child.pid))
    return message

@stage
def holds_the_gil(message: bytes) -> bytes | None:
    import re
    re.match(rb"(a+)+$", b"a" * 60 + b"b")
    return message

@stage
def dawdles(message: bytes) -> bytes | None:
    time.sleep(0.05)
    return message

@stage
def hangs(message: bytes) -> bytes | None:
    time.sleep(600)
    return message

@stage
def leaves(message: bytes) -> bytes | None:
    os._exit(3)

@batch_stage(parameters="PATH", required=True)
def slow_to_start(path: str):
    if os.getppid() != 1 and "worker_main" in " ".join(open("/proc/self/cmdline").read().split(chr(0))):
        time.sleep(600)
    return lambda messages: messages

@batch_stage(parameters="PATH", required=True)
def cannot_start(path: str):
    if os.environ.get("BYTEOR_TEST_PARENT") != str(os.getpid()):
        raise RuntimeError("no licence in this process")
    return lambda messages: messages
"""


class Home:
    """One test's folders, stages, specs and runs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.stages = root / "mine.py"
        self.stages.write_text(STAGES)
        for name in ("run", "state", "shm"):
            (root / name).mkdir(mode=0o700)
        self.env = {
            **os.environ,
            "BYTEOR_RUNTIME_DIR": str(root / "run"),
            "BYTEOR_STATE_DIR": str(root / "state"),
            "BYTEOR_SHM_DIR": str(root / "shm"),
            "NO_COLOR": "1",
        }
        self.env.pop("PYTHONUNBUFFERED", None)  # hides what is printed too late, or never
        self.started: list[subprocess.Popen[str]] = []

    def spec(self, *stages: tuple[str, str], name: str = "pipe", capacity: int = 64) -> Path:
        """A ring of (name, key) stages, each behind the one before."""
        lines = ["v=1", "model=single_ring", f"name={name}", f"single_ring.capacity={capacity}"]
        for index, (stage, key) in enumerate(stages):
            lines += [f"single_ring.stages.{index}.name={stage}", f"single_ring.stages.{index}.key={key}"]
            if index:
                lines.append(f"single_ring.stages.{index}.depends_on.0={index - 1}")
        path = self.root / f"{name}.spec.kv"
        path.write_text("\n".join(lines) + "\n")
        return path

    def lines(self, count: int) -> Path:
        path = self.root / "numbers"
        path.write_text("".join(f"{n}\n" for n in range(count)))
        return path

    def byteor(self, *args: object, stdin: str = "", timeout: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*BYTEOR, *map(str, args)],
            input=stdin, capture_output=True, text=True, env=self.env, timeout=timeout, check=False,
        )  # fmt: skip

    def json(self, *args: object, stdin: str = "") -> dict[str, Any]:
        """The document that ``byteor ... --json`` prints."""
        found: dict[str, Any] = json.loads(self.byteor(*args, "--json", stdin=stdin).stdout)
        return found

    def start(self, *args: object) -> subprocess.Popen[str]:
        """A ``byteor run`` that goes on; returns when its run is live."""
        process = subprocess.Popen(
            [*BYTEOR, "run", *map(str, args)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.env,
        )  # fmt: skip
        self.started.append(process)
        until(lambda: self.moving(process.pid) or process.poll() is not None)
        return process

    def moving(self, pid: int) -> bool:
        """The run of the supervisor ``pid`` has handed a message to its sink, or taken one at least."""
        runs = self.json("ps")["runs"]
        return any(run["pid"] == pid and run["in"] > 0 for run in runs)

    def children(self, pid: int) -> list[int]:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def actions(self) -> list[str]:
        """What the log says, without the bundle that a failed run makes of itself."""
        actions = [entry["action"] for entry in self.json("audit", "log")["entries"]]
        return [one for one in actions if not one.startswith(("incident_", "bundle_"))]


def until(true: Callable[[], object], seconds: float = 30) -> None:
    """Wait for ``true``; fail when it stays false. A condition, never a fixed sleep."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)
