"""Run folders: identity, names, live and dead, and what they refuse."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from run_folders import run_folder

from byteor.errors import ByteorError, Exit
from byteor.runtime import folders
from byteor.runtime.errors import RunError
from byteor.runtime.process import is_alive, start_time_of


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BYTEOR_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("BYTEOR_SHM_DIR", str(tmp_path))
    return tmp_path / "run"


def make_run(runtime: Path, *, pid: int, start: int, started_unix_ns: int = 1, name: str = "p") -> Path:
    return run_folder(runtime, name, pid=pid, pid_start_time=start, started_unix_ns=started_unix_ns)


def test_a_run_of_this_process_is_alive_and_of_a_reused_pid_is_dead(runtime: Path) -> None:
    me, start = os.getpid(), start_time_of(os.getpid())
    live = make_run(runtime, pid=me, start=start)
    dead = make_run(runtime, pid=me, start=start - 1)
    assert folders.read_run(live).state == "running"
    assert folders.read_run(dead).state == "dead"


def test_a_zombie_is_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    start = start_time_of(child.pid)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, not reaped
    assert not is_alive(child.pid, start)
    child.wait()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_folders_and_files_are_private_whatever_the_umask(runtime: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        run = make_run(runtime, pid=1, start=1)
    finally:
        os.umask(before)
    for path in (run, runtime, Path(folders.read_run(run).identity.region_dir)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE((run / folders.RUN_JSON).stat().st_mode) == 0o600


def test_a_name_is_held_by_one_run_and_freed_with_it(runtime: Path) -> None:
    with folders.name_lock("orders", runtime):
        with pytest.raises(RunError) as refused, folders.name_lock("orders", runtime):
            pass
        assert (refused.value.code, refused.value.exit) == ("E_RUN_NAME", Exit.CONFLICT)
        with folders.name_lock("other", runtime):
            pass
    with folders.name_lock("orders", runtime):
        pass


@pytest.mark.parametrize("name", ["", "../x", "Upper", "a" * 64, "a b", "a\n"])
def test_a_name_that_could_be_a_path_is_refused(runtime: Path, name: str) -> None:
    with pytest.raises(RunError) as refused, folders.name_lock(name, runtime):
        pass
    assert refused.value.exit == Exit.USAGE


def test_a_runtime_folder_that_others_can_write_is_refused(runtime: Path) -> None:
    runtime.mkdir()
    runtime.chmod(0o777)
    for act in (lambda: folders.create("x", runtime), lambda: folders.list_runs(runtime)):
        with pytest.raises(ByteorError) as refused:
            act()
        assert refused.value.code == "E_UNSAFE_FOLDER"


@pytest.mark.parametrize("damaged", [b'{"v": 1', b'{"v": 1, "run_id": "\xff"}'])
def test_a_damaged_run_json_is_told_and_does_not_hide_the_others(runtime: Path, damaged: bytes) -> None:
    good = make_run(runtime, pid=1, start=1)
    bad = make_run(runtime, pid=1, start=1)
    (bad / folders.RUN_JSON).write_bytes(damaged)
    with pytest.raises(RunError) as refused:
        folders.read_run(bad)
    assert refused.value.code == "E_RUN_JSON"
    assert [info.folder for info in folders.list_runs(runtime)] == [str(good)]


@pytest.mark.parametrize("name", [folders.RUN_JSON, folders.RESULT_JSON])
@pytest.mark.parametrize("what", ["fifo", "endless", "folder"])
def test_a_forged_document_holds_no_reader_up(runtime: Path, name: str, what: str) -> None:
    mine, start = os.getpid(), start_time_of(os.getpid())
    make_run(runtime, pid=mine, start=start, name="good")
    forged = make_run(runtime, pid=mine, start=start, name="forged")
    (forged / name).unlink(missing_ok=True)
    match what:
        case "fifo":
            os.mkfifo(forged / name)
        case "endless":
            (forged / name).symlink_to("/dev/zero")
        case _:
            (forged / name).mkdir()
    assert [info.identity.name for info in folders.list_runs(runtime)] == ["good"]
    with pytest.raises(RunError) as caught:
        folders.read_run(forged)
    assert caught.value.code == "E_RUN_JSON"


def test_find_prefers_the_id_then_a_live_run_then_the_newest(runtime: Path) -> None:
    me, start = os.getpid(), start_time_of(os.getpid())
    live = make_run(runtime, pid=me, start=start, started_unix_ns=1)
    newest = make_run(runtime, pid=me, start=start - 1, started_unix_ns=3)
    older = make_run(runtime, pid=me, start=start - 1, started_unix_ns=2)
    assert folders.find_run("p", runtime).folder == str(live)
    assert folders.find_run(None, runtime).folder == str(live)
    assert folders.find_run(newest.name, runtime).folder == str(newest)
    folders.remove_run(folders.read_run(newest))
    assert [info.folder for info in folders.list_runs(runtime)] == [str(older), str(live)]
    with pytest.raises(RunError) as refused:
        folders.find_run("nobody", runtime)
    assert refused.value.exit == Exit.NOT_FOUND


def test_removing_never_follows_a_forged_region_folder(runtime: Path, tmp_path: Path) -> None:
    run = make_run(runtime, pid=1, start=1)
    precious = tmp_path / "precious"
    precious.mkdir()
    info = folders.read_run(run)
    forged = msgspec.structs.replace(info.identity, region_dir=str(precious))
    folders.write_identity(run, forged)
    folders.remove_run(folders.read_run(run))
    assert precious.exists()
    assert not run.exists()


def test_a_live_run_is_not_removed(runtime: Path) -> None:
    run = make_run(runtime, pid=os.getpid(), start=start_time_of(os.getpid()))
    with pytest.raises(RunError) as refused:
        folders.remove_run(folders.read_run(run))
    assert refused.value.code == "E_RUN_ALIVE"
    assert run.exists()
