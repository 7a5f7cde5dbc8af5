"""Watching: what is told after saves, bursts, renames and deletes, with events and without."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from privileges import UNPRIVILEGED

from byteor.spec.explain_examples import GRAPH_PLAN, RING, text
from byteor.spec.validate import load
from byteor.spec.watch import Board, Event, watch

GOOD = text(RING, {})


def save(path: Path, content: str) -> None:
    """As editors do: a temp file in the same folder, renamed over the old one."""
    temp = path.with_name(f".{path.name}.tmp")
    temp.write_text(content)
    temp.replace(path)


class Looking(Board):
    """A board that looks at contents, as a rescan does."""

    def look(self) -> list[Event]:
        return self.scan(by_content=True)


@pytest.fixture
def board(tmp_path: Path) -> Looking:
    for name in ("a.spec.kv", "b.spec.kv"):
        (tmp_path / name).write_text(GOOD)
    board = Looking([str(tmp_path)])
    assert [(Path(e.path).name, e.state, e.difference) for e in board.look()] == [
        ("a.spec.kv", "ok", None),
        ("b.spec.kv", "ok", None),
    ]
    return board


def test_nothing_is_told_when_nothing_changed(board: Looking, tmp_path: Path) -> None:
    assert board.look() == []
    (tmp_path / "a.spec.kv").touch()
    assert board.look() == board.scan() == []


def test_a_change_is_compared_with_the_last_valid_version(board: Looking, tmp_path: Path) -> None:
    save(tmp_path / "a.spec.kv", GOOD.replace("1024", "1000"))
    (event,) = board.look()
    assert (event.state, event.new_failure, event.difference) == ("failed", True, None)
    assert board.failed == [event.path]
    save(tmp_path / "a.spec.kv", GOOD.replace("1024", "1001"))
    (event,) = board.look()
    assert (event.state, event.new_failure) == ("failed", False)
    save(tmp_path / "a.spec.kv", GOOD.replace("1024", "2048"))
    (event,) = board.look()
    assert event.difference is not None
    assert [(c.path, c.a, c.b) for c in event.difference.changes] == [("capacity", 1024, 2048)]
    assert board.failed == []


def test_a_rename_keeps_the_history_and_a_delete_is_told(board: Looking, tmp_path: Path) -> None:
    (tmp_path / "a.spec.kv").rename(tmp_path / "c.spec.kv")
    (tmp_path / "b.spec.kv").write_text(GOOD.replace("1024", "64"))
    events = {Path(event.path).name: event for event in board.look()}
    assert events.keys() == {"c.spec.kv", "b.spec.kv"}
    assert events["c.spec.kv"].renamed_from == str(tmp_path / "a.spec.kv")
    (tmp_path / "c.spec.kv").unlink()
    assert [(Path(e.path).name, e.state) for e in board.look()] == [("c.spec.kv", "removed")]
    assert board.look() == []


def test_a_file_that_comes_back_is_compared_with_what_it_was(board: Looking, tmp_path: Path) -> None:
    (tmp_path / "a.spec.kv").unlink()
    board.look()
    save(tmp_path / "a.spec.kv", GOOD.replace("1024", "64"))
    (event,) = board.look()
    assert event.difference is not None and not event.difference.same


def test_temp_files_and_strangers_are_not_looked_at(board: Looking, tmp_path: Path) -> None:
    (tmp_path / ".a.spec.kv.swp").write_text("junk")
    (tmp_path / "notes.txt").write_text("junk")
    (tmp_path / "package.json").write_text("{}")
    assert board.look() == []
    assert board.scan([str(tmp_path / "notes.txt")]) == []


def test_a_compiled_spec_that_fell_behind_its_plan_is_told(tmp_path: Path) -> None:
    plan, compiled = tmp_path / "x.plan.kv", tmp_path / "x.spec.kv"
    plan.write_text(text(GRAPH_PLAN, {}))
    compiled.write_bytes(load(plan).canonical)
    board = Looking([str(tmp_path)])
    assert [event.stale for event in board.look()] == [(), ()]
    plan.write_text(text(GRAPH_PLAN, {"pipeline.on_full": "Drop"}))
    (event,) = board.look()
    assert event.stale == (str(compiled),)


def test_what_cannot_be_read_is_a_failure_told_once(board: Looking, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.spec.kv")
    (event,) = board.look()
    assert (event.state, event.findings[0].code) == ("failed", "E_FILE")
    assert board.look() == []


class Watcher:
    """A watch in a thread of its own."""

    def __init__(self, paths: list[str], *, poll: bool) -> None:
        self.events: queue.Queue[Event] = queue.Queue()
        self.stop = threading.Event()
        self.started = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(paths, poll))
        self.thread.start()
        assert self.started.wait(10)

    def _run(self, paths: list[str], poll: bool) -> None:
        for events in watch(paths, stop=self.stop, poll=poll):
            for event in events:
                self.events.put(event)
            self.started.set()

    def next(self) -> Event:
        return self.events.get(timeout=10)

    def close(self) -> None:
        self.stop.set()
        self.thread.join(10)
        assert not self.thread.is_alive()


@pytest.fixture(params=[False, True], ids=["events", "rescans"])
def watcher(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Watcher]:
    (tmp_path / "a.spec.kv").write_text(GOOD)
    made = Watcher([str(tmp_path)], poll=request.param)
    assert made.next().state == "ok"
    yield made
    made.close()


def test_an_atomic_save_a_rename_and_a_delete_arrive(watcher: Watcher, tmp_path: Path) -> None:
    save(tmp_path / "a.spec.kv", GOOD.replace("1024", "64"))
    event = watcher.next()
    assert (event.state, event.path) == ("ok", str(tmp_path / "a.spec.kv"))
    (tmp_path / "a.spec.kv").rename(tmp_path / "z.spec.kv")
    seen = [watcher.next()]
    while seen[-1].path != str(tmp_path / "z.spec.kv"):
        seen.append(watcher.next())
    (tmp_path / "z.spec.kv").unlink()
    assert (watcher.next().state, watcher.events.empty()) == ("removed", True)


def test_a_burst_of_200_files_loses_none(watcher: Watcher, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    wanted = {str(tmp_path / f"sub/n{number}.spec.kv") for number in range(200)}
    for path in wanted:
        save(Path(path), GOOD)
    seen: set[str] = set()
    while seen != wanted:
        event = watcher.next()
        assert event.state == "ok"
        seen.add(event.path)


def test_a_watched_file_survives_being_replaced(tmp_path: Path) -> None:
    path = tmp_path / "one.spec.kv"
    path.write_text(GOOD)
    watcher = Watcher([str(path)], poll=False)
    try:
        assert watcher.next().state == "ok"
        for capacity in ("64", "128", "256"):
            save(path, GOOD.replace("1024", capacity))
            assert watcher.next().state == "ok"
    finally:
        watcher.close()


def test_the_verb_prints_ndjson_and_runs_a_command_after_a_green_change(tmp_path: Path) -> None:
    (tmp_path / "a.spec.kv").write_text(GOOD)
    ran = tmp_path / "ran"
    run = f"{sys.executable} -c \"import os; open('{ran}', 'a').write(os.environ['BYTEOR_CHANGED'] + '\\n')\""
    process = subprocess.Popen(
        [sys.executable, "-m", "byteor", "watch", str(tmp_path), "--json", "--exec", run],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert json.loads(process.stdout.readline())["state"] == "ok"
        save(tmp_path / "a.spec.kv", GOOD.replace("1024", "1000"))
        document = json.loads(process.stdout.readline())
        assert (document["schema"], document["state"], document["new_failure"]) == (
            "byteor.watch/v1",
            "failed",
            True,
        )
        assert not ran.exists()
        save(tmp_path / "a.spec.kv", GOOD.replace("1024", "64"))
        document = json.loads(process.stdout.readline())
        assert document["diff"]["changes"][0] == {"op": "changed", "path": "capacity", "a": 1024, "b": 64}
        deadline = time.monotonic() + 10
        while not (ran.exists() and ran.read_text()) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert ran.read_text() == f"{tmp_path}/a.spec.kv\n"
        ran.unlink()
        save(tmp_path / "b.spec.kv", "v=1\n")
        assert json.loads(process.stdout.readline())["state"] == "failed"
        (tmp_path / "b.spec.kv").unlink()
        assert json.loads(process.stdout.readline())["state"] == "removed"
        while not (ran.exists() and ran.read_text()) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert ran.read_text() == f"{tmp_path}/b.spec.kv\n"  # the last red file is gone: all is green
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def test_once_ends_with_3_when_something_is_wrong(byteor: object, tmp_path: Path) -> None:
    assert callable(byteor)
    (tmp_path / "a.spec.kv").write_text(GOOD)
    assert byteor("watch", tmp_path, "--once").code == 0
    (tmp_path / "b.spec.kv").write_text("v=1\n")
    assert byteor("watch", tmp_path, "--once").code == 3
    assert byteor("watch", tmp_path / "absent", "--once").code == 7


def test_only_what_was_named_is_told(tmp_path: Path) -> None:
    (tmp_path / "dir/.git").mkdir(parents=True)
    (tmp_path / "linked").mkdir()
    (tmp_path / "dir/link").symlink_to(tmp_path / "linked")
    named, folder = tmp_path / "x.spec.kv", tmp_path / "dir"
    named.write_text(GOOD)
    board = Board([str(named), str(folder)])
    board.scan()
    strangers = [tmp_path / "other.spec.kv", folder / ".git/y.spec.kv", folder / "link/z.spec.kv"]
    for path in (*strangers, named, folder / "new.spec.kv"):
        path.write_text("v=1\n")
    (folder / "folder.kv").mkdir()
    saved = [str(path) for path in (*strangers, folder / "folder.kv", named, folder / "new.spec.kv")]
    assert [event.path for event in board.scan(saved)] == [str(folder / "new.spec.kv"), str(named)]
    assert board.scan() == []


def test_a_file_is_watched_beside_a_folder_and_its_neighbours_are_not(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    named = tmp_path / "x.spec.kv"
    named.write_text(GOOD)
    watcher = Watcher([str(named), str(tmp_path / "dir")], poll=False)
    try:
        assert watcher.next().path == str(named)
        save(tmp_path / "other.spec.kv", "v=1\n")
        save(named, GOOD.replace("1024", "64"))
        event = watcher.next()
        assert (event.path, event.difference is not None) == (str(named), True)
        save(tmp_path / "dir/new.spec.kv", GOOD)
        assert watcher.next().path == str(tmp_path / "dir/new.spec.kv")
        save(tmp_path / "other.spec.kv", "v=1\n")  # now the watch stands
        save(named, GOOD.replace("1024", "128"))
        assert watcher.next().path == str(named)
        assert watcher.events.empty()
    finally:
        watcher.close()


@pytest.mark.parametrize("given", [".", "x.spec.kv", "./"])
def test_a_relative_path_keeps_its_history(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.spec.kv").write_text(GOOD)
    watcher = Watcher([given], poll=False)
    try:
        first = watcher.next()
        save(Path("x.spec.kv"), GOOD.replace("1024", "64"))
        event = watcher.next()
        assert event.path == first.path
        assert event.difference is not None and not event.difference.same
    finally:
        watcher.close()


def test_a_plan_is_told_when_the_spec_compiled_from_it_changes(tmp_path: Path) -> None:
    plan, compiled = tmp_path / "x.plan.kv", tmp_path / "x.spec.kv"
    plan.write_text(text(GRAPH_PLAN, {}))
    compiled.write_bytes(load(plan).canonical)
    board = Board([str(tmp_path)])
    board.scan()
    compiled.write_bytes(load(plan).canonical.replace(b"=block", b"=drop"))
    told = {event.path: (event.state, event.stale) for event in board.scan([str(compiled)])}
    assert told == {str(compiled): ("ok", ()), str(plan): ("ok", (str(compiled),))}
    compiled.write_bytes(load(plan).canonical.replace(b"=block", b"=drop") + b"# more\n")
    assert [event.path for event in board.scan()] == [str(compiled)]  # no news of the plan
    compiled.write_bytes(load(plan).canonical)
    assert [(event.path, event.stale) for event in board.scan()] == [(str(compiled), ()), (str(plan), ())]


def test_rescans_read_contents_only_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from byteor.spec import watch as module

    (tmp_path / "a.spec.kv").write_text(GOOD)
    scans: list[bool] = []
    stop = threading.Event()

    class Counting(Board):
        def scan(self, only: object = None, *, by_content: bool = False) -> list[Event]:
            scans.append(by_content)
            if len(scans) == 8:
                stop.set()
            return super().scan(by_content=by_content)

    monkeypatch.setattr(module, "Board", Counting)
    monkeypatch.setattr(module, "_RESCAN_S", 60.0)
    assert [[event.state for event in events] for events in watch([str(tmp_path)], stop=stop, poll=True)]
    assert scans[0] is False and sum(scans) <= 1


def test_a_link_to_nothing_is_a_failure(board: Looking, tmp_path: Path) -> None:
    (tmp_path / "link.spec.kv").symlink_to(tmp_path / "absent.spec.kv")
    (event,) = board.look()
    assert (event.state, event.findings[0].code) == ("failed", "E_NOT_FOUND")
    save(tmp_path / "absent.spec.kv", GOOD)
    assert {Path(event.path).name: event.state for event in board.look()} == {
        "link.spec.kv": "ok",
        "absent.spec.kv": "ok",
    }


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    """A folder that may be listed, with one in it that may not."""
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked/broken.spec.kv").write_text("v=1\n")
    (tmp_path / "locked").chmod(0)
    (tmp_path / "ok.spec.kv").write_text(GOOD)
    yield tmp_path
    (tmp_path / "locked").chmod(0o700)


def unprivileged(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "byteor", *map(str, arguments)]
    return subprocess.run([*UNPRIVILEGED, *command], capture_output=True, text=True, check=False)


def test_a_folder_that_cannot_be_listed_is_not_green(locked: Path) -> None:
    for line in (f"validate {locked}", f"validate {locked}/locked", f"watch --once {locked}"):
        done = unprivileged(*line.split())
        assert done.returncode == 3, done
        assert "E_FILE" in done.stdout and f"{locked}/locked" in done.stdout
        assert "do: make it readable to you, or leave it out" in done.stdout
    locked.joinpath("locked").chmod(0o755)
    locked.joinpath("locked/broken.spec.kv").unlink()
    assert unprivileged("validate", locked).returncode == 0
    locked.joinpath("locked/a.spec.kv").write_text(GOOD)
    locked.joinpath("locked").chmod(0o444)  # names, and nothing behind them
    assert unprivileged("watch", "--once", locked).returncode == 3


def test_a_folder_that_opens_again_is_no_failure_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    found = [str(closed)]
    monkeypatch.setattr("byteor.spec.watch.find_documents", lambda paths: iter(found))
    board = Board([str(tmp_path)])
    assert [(event.path, event.state) for event in board.scan()] == [(str(closed), "failed")]
    found.clear()
    assert [(event.path, event.state) for event in board.scan()] == [(str(closed), "removed")]
    assert board.failed == []
