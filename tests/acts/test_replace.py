"""A run takes another's place: what is refused, what is handed over, and that nothing is lost or doubled."""

from __future__ import annotations

import json
import os
import random
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from home import Home, until
from run_folders import run_folder

from byteor.acts import replace
from byteor.acts.drain import exit_of
from byteor.edge import parse_source
from byteor.errors import Exit
from byteor.runtime import folders
from byteor.runtime.control import ask
from byteor.runtime.errors import RunError
from byteor.runtime.folders import RunInfo, RunResult, WorkerIdentity, read_run
from byteor.spec import ValidatedSpec, check_document, read_document

RING = "v=1\nmodel=single_ring\nname=pipe\nsingle_ring.stages.0.name=a\nsingle_ring.stages.0.key={key}\n"


@pytest.fixture
def spec(tmp_path: Path) -> ValidatedSpec:
    return load(tmp_path, RING.format(key="identity"))


def load(folder: Path, text: str) -> ValidatedSpec:
    path = folder / "new.spec.kv"
    path.write_text(text)
    return check_document(read_document(path)).required()


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BYTEOR_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("BYTEOR_SHM_DIR", str(tmp_path))
    return tmp_path / "run"


def ended(runtime: Path, spec: ValidatedSpec, *, source: str = "generate:0,16", **result: Any) -> RunInfo:
    """A run of ``spec`` that has ended, on the disk as runs leave it."""
    workers = (
        WorkerIdentity(0, "ingress", "source", source, "thread"),
        WorkerIdentity(1, "egress", "sink", "null:", "thread"),
    )
    run = run_folder(runtime, spec_hash=spec.spec_hash, pid_start_time=0, source=source, workers=workers)
    (run / folders.SPEC_KV).write_bytes(spec.canonical)
    state = result.pop("state", "stopped")
    told = RunResult(run.name, "pipe", spec.spec_hash, state, 10, 10, **result)
    folders.write_result(run, told)
    return read_run(run)


def test_the_same_spec_and_a_changed_one_may_follow_with_the_same_source(
    runtime: Path, tmp_path: Path, spec: ValidatedSpec
) -> None:
    old = ended(runtime, spec)
    replace.judge(old, spec, {"ingress": "generate:0,16"})
    replace.judge(old, load(tmp_path, RING.format(key="crc32c")), {"ingress": "generate:0,16"})


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("generate:0,16", "generate:0,32", "it reads generate:0,16"),
        ("stdin:", "stdin:", "stdin"),
    ],
)
def test_another_source_is_refused(
    runtime: Path, spec: ValidatedSpec, before: str, after: str, why: str
) -> None:
    with pytest.raises(RunError, match=why) as caught:
        replace.judge(ended(runtime, spec, source=before), spec, {"ingress": after})
    assert (caught.value.code, caught.value.exit) == ("E_REPLACE_REFUSED", Exit.CONFLICT)


def test_a_spec_whose_ends_differ_is_refused(runtime: Path, tmp_path: Path, spec: ValidatedSpec) -> None:
    root = Path(__file__).resolve().parents[2]
    other = check_document(read_document(root / "specs" / "sensor-fusion.plan.kv")).required()
    with pytest.raises(RunError) as caught:
        replace.judge(ended(runtime, spec), other, {})
    assert caught.value.code == "E_REPLACE_REFUSED"


@pytest.mark.parametrize(
    "result", [{"state": "failed"}, {"state": "dead"}, {"stuck": ("a",)}, {"unfinished": 3}]
)
def test_an_old_run_that_lost_messages_is_not_followed(
    runtime: Path, spec: ValidatedSpec, result: dict[str, Any]
) -> None:
    old = ended(runtime, spec, positions={"ingress": 10}, **result)
    with pytest.raises(RunError) as caught:
        replace.take_over(old, {"ingress": parse_source("generate:0,16")}, 0.1)
    assert caught.value.code == "E_REPLACE_UNCLEAN"


