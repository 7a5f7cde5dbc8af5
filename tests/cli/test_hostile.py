"""What an operator may get wrong, and what the host may refuse: a clear error, nothing half-written."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from home import BYTEOR, STAGES, Home
from privileges import UNPRIVILEGED

OK = ("--source", "generate:10,16", "--sink", "null:")


def assert_clean(home: Home) -> None:
    """No run folder, no region, no temp file was left behind."""
    left = [p for p in (home.root / "run").rglob("*") if p.name not in ("names",) and p.suffix != ".lock"]
    assert left == []
    assert [p for p in (home.root / "shm").rglob("*") if not p.name.startswith("byteor-")] == []


def damaged(home: Home, name: str, content: bytes) -> Path:
    path = home.root / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", None),
        (b"v=1\nmodel=single_ring\nname=x\n", "E_NO_STAGES"),
        (b"v=1\nmodel=single_ring\nname=x\nname=y\n", "E_DUP_KEY"),
        (b"\x00\xff\xfe", None),
        ("v=1\nname=ü\n".encode(), None),
        (b"a" * 5_000, None),
    ],
)
def test_a_wrong_spec_is_refused_with_exit_3(home: Home, content: bytes, code: str | None) -> None:
    done = home.byteor("run", damaged(home, "bad.spec.kv", content), *OK)
    assert done.returncode == 3
    assert done.stderr.startswith("error[E_")
    assert "Traceback" not in done.stderr
    assert code is None or code in done.stderr
    assert_clean(home)


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (["run", "nowhere.kv", *OK], 7, "nowhere.kv"),
        (["run", ".", *OK], 3, ""),
        (["run"], 2, "no spec"),
        (["run", "a.kv", "--spec", "b.kv"], 2, "twice"),
        (["run", "SPEC", "--source", "bogus:x", *OK[2:]], 2, "bogus"),
        (["run", "SPEC", "--source", "file:/nowhere/at/all", *OK[2:]], 7, "/nowhere/at/all"),
        (["run", "SPEC", "--source", "file:/", *OK[2:]], 69, ""),
        (["run", "SPEC", "--source", "file:/dev/null?checkpoint=/no/p", *OK[2:]], 69, "no such folder"),
        (["run", "SPEC", *OK[:2], "--sink", "file:/nowhere/at/all"], 7, "/nowhere"),
        (["run", "SPEC", *OK, "--wait", "dance"], 2, "dance"),
        (["run", "SPEC", *OK, "--name", "../../etc"], 2, "not a run name"),
        (["run", "SPEC", *OK, "--stages", "no.such.module"], 2, "no.such.module"),
        (["run", "SPEC", *OK, "--stages", ""], 2, "name of a module"),
        (["run", "SPEC", *OK, "--stages", "./folder"], 2, "name of a module"),
        (["run", "SPEC", *OK, "--nonsense"], 2, "--nonsense"),
        (["nonsense"], 2, "nonsense"),
        (["stop"], 7, "no live run"),
        (["snapshot", "nobody"], 7, "nobody"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(
    home: Home, arguments: list[str], exit_code: int, words: str
) -> None:
    spec = home.spec(("a", "identity"))
    arguments = [str(spec) if part == "SPEC" else part for part in arguments]
    plain = home.byteor(*arguments)
    assert (plain.returncode, plain.stdout) == (exit_code, "")
    assert words in plain.stderr
    assert "do: " in plain.stderr
    as_json = home.byteor(*arguments, "--json")
    told = json.loads(as_json.stdout)
    assert (as_json.returncode, told["schema"], told["ok"]) == (exit_code, "byteor.error/v1", False)
    assert told["code"].startswith("E_")
    assert_clean(home)


def test_an_unknown_stage_key_names_the_nearest_one_and_starts_nothing(home: Home) -> None:
    done = home.byteor("run", home.spec(("a", "zscor:10,3")), *OK)
    assert done.returncode == 3
    assert "did you mean 'zscore'" in done.stderr
    assert ".spec.kv:6 (single_ring.stages.0.key)" in done.stderr
    assert_clean(home)


def test_a_stage_file_that_does_not_parse_is_told_with_its_own_line(home: Home) -> None:
    broken = home.root / "broken.py"
    broken.write_text("x = 1\ndef f(:\n    pass\n")
    done = home.byteor("run", home.spec(("a", "identity")), *OK, "--stages", broken)
    assert done.returncode == 2
    assert f"at: {broken}:2" in done.stderr


def test_a_thread_that_a_stage_module_starts_does_not_keep_an_ended_run(home: Home) -> None:
    module = home.root / "threads.py"
    module.write_text("import threading\nthreading.Thread(target=threading.Event().wait).start()\n" + STAGES)
    done = home.byteor("run", home.spec(("a", "upper")), *OK, "--stages", module)
    assert done.returncode == 0


def without_privileges(home: Home, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*UNPRIVILEGED, *BYTEOR, *map(str, arguments)],
        capture_output=True, text=True, env=home.env, timeout=60, check=False, cwd="/",
    )  # fmt: skip


def test_an_unreadable_spec_is_told_apart_from_a_missing_one(home: Home) -> None:
    spec = home.spec(("a", "identity"))
    spec.chmod(0)
    done = without_privileges(home, "validate", spec)
    assert done.returncode not in (0, 7)
    assert "ermission" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def in_mounts(home: Home, mounts: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The command in a mount namespace of its own, after the shell line ``mounts``."""
    script = f'set -e; {mounts}; shift 0; exec "$@"'
    return subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", script, "sh", *BYTEOR, *map(str, arguments)],
        capture_output=True, text=True, env=home.env, timeout=60, check=False,
    )  # fmt: skip


