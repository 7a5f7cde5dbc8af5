"""A service user's runs, looked at by a member of its group, who can do nothing else with them."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from home import Home, until

from byteor.errors import ByteorError
from byteor.runtime import folders
from byteor.runtime.control import ask
from byteor.runtime.errors import RunError
from byteor.runtime.observe import RunObserver
from byteor.runtime.sharing import group_id, share

GROUP, SOMEBODY = 65534, 65533
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to any group")


@pytest.fixture
def home() -> Iterator[Home]:
    """Where another user may pass through, which pytest's own folders do not allow."""
    folder = Path(tempfile.mkdtemp(prefix="byteor-share-"))
    folder.chmod(0o755)
    made = Home(folder)
    (folder / "shm").chmod(0o755)
    yield made
    for process in made.started:
        process.kill()
        process.communicate()
    shutil.rmtree(folder)


def as_user(uid: int, gid: int, look: Callable[[], object]) -> object:
    """What ``look`` returns, or the name of what it raises, in a process of another user."""
    hear, say = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            try:
                found = look()
            except BaseException as error:  # noqa: BLE001
                found = getattr(error, "code", type(error).__name__)
            os.write(say, msgspec.json.encode(found))
        finally:
            os._exit(0)
    os.close(say)
    data = b"".join(iter(lambda: os.read(hear, 4096), b""))
    os.close(hear)
    os.waitpid(child, 0)
    return msgspec.json.decode(data)


def look() -> object:
    """Everything that a console or ``byteor top`` reads of the newest run."""
    (info,) = folders.list_runs()
    with RunObserver(Path(info.folder)) as observer:
        sample = observer.sample()
    return {
        "state": info.state,
        "ours": info.ours,
        "workers": len(sample.workers),
        "lanes": bool(sample.rings),
    }


@root_only
def test_a_member_of_the_group_sees_a_run_and_cannot_touch_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BYTEOR_RUNTIME_DIR", "BYTEOR_SHM_DIR"):
        monkeypatch.setenv(name, home.env[name])
    spec = home.spec(("a", "identity"))
    process = home.start(spec, "--source", "generate:0,64", "--sink", "null:", "--group", str(GROUP))
    (info,) = folders.list_runs()
    run = Path(info.folder)

    seen = as_user(SOMEBODY, GROUP, look)
    assert seen == {"state": "running", "ours": False, "workers": 3, "lanes": True}
    assert as_user(SOMEBODY, GROUP, lambda: ask(run, "stop").state) == "E_RUN_OWNER"
    assert as_user(SOMEBODY, GROUP, lambda: (run / "x").touch()) == "PermissionError"
    assert as_user(SOMEBODY, GROUP, lambda: (run / "run.json").write_text("{}")) == "PermissionError"
    regions = Path(info.identity.region_dir)
    assert (
        as_user(SOMEBODY, GROUP, lambda: os.open(regions / "metrics.region", os.O_RDWR)) == "PermissionError"
    )

    assert as_user(SOMEBODY, SOMEBODY, look) == "PermissionError"  # of no group of ours

    process.send_signal(signal.SIGTERM)
    until(lambda: process.poll() is not None)
    seen = as_user(SOMEBODY, GROUP, lambda: folders.list_runs()[0].state)
    assert seen == "stopped"
    assert as_user(SOMEBODY, GROUP, lambda: folders.remove_run(folders.list_runs()[0])) == "E_RUN_FOREIGN"
    assert run.exists()


@root_only
def test_nothing_else_is_opened_and_nobody_else_may_write(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BYTEOR_RUNTIME_DIR", "BYTEOR_SHM_DIR"):
        monkeypatch.setenv(name, home.env[name])
    home.byteor(
        "run", home.spec(("a", "identity")), "--source", "generate:5,8", "--sink", "null:", "--group", GROUP
    )
    (info,) = folders.list_runs()
    run, regions = Path(info.folder), Path(info.identity.region_dir)
    for folder in (run.parent, run, regions.parent, regions):
        assert (stat.S_IMODE(folder.stat().st_mode), folder.stat().st_gid) == (0o2750, GROUP)
    for path in (*run.iterdir(), *regions.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o640, path
    assert stat.S_IMODE((run.parent / "names").stat().st_mode) == 0o700
    assert not (home.root / "state").stat().st_mode & 0o077


@root_only
def test_another_users_runs_are_shown_only_where_their_folder_was_named(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = home.root / "run"
    os.chown(root, SOMEBODY, SOMEBODY)
    monkeypatch.setenv("BYTEOR_RUNTIME_DIR", str(root))
    assert folders.list_runs() == []
    root.chmod(0o770)
    with pytest.raises(ByteorError) as caught:  # its group could have written what we would read
        folders.list_runs()
    assert caught.value.code == "E_UNSAFE_FOLDER"
    root.chmod(0o750)
    monkeypatch.delenv("BYTEOR_RUNTIME_DIR")
    monkeypatch.setattr(folders, "runtime_dir", lambda: root)
    with pytest.raises(ByteorError):
        folders.list_runs()


def test_without_a_group_nothing_is_opened(home: Home) -> None:
    home.byteor("run", home.spec(("a", "identity")), "--source", "generate:5,8", "--sink", "null:")
    (run,) = (home.root / "run").glob("pipe-*")
    for path in (run.parent, run, *run.iterdir()):
        assert not path.stat().st_mode & 0o077, path


def test_a_group_is_named_or_numbered_and_must_exist() -> None:
    assert group_id("0") == group_id("root") == 0
    with pytest.raises(RunError) as caught:
        group_id("no such group")
    assert (caught.value.code, caught.value.exit) == ("E_GROUP", 2)


@root_only
def test_who_may_not_give_files_to_a_group_is_told_so(home: Home) -> None:
    run = home.root / "run" / "r"
    run.mkdir()
    for path in (home.root / "run", run):
        os.chown(path, SOMEBODY, SOMEBODY)

    def attempt() -> object:
        share(0, run, run)
        return None

    assert as_user(SOMEBODY, SOMEBODY, attempt) == "E_GROUP"
