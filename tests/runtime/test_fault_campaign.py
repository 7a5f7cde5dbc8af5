"""A run that is hurt at a random moment ends in time, says why, and leaves no process and no lock behind.

The campaign: ``BYTEOR_SEED=1 pytest -m campaign tests/runtime/test_fault_campaign.py`` (120 runs).
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from home import BYTEOR, Home, until

ENDS_WITHIN_S = 30.0  # a bundle on a busy machine; the promises themselves are far shorter
OUR_CODE = re.compile(r'cli/main\.py", line \d+, in main')
RING = (("a", "identity"), ("b", "upper"), ("c", "identity"))
GRAPH = """v=2
pipeline.name=pipe
pipeline.target=LaneGraph
pipeline.boundaries.0.id=in
pipeline.boundaries.0.kind=ingress
pipeline.boundaries.1.id=out
pipeline.boundaries.1.kind=egress
pipeline.stages.0.id=a
pipeline.stages.0.key=upper
pipeline.stages.1.id=b
pipeline.stages.1.key=upper
pipeline.connections.0.from=in
pipeline.connections.0.to=a
pipeline.connections.1.from=in
pipeline.connections.1.to=b
pipeline.connections.2.from=a
pipeline.connections.2.to=out
pipeline.connections.3.from=b
pipeline.connections.3.to=out
"""


def descendants(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
            found += [child, *descendants(child)]
    return found


def send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


class Hurt:
    """What may happen to a run. Each says which exit codes are honest then; all of them before it is up."""

    def __init__(self, home: Home, chance: random.Random) -> None:
        self.home, self.chance = home, chance

    def worker(self, pid: int) -> int | None:
        workers = descendants(pid)
        return self.chance.choice(workers) if workers else None

    def kill_worker(self, pid: int) -> set[int]:
        if (worker := self.worker(pid)) is None:
            return self.terminate(pid)
        send(worker, signal.SIGKILL)
        return {11}

    def stop_worker(self, pid: int) -> set[int]:
        if (worker := self.worker(pid)) is None:
            return self.terminate(pid)
        send(worker, signal.SIGSTOP)
        return {11}

    def stop_and_go_on(self, pid: int) -> set[int]:
        worker = self.worker(pid) or pid
        send(worker, signal.SIGSTOP)
        time.sleep(self.chance.random() / 2)
        send(worker, signal.SIGCONT)
        return self.terminate(pid)

    def kill_supervisor(self, pid: int) -> set[int]:
        send(pid, signal.SIGKILL)
        return {-9}

    def terminate(self, pid: int) -> set[int]:
        send(pid, signal.SIGTERM)
        return {143, -15, 10, 0}

    def interrupt_twice(self, pid: int) -> set[int]:
        send(pid, signal.SIGINT)
        send(pid, signal.SIGINT)
        return {130, -2, 10, 0}

    def hang_up(self, pid: int) -> set[int]:
        send(pid, signal.SIGHUP)
        return {143, 129, -1, 10, 0}

    def remove_regions(self, pid: int) -> set[int]:
        shutil.rmtree(self.home.root / "shm", ignore_errors=True)
        (self.home.root / "shm").mkdir(mode=0o700, exist_ok=True)
        return self.terminate(pid) | {11, 69, 7}


def faults(hurt: Hurt) -> Mapping[str, Callable[[int], set[int]]]:
    return {
        name: getattr(hurt, name)
        for name in (
            "kill_worker", "stop_worker", "stop_and_go_on", "kill_supervisor", "terminate", "interrupt_twice",
            "hang_up", "remove_regions",
        )
    }  # fmt: skip


def start(home: Home, spec: Path, executor: str) -> subprocess.Popen[str]:
    words = ("--stages", home.stages, "--executor", executor, "--name", "pipe", "--stage-timeout", "1")
    ends = ("--source", "generate:0,32?rate=20000", "--sink", "null:", "--drain-timeout", "1")
    return subprocess.Popen(
        [*BYTEOR, "run", *map(str, (spec, *words, *ends))],
        env=home.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.campaign
def test_whatever_hurts_a_run_it_ends_in_time_and_leaves_nothing(home: Home) -> None:
    chance = random.Random(int(os.environ.get("BYTEOR_SEED", "1")))
    for number in (signal.SIGINT, signal.SIGHUP):  # as a background job, we and the runs would ignore it
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    graph = home.root / "graph.plan.kv"
    graph.write_text(GRAPH)
    specs = (home.spec(*RING), graph)
    known = faults(Hurt(home, chance))
    told: dict[str, int] = {}
    for turn in range(120):
        name = chance.choice(list(known))
        run = start(home, chance.choice(specs), chance.choice(["auto", "mp", "sp"]))
        time.sleep(chance.random() * 1.2)
        family = {run.pid, *descendants(run.pid)}
        codes = known[name](run.pid)
        family |= {run.pid, *descendants(run.pid)}
        try:
            _, said = run.communicate(timeout=ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            pytest.fail(f"turn {turn}: {name} of {run.args}: it never ended")
        finally:
            run.kill()
        if said.endswith("KeyboardInterrupt\n") and not OUR_CODE.search(said):
            continue  # Python was interrupted while it started and imported: our code did not run yet
        where = f"turn {turn}: {name} of {run.args}: {run.returncode}\n{said}"
        assert run.returncode in codes, where
        assert "Traceback" not in said, where
        if run.returncode in (11, 69):
            assert "error[E_" in said, where
        until(lambda pids=family: not any(Path(f"/proc/{pid}").exists() for pid in pids))  # type: ignore[misc]
        told[name] = told.get(name, 0) + 1
    assert sum(told.values()) > 100 and told.keys() == known.keys()
    home.byteor("gc")
    assert not list((home.root / "shm").glob("byteor-*/*"))
