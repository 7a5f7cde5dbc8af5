"""Detached runs and the verbs that look after them, in real processes."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from home import BYTEOR, Home, until

from byteor.acts import detach
from byteor.acts.run import RunOrder
from byteor.cli.main import main
from byteor.runtime.process import is_alive, start_time_of


@pytest.fixture
def verb(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Callable[..., Any]:
    """A verb that only looks or asks, in this process: (exit code, what it printed)."""
    for name, value in home.env.items():
        monkeypatch.setenv(name, value)

    def call(*args: str) -> tuple[int, str]:
        code = main(list(args))
        told = capsysbinary.readouterr()
        return code, (told.out + told.err).decode()

    return call


def log_of(home: Home, up: dict[str, Any]) -> str:
    return Path(up["log"]).read_text()


def start(home: Home, *more: object) -> dict[str, Any]:
    spec = home.spec(("a", "identity"), ("b", "upper"))
    ends = ("--source", "generate:0,16", "--sink", "null:")
    return home.json("run", spec, "--stages", home.stages, "--detach", *ends, *more)


def test_a_detached_run_is_up_served_shown_and_drained(home: Home, verb: Callable[..., Any]) -> None:
    up = start(home, "--metrics-addr", "0")
    pid = up["pid"]
    start_time = start_time_of(pid)
    assert is_alive(pid, start_time)
    assert os.getsid(pid) != os.getsid(0)  # the terminal may go

    with urllib.request.urlopen(f"http://{up['metrics']}/metrics", timeout=5) as page:
        assert f'run_id="{up["run_id"]}"' in page.read().decode()

    _, told = verb("top", "--once", "--json")
    (row,) = json.loads(told)["runs"]
    assert row["run_id"] == up["run_id"]
    assert row["rate_per_s"] > 0
    assert {worker["role"] for worker in row["workers"]} >= {"source", "stage", "sink"}

    _, told = verb("metrics", "pipe")
    assert 'byteor_run_up{run="pipe"' in told
    assert "byteor_lane_capacity_messages" in told
    _, told = verb("metrics", "--json")
    assert json.loads(told)["depths"][0]["capacity"] == 64

    code, told = verb("drain", "pipe", "--json")
    drained = json.loads(told)
    assert code == 0
    assert drained["state"] == "stopped"
    assert drained["in"] == drained["out"] > 0
    _, told = verb("logs", "pipe", "--follow")
    assert f"{up['run_id']}: up" in told
    assert "stopped after" in told
    assert not list((home.root / "run").glob(".start-*"))
    until(lambda: not is_alive(pid, start_time))


def test_what_keeps_a_detached_run_from_starting_is_its_error_and_nothing_is_left(home: Home) -> None:
    worker_only = (
        "import sys\nif 'byteor.runtime.worker_main' in sys.orig_argv: sys.exit('no licence here')\n"
    )
    home.stages.write_text(worker_only + home.stages.read_text())
    spec = home.spec(("bad", "upper"))
    ends = ("--source", "generate:0,16", "--sink", "null:")
    done = home.byteor("run", spec, "--stages", home.stages, "--detach", *ends)
    assert done.returncode == 11
    assert "E_STAGE_START" in done.stderr
    assert "no licence here" in done.stderr
    assert [path.name for path in (home.root / "run").iterdir() if path.name != "names"] == []


def test_the_log_tells_who_killed_the_supervisor_and_what_stages_print(
    home: Home, verb: Callable[..., Any]
) -> None:
    home.stages.write_text(home.stages.read_text() + "\nprint('hello from the stage', flush=True)\n")
    up = start(home)
    pid = up["pid"]
    until(lambda: "hello from the stage" in log_of(home, up))
    os.kill(pid, signal.SIGKILL)
    until(lambda: f"the supervisor (pid {pid}) was killed by SIGKILL" in log_of(home, up))
    document = json.loads(verb("logs", "pipe", "--json")[1].splitlines()[-1])
    assert document["text"].endswith("was killed by SIGKILL")


def test_a_detached_run_wants_no_terminal(home: Home, verb: Callable[..., Any]) -> None:
    code, told = verb("run", str(home.spec(("a", "identity"))), "--detach", "--sink", "null:")
    assert code == 2
    assert "E_DETACHED_STREAM" in told


def test_a_drain_that_takes_too_long_says_so_and_a_failed_one_too(
    home: Home, verb: Callable[..., Any]
) -> None:
    spec = home.spec(("stuck", "hangs"))
    home.json(
        "run", spec, "--stages", home.stages, "--detach", "--source", "generate:0,8", "--sink", "null:",
        "--drain-timeout", "1",
    )  # fmt: skip
    code, told = verb("drain", "pipe", "--timeout", "0")
    assert (code, "E_STILL_DRAINING" in told) == (10, True)
    code, _ = verb("drain", "pipe", "--timeout", "20")
    assert code in (7, 10)  # it may have ended between the two
    until(lambda: not json.loads(verb("ps", "--json")[1])["runs"])
    assert json.loads(verb("ps", "--all", "--json")[1])["runs"][0]["state"] == "stopped"


def test_what_the_system_refuses_a_detached_run_is_told_as_it_is_in_the_foreground(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/somewhere/effects.json")

    monkeypatch.setattr(detach, "run", full)
    hear, say = os.pipe()
    code = detach._run_and_tell(RunOrder(spec=home.root), lambda _: ("", 0), print, home.root / "log", say)
    error = json.loads(os.read(hear, 1 << 16).splitlines()[-1])["error"]
    os.close(hear)
    os.close(say)
    assert (code, error["code"]) == (69, "E_OS")
    assert "/somewhere/effects.json: No space left" in error["message"]
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("where", ["os.getsid(0) != int(os.environ['SESSION'])", "WORKER"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_a_detached_run_starts_ends_its_start(home: Home, where: str, number: int) -> None:
    """Wherever the start is: in the supervisor's own imports, or when it waits for its stage processes."""
    where = where.replace("WORKER", "'byteor.runtime.worker_main' in sys.orig_argv")
    there = home.root / "there"
    pause = f"    pathlib.Path({str(there)!r}).touch(); time.sleep(60)\n"
    home.stages.write_text(f"import os, pathlib, sys, time\nif {where}:\n{pause}" + home.stages.read_text())
    home.env["SESSION"] = str(os.getsid(0))
    spec = home.spec(("a", "upper"))
    words = ["run", spec, "--stages", home.stages, "--detach", "--source", "generate:0,16", "--sink", "null:"]
    asked = subprocess.Popen([*BYTEOR, *map(str, words)], stderr=subprocess.PIPE, text=True, env=home.env)
    until(there.exists)
    asked.send_signal(number)
    _, told = asked.communicate(timeout=20)
    assert asked.returncode == (130 if number == signal.SIGINT else 143)
    assert f"error[E_INTERRUPTED]: {signal.Signals(number).name} while the run was starting" in told
    assert [path.name for path in (home.root / "run").iterdir() if path.name != "names"] == []