def test_a_full_shm_is_refused_before_anything_starts(home: Home) -> None:
    tiny = f"mount -t tmpfs -o size=64k tmpfs {home.root / 'shm'}"
    done = in_mounts(home, tiny, "run", home.spec(("a", "identity"), capacity=4096), *OK)
    assert done.returncode == 69
    assert "E_SHM_SPACE" in done.stderr
    assert home.actions() == ["run_started", "run_failed"]
    assert_clean(home)


def test_a_read_only_run_folder_is_refused(home: Home) -> None:
    read_only = f"mount -t tmpfs -o ro,mode=700 tmpfs {home.root / 'run'}"
    done = in_mounts(home, read_only, "run", home.spec(("a", "identity")), *OK)
    assert done.returncode == 69
    assert done.stderr.startswith("error[E_")
    assert "ead-only" in done.stderr


def test_a_log_that_cannot_be_written_keeps_the_run_from_starting(home: Home) -> None:
    read_only = f"mount -t tmpfs -o ro,mode=700 tmpfs {home.root / 'state'}"
    done = in_mounts(home, read_only, "run", home.spec(("a", "identity")), *OK)
    assert done.returncode != 0
    assert done.stderr.startswith("error[E_")
    assert_clean(home)


def test_a_full_disk_under_the_sink_fails_the_run_and_says_so(home: Home) -> None:
    small = home.root / "small"
    small.mkdir()
    mounts = f"mount -t tmpfs -o size=64k tmpfs {small}"
    spec = home.spec(("a", "identity"))
    done = in_mounts(
        home, mounts, "run", spec, "--source", "generate:0,200", "--sink", f"file:{small / 'out'}"
    )
    assert done.returncode == 11
    assert "ENOSPC" in done.stderr
    assert "egress failed first" in done.stderr


def test_a_reader_that_goes_away_ends_the_run_without_a_traceback(home: Home) -> None:
    spec = home.spec(("a", "identity"))
    command = [*BYTEOR, "run", str(spec), "--source", "generate:0,64"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=home.env
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.readline()
        run.stdout.close()
        told = run.stderr.read()
        assert run.wait(30) == 11
    assert "E_SINK_CLOSED" in told
    assert "Traceback" not in told


def test_version_and_help_need_no_home(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    for arguments in (["--version"], ["-h"], ["run", "-h"], ["audit", "-h"]):
        done = subprocess.run([*BYTEOR, *arguments], capture_output=True, text=True, env=env, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout
    assert list(tmp_path.iterdir()) == []
