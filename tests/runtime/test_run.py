"""``byteor run`` in real processes: what goes in comes out, and how a run ends."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from home import BYTEOR, Home, until

from byteor.runtime.process import is_alive, start_time_of

MINE = [("one", "identity"), ("two", "upper"), ("three", "crc32c")]


def run(home: Home, spec: Path, *more: object) -> dict[str, object]:
    """Run ``spec`` over the numbers file and return the figures."""
    arguments = ("--stages", home.stages, "--sink", f"file:{home.root / 'out'}", *more)
    return home.json("run", spec, *arguments)


def out(home: Home) -> list[str]:
    return (home.root / "out").read_text().splitlines()


def test_every_message_comes_out_once_and_in_order(home: Home) -> None:
    result = run(home, home.spec(*MINE), "--source", f"file:{home.lines(5_000)}")
    assert out(home) == [str(n) for n in range(5_000)]
    assert (result["state"], result["in"], result["out"], result["errors"]) == ("finished", 5_000, 5_000, 0)
    assert result["first_failure"] is None


def test_stdin_to_stdout_is_a_filter_like_any_other(home: Home) -> None:
    spec = home.spec(("shout", "upper"))
    done = home.byteor("run", spec, "--stages", home.stages, stdin="hello\nworld")
    assert (done.returncode, done.stdout) == (0, "HELLO\nWORLD\n")


def test_filtered_messages_are_counted_and_leave_no_hole(home: Home) -> None:
    spec = home.spec(("keep", "odd"), ("after", "upper"))
    result = run(home, spec, "--source", f"file:{home.lines(1_000)}")
    assert out(home) == [str(n) for n in range(1, 1_000, 2)]
    assert (result["in"], result["out"], result["filtered"]) == (1_000, 500, 500)


def test_max_messages_ends_the_run_after_exactly_that_many(home: Home) -> None:
    result = run(home, home.spec(*MINE), "--source", "generate:0,16,1", "--max-messages", 1_234)
    assert (result["state"], result["in"], len(out(home))) == ("finished", 1_234, 1_234)


def test_parallel_stages_both_run_before_the_egress(home: Home) -> None:
    spec = home.spec(("a", "identity"), ("b", "crc32c"))
    spec.write_text(
        spec.read_text().replace("single_ring.stages.1.depends_on.0=0\n", "").replace("crc32c", "identity")
    )
    result = run(home, spec, "--source", f"file:{home.lines(500)}")
    assert (result["state"], result["out"]) == ("finished", 500)


def test_a_dry_run_checks_everything_and_starts_nothing(home: Home) -> None:
    spec = home.spec(*MINE)
    told = home.json(
        "run", spec, "--stages", home.stages, "--dry-run", "--source", "generate:10,8", "--sink", "null:"
    )
    assert [worker["name"] for worker in told["workers"]] == ["ingress", "one", "two", "three", "egress"]
    assert not list((home.root / "run").iterdir())
    assert not (home.root / "state" / "audit.db").exists()


# -- how a run fails


@pytest.mark.parametrize(
    ("key", "code", "sequence"),
    [
        ("raises_at_third", "E_STAGE_RAISED", 2),
        ("blames_seven", "E_SEVEN", 7),
        ("grows", "E_STAGE_OVERSIZE", 0),
        ("quits", "E_STAGE_RAISED", 0),
        ("forgets", "E_STAGE_RESULT", 0),
    ],
)
def test_a_failing_stage_stops_the_pipeline_and_is_named(
    home: Home, key: str, code: str, sequence: int
) -> None:
    spec = home.spec(("first", "identity"), ("bad", key), ("last", "identity"))
    result = run(home, spec, "--source", f"file:{home.lines(100)}")
    failure = result["first_failure"]
    assert isinstance(failure, dict)
    assert (result["state"], failure["stage"], failure["code"]) == ("failed", "bad", code)
    assert failure["sequence"] == sequence
    assert code != "E_STAGE_OVERSIZE" or failure["error"].startswith("its result has ")
    assert result["errors"] == 1
    assert failure["digest"] == "sha256:" + hashlib.sha256(str(sequence).encode()).hexdigest()
    assert home.actions() == ["run_started", "run_failed"]
    # What came before the culprit has left whole; nothing after it has.
    assert out(home) == [str(n) for n in range(sequence)][: len(out(home))]


def test_a_native_stage_that_refuses_a_message_is_named_too(home: Home) -> None:
    spec = home.spec(("append", 'json_append:"a":1'))
    source = home.root / "json"
    source.write_text('{"x":1}\n{}\nnot json\n')
    result = run(home, spec, "--source", f"file:{source}")
    assert isinstance(result["first_failure"], dict)
    assert result["first_failure"]["sequence"] == 2
    assert out(home) == ['{"x":1,"a":1}', '{"a":1}'][: len(out(home))]


def test_a_line_longer_than_a_slot_is_never_cut(home: Home) -> None:
    source = home.root / "long"
    source.write_text("short\n" + "x" * 300 + "\n")
    done = home.byteor("run", home.spec(*MINE), "--stages", home.stages, "--source", f"file:{source}")
    assert done.returncode == 11
    assert "E_OVERSIZE" in done.stderr
    assert "message 2" in done.stderr
    assert "300 bytes, a slot holds 256" in done.stderr
    assert "xxx" not in done.stdout


def test_a_long_line_that_is_set_aside_is_told_at_the_end(home: Home) -> None:
    (home.root / "in").write_text("0" * 300 + "\nb\n")
    letters = home.root / "letters"
    options = (f"--source=file:{home.root / 'in'}", "--oversize=dead-letter", f"--dead-letters={letters}")
    result = run(home, home.spec(("a", "identity")), *options)
    assert (result["state"], result["in"], result["out"], result["set_aside"]) == ("finished", 1, 1, 1)
    assert json.loads(letters.read_text())["bytes"] == 300
    told = home.byteor("run", home.spec(("a", "identity")), *options, "--sink=null:")
    assert "1 messages were set aside in the dead letters" in told.stderr


def test_what_a_stage_says_is_kept_short_and_no_terminal_obeys_it(home: Home) -> None:
    result = run(home, home.spec(("bad", "shouts")), "--source", f"file:{home.lines(3)}")
    assert isinstance(result["first_failure"], dict)
    text = result["first_failure"]["error"]
    assert text.startswith("RuntimeError: \\x1b[31mred\\udcff")
    assert len(text) < 1_200
    assert "5,000,0" in text
    assert (home.root / "state" / "audit.db").stat().st_size < 1_000_000


def test_a_stage_that_writes_to_our_pipe_is_told_as_what_it_is(home: Home) -> None:
    result = run(home, home.spec(("bad", "scribbles")), "--source", f"file:{home.lines(3)}")
    assert isinstance(result["first_failure"], dict)
    assert result["first_failure"]["stage"] == "bad"
    assert home.actions()[-1] == "run_failed"


def test_a_run_whose_regions_are_deleted_still_tells_its_end(home: Home) -> None:
    result = run(home, home.spec(("bad", "removes")), "--source", f"file:{home.lines(3)}")
    assert (result["state"], result["out"]) == ("finished", 3)
    assert home.actions() == ["run_started", "run_finished"]


def test_a_run_whose_folder_is_deleted_keeps_its_regions_and_tells_its_end(home: Home) -> None:
    process = home.start(home.spec(("a", "identity")), "--source", "generate:0,64", "--sink", "null:")
    (folder,) = (home.root / "run").glob("pipe-*")
    shutil.rmtree(folder)
    assert home.json("gc")["removed"] == []
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143
    assert home.actions() == ["run_started", "run_stopped"]
    assert len(home.json("gc")["removed"]) == 1


def test_what_a_stage_started_ends_with_it(home: Home) -> None:
    home.env["BYTEOR_TEST_CHILD"] = str(home.root / "child")
    run(home, home.spec(("a", "leaves_a_child")), "--source", f"file:{home.lines(1)}")
    child = int((home.root / "child").read_text())
    until(lambda: start_time_of(child) == 0 or not is_alive(child, start_time_of(child)), seconds=1)


def test_a_process_that_leaves_by_itself_is_a_failure(home: Home) -> None:
    result = run(home, home.spec(("gone", "leaves")), "--source", f"file:{home.lines(10)}")
    assert isinstance(result["first_failure"], dict)
    assert result["first_failure"]["code"] == "E_WORKER_DIED"
    assert "exited with code 3" in result["first_failure"]["error"]


def test_a_stage_that_cannot_start_means_that_nothing_starts(home: Home) -> None:
    home.env["BYTEOR_TEST_PARENT"] = "nobody"
    spec = home.spec(("fine", "identity"), ("bad", "cannot_start:x"))
    done = home.byteor("run", spec, "--stages", home.stages, "--source", f"file:{home.lines(10)}")
    assert done.returncode != 0
    assert "no licence in this process" in done.stderr
    assert [path.name for path in (home.root / "run").iterdir() if path.name != "names"] == []


def test_a_sink_that_cannot_open_leaves_no_folder_no_region_and_no_capture(home: Home) -> None:
    done = home.byteor(
        "run", home.spec(*MINE[:1]), "--source", "generate:9,8", "--sink", f"file:{home.root}/none/out"
    )
    assert done.returncode == 7
    assert [path.name for path in (home.root / "run").iterdir()] == ["names"]
    assert list((home.root / "shm" / f"byteor-{os.geteuid()}").iterdir()) == []
    assert list((home.root / "state" / "capture").iterdir()) == []
    assert home.actions() == ["run_started", "run_failed"]


# -- how a run is stopped


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_drains_what_is_in_flight(home: Home, number: signal.Signals, code: int) -> None:
    process = home.start(
        home.spec(*MINE), "--stages", home.stages, "--json",
        "--source", "generate:0,64,7", "--sink", f"file:{home.root / 'out'}",
    )  # fmt: skip
    process.send_signal(number)
    told, _ = process.communicate(timeout=30)
    result = json.loads(told)
    assert process.returncode == code
    assert result["state"] == "stopped"
    assert result["in"] == result["out"] == len((home.root / "out").read_bytes().splitlines())
    assert home.actions() == ["run_started", "run_stopped"]


def test_stop_drains_and_the_run_ends_well(home: Home) -> None:
    process = home.start(
        home.spec(*MINE), "--stages", home.stages, "--source", "generate:0,64", "--sink", "null:"
    )
    told = home.json("stop", "pipe")
    assert told["asked"] == "drain"
    assert process.wait(30) == 0
    assert home.json("ps", "--all")["runs"][0]["state"] == "stopped"


def test_a_stage_that_hangs_is_killed_when_the_drain_takes_too_long(home: Home) -> None:
    spec = home.spec(("stuck", "hangs"))
    process = home.start(
        spec, "--stages", home.stages, "--source", "generate:0,8", "--sink", "null:",
        "--drain-timeout", "0.2", "--json",
    )  # fmt: skip
    children = [(pid, start_time_of(pid)) for pid in home.children(process.pid)]
    process.send_signal(signal.SIGTERM)
    told, _ = process.communicate(timeout=30)
    result = json.loads(told)
    assert process.returncode == 10
    assert result["stuck"] == ["stuck", "ingress", "egress"]  # the culprit first
    assert result["unfinished"] == result["in"] > 0
    assert children
    assert not any(is_alive(pid, start) for pid, start in children)


def test_a_sink_whose_peer_reads_nothing_is_stuck_and_no_failure_of_its_own(home: Home) -> None:
    with socket.socket(socket.AF_UNIX) as peer:  # its buffers are small and do not grow
        peer.bind(str(home.root / "peer"))
        peer.listen()
        done = home.byteor(
            "run", home.spec(("a", "identity")), "--source", "generate:0,128", "--sink",
            f"unix:{home.root / 'peer'}", "--for", "0.5", "--drain-timeout", "0.2", "--json",
        )  # fmt: skip
    result = json.loads(done.stdout)
    assert (done.returncode, result["state"], result["first_failure"]) == (10, "stopped", None)
    assert result["stuck"][0] == "egress"


def test_a_second_run_of_the_same_name_is_refused_and_the_first_goes_on(home: Home) -> None:
    spec = home.spec(("a", "identity"))
    process = home.start(spec, "--source", "generate:0,64", "--sink", "null:")
    second = home.byteor("run", spec, "--source", "generate:1,64", "--sink", "null:")
    assert second.returncode == 6
    assert "E_RUN_NAME" in second.stderr
    other = home.byteor("run", spec, "--source", "generate:1,64", "--sink", "null:", "--name", "other")
    assert other.returncode == 0
    assert process.poll() is None


def test_a_signal_while_the_run_starts_leaves_nothing_behind(home: Home) -> None:
    home.env["BYTEOR_TEST_PARENT"] = "slow"
    process = subprocess.Popen(
        [*BYTEOR, "run", str(home.spec(("slow", "slow_to_start:x"))), "--stages", str(home.stages)],
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=home.env,
    )  # fmt: skip
    home.started.append(process)
    until(lambda: list((home.root / "run").glob("pipe-*/run.json")))
    until(lambda: home.children(process.pid))
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=10)
    assert process.returncode == 143
    assert "E_INTERRUPTED" in told
    assert not list((home.root / "run").glob("pipe-*"))
    assert not list((home.root / "shm").glob("*/pipe-*"))
    assert home.actions() == ["run_started", "run_failed"]


# -- what kill -9 leaves


def test_a_stage_that_never_gives_up_the_gil_dies_with_its_supervisor(home: Home) -> None:
    spec = home.spec(("slow", "holds_the_gil"))
    process = home.start(spec, "--stages", home.stages, "--source", "generate:0,64", "--sink", "null:")
    children = [(pid, start_time_of(pid)) for pid in home.children(process.pid)]
    process.kill()
    until(lambda: not any(is_alive(pid, start) for pid, start in children), seconds=1)
    assert children


def test_a_killed_supervisor_takes_its_stages_with_it_and_the_log_says_so(home: Home) -> None:
    spec = home.spec(("slow", "upper"), ("b", "identity"))
    process = home.start(spec, "--stages", home.stages, "--source", "generate:0,64", "--sink", "null:")
    children = [(pid, start_time_of(pid)) for pid in home.children(process.pid)]
    process.kill()
    until(lambda: not any(is_alive(pid, start) for pid, start in children), seconds=1)
    assert children
    snapshot = home.json("snapshot", "pipe")
    assert (snapshot["state"], snapshot["producer"]["alive"]) == ("dead", False)
    assert snapshot["cursor"] > 0

    again = home.json("run", spec, "--stages", home.stages, "--source", "generate:5,64", "--sink", "null:")
    assert (again["state"], again["out"]) == ("finished", 5)
    assert home.actions() == ["run_started", "snapshot_taken", "run_killed", "run_started", "run_finished"]


@pytest.mark.parametrize("heard", [b"", b'{"name": "st'])
def test_a_worker_whose_supervisor_died_before_it_had_spoken_leaves_without_a_word(heard: bytes) -> None:
    worker = [sys.executable, "-P", "-m", "byteor.runtime.worker_main"]
    done = subprocess.run(worker, input=heard, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (11, b"", b"")


def test_a_killed_stage_process_stops_the_run(home: Home) -> None:
    process = home.start(
        home.spec(("slow", "upper"), ("b", "identity")), "--stages", home.stages, "--json",
        "--source", "generate:0,64", "--sink", "null:",
    )  # fmt: skip
    os.kill(home.children(process.pid)[0], signal.SIGKILL)
    told, _ = process.communicate(timeout=30)
    failure = json.loads(told)["first_failure"]
    assert process.returncode == 11
    assert (failure["stage"], failure["code"]) == ("slow", "E_WORKER_DIED")
    assert "SIGKILL" in failure["error"]
    assert home.actions() == ["run_started", "run_failed"]


def test_an_end_that_the_log_does_not_take_is_told_and_noted_later_once(home: Home) -> None:
    process = home.start(home.spec(("a", "identity")), "--source", "generate:0,16", "--sink", "null:")
    log = home.root / "state" / "audit.db"
    log.rename(log.with_suffix(".aside"))
    log.mkdir()
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 3  # of E_AUDIT_UNREADABLE
    assert "error[E_AUDIT_" in told
    assert "the run itself stopped: in " in told
    log.rmdir()
    log.with_suffix(".aside").rename(log)
    for _ in range(2):
        home.byteor("run", home.spec(("a", "identity")), "--source", "generate:1,16", "--sink", "null:")
    assert home.actions().count("run_stopped") == 1
    assert home.json("audit", "verify")["ok"]


def test_gc_removes_ended_runs_and_leaves_live_ones(home: Home) -> None:
    spec = home.spec(("bad", "raises_at_third"))
    run(home, spec, "--source", f"file:{home.lines(10)}")
    process = home.start(
        home.spec(("a", "identity"), name="live"), "--source", "generate:0,64", "--sink", "null:"
    )
    assert len(home.json("gc", "--dry-run")["removed"]) == 1
    assert len(home.json("gc")["removed"]) == 1
    left = home.json("ps", "--all")["runs"]
    assert [run["name"] for run in left] == ["live"]
    assert process.poll() is None
    regions = home.root / "shm" / f"byteor-{os.geteuid()}"
    assert len(list(regions.iterdir())) == 1