def test_an_old_run_that_was_killed_is_not_followed(runtime: Path, spec: ValidatedSpec) -> None:
    old = ended(runtime, spec)
    with pytest.raises(RunError, match="it ended as dead") as caught:
        replace.take_over(msgspec.structs.replace(old, result=None), {}, 0.1)
    assert caught.value.code == "E_REPLACE_UNCLEAN"


def test_sources_go_on_at_their_position_and_others_are_told(runtime: Path, spec: ValidatedSpec) -> None:
    old = ended(runtime, spec, positions={"ingress": 1234})
    source, other = parse_source("generate:0,16"), parse_source("host:max")
    assert replace.take_over(old, {"ingress": source, "other": other}, 0.1) == ("other",)
    source.open()
    (message,) = source.read(1, 0.1) or [b""]
    assert int(message) == 1234


def test_what_an_aborted_replacement_left_can_be_taken_up(runtime: Path, spec: ValidatedSpec) -> None:
    with pytest.raises(RunError) as caught:
        replace.predecessor("pipe")
    assert caught.value.exit == Exit.NOT_FOUND
    ended(runtime, spec)  # it left no position
    with pytest.raises(RunError):
        replace.predecessor("pipe")
    left = ended(runtime, spec, positions={"ingress": 5})
    identity = msgspec.structs.replace(left.identity, started_unix_ns=2)
    folders.write_identity(Path(left.folder), identity)
    assert replace.predecessor("pipe").identity.run_id == left.identity.run_id


def test_a_name_that_stays_taken_is_told_in_time(runtime: Path, spec: ValidatedSpec) -> None:
    old = ended(runtime, spec, positions={"ingress": 5})
    with folders.name_lock("pipe", runtime), pytest.MonkeyPatch.context() as patch:
        patch.setattr(replace, "MARGIN_S", 0.0)
        with pytest.raises(RunError) as caught:
            replace.take_over(old, {}, 0.05)
    assert caught.value.code == "E_RUN_NAME"


@pytest.mark.parametrize(
    ("state", "more", "code"),
    [
        ("stopped", {}, Exit.OK),
        ("finished", {}, Exit.OK),
        ("stopped", {"unfinished": 1}, Exit.TIMEOUT),
        ("stopped", {"stuck": ("a",)}, Exit.TIMEOUT),
        ("failed", {}, Exit.RUNTIME),
        ("dead", {}, Exit.RUNTIME),
    ],
)
def test_the_exit_code_of_a_drain_tells_whether_messages_were_lost(
    state: str, more: dict[str, Any], code: Exit
) -> None:
    assert exit_of(RunResult("r", "pipe", "h", state, 1, 1, **more)) == code


# -- real runs


def grown(path: Path, size: int) -> bool:
    return path.stat().st_size > size


def replace_under_load(
    home: Home, times: int, source: str, *more: object, seed: int = 0, broken: bool = False
) -> list[int]:
    """Start a run, replace it ``times`` times while it works, drain it; the numbers that came out."""
    pause = random.Random(seed)
    first = home.spec(("a", "identity")).rename(home.root / "first.spec.kv")
    specs = (first, home.spec(("a", "identity"), ("b", "identity")))
    out = home.root / "out"
    up = home.json("run", specs[0], "--detach", "--source", source, "--sink", f"file:{out}", *more)
    assert "run_id" in up, up
    for turn in range(times):
        target = out.stat().st_size + pause.randrange(0, 20_000)
        until(partial(grown, out, target))
        spec = specs[(turn + 1) % 2]
        new = home.json("run", spec, "--detach", "--replace", *more)
        assert new["run_id"] != up["run_id"], new
        up = new
    if broken:  # the old one is drained, the new one does not start: the same command again goes on
        failed = home.json("run", spec, "--detach", "--replace", "--sink", "file:/no/such/folder/x")
        assert failed["code"].startswith("E_SINK"), failed
        assert "goes on from where it stopped" in failed["hint"]
        assert home.json("run", spec, "--detach", "--replace", *more)["run_id"] != up["run_id"]
        until(partial(grown, out, out.stat().st_size))
    assert home.json("drain", "pipe")["unfinished"] == 0
    return [int(line[:16]) for line in out.read_bytes().split()]


def test_a_run_that_is_replaced_under_load_loses_and_doubles_nothing(home: Home) -> None:
    found = replace_under_load(home, 1, "generate:0,16?rate=50000", broken=True)
    assert found == list(range(len(found)))
    assert len(found) > 500
    results = [json.loads(path.read_bytes()) for path in (home.root / "run").glob("pipe-*/result.json")]
    assert [result["state"] for result in results] == ["stopped"] * 3


@pytest.mark.campaign
@pytest.mark.parametrize("source", ["generate:0,16", "generate:0,16?rate=100000", "follow"])
def test_a_hundred_replacements_under_load_lose_and_double_nothing(home: Home, source: str) -> None:
    """100 replacements in all: 34 of each source. Seed: BYTEOR_SEED."""
    seed = int(os.environ.get("BYTEOR_SEED", "1"))
    writer = None
    if source == "follow":
        import subprocess
        import sys

        path = home.root / "in"
        path.write_text("")
        code = (
            "import sys, time\n"
            "with open(sys.argv[1], 'a', buffering=1) as f:\n"
            "    for n in range(10**9):\n"
            "        f.write('%016d\\n' % n)\n"
            "        if n % 50 == 0: time.sleep(0.002)\n"
        )
        writer = subprocess.Popen([sys.executable, "-c", code, str(path)])
        source = f"file:{path}?follow=1"
    try:
        found = replace_under_load(home, 34, source, seed=seed)
    finally:
        if writer is not None:
            writer.kill()
            writer.wait()
    assert found == list(range(len(found)))


def test_a_run_that_cannot_get_empty_goes_on_and_the_new_one_is_refused(home: Home) -> None:
    spec = home.spec(("slow", "dawdles"), capacity=16)
    common = ("--stages", home.stages, f"--source=file:{home.lines(120)}", f"--sink=file:{home.root / 'out'}")
    old = home.start(spec, *common)
    until(lambda: (home.root / "out").exists())
    done = home.byteor("run", spec, *common, "--replace", "--drain-timeout=0.1")
    assert done.returncode == 10
    assert "E_REPLACE_BUSY" in done.stderr and "before slow; it goes on as before" in done.stderr
    assert old.wait(60) == 0
    assert (home.root / "out").read_text().split() == [str(n) for n in range(120)]


def test_sources_that_were_held_go_on_by_themselves(home: Home) -> None:
    spec, out = home.spec(("a", "identity")), home.root / "out"
    old = home.start(spec, "--source=generate:0,16?rate=1000", f"--sink=file:{out}")
    until(lambda: out.exists() and out.stat().st_size > 0)
    (folder,) = (home.root / "run").glob("pipe-*")
    assert ask(folder, "hold", 0.3).state == "held"
    size = out.stat().st_size
    until(partial(grown, out, size + 10_000))
    assert old.poll() is None


def test_the_patience_of_the_new_run_counts_where_the_old_one_has_less(home: Home) -> None:
    spec = home.spec(("slow", "dawdles"))
    common = ("--stages", home.stages, f"--source=file:{home.lines(60)}", f"--sink=file:{home.root / 'out'}")
    old = home.start(spec, *common, "--drain-timeout=0.2")
    until(lambda: (home.root / "out").exists())
    done = home.byteor("run", spec, *common, "--replace", "--drain-timeout=60")
    assert done.returncode == 0, done.stderr
    assert old.wait(30) == 0
    assert (home.root / "out").read_text().split() == [str(n) for n in range(60)]
