"""Appending and reading: nothing lost, nothing doubled, private, durable, and honest when it cannot."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import apsw
import pytest

from byteor.errors import ByteorError, Exit
from byteor.state import state_dir
from byteor_store import AuditLog, Event, StoreError, audit_path, database, verify
from byteor_store.database import OLDEST_SQLITE, refuse_old_sqlite
from byteor_store.migrations import MIGRATIONS


def started(run_id: str = "r1", **body: object) -> Event:
    return Event(
        action="run_started", actor="user:op", run_id=run_id, spec_hash="sha256:00", body=body or None
    )


def test_an_appended_event_is_read_back_whole(log: AuditLog) -> None:
    assert log.append(started(pid=7, name="über")) == 0
    (row,) = log.rows()
    assert (row.leaf.v, row.leaf.seq, row.leaf.action, row.leaf.actor) == (1, 0, "run_started", "user:op")
    assert (row.leaf.run_id, row.leaf.env, row.leaf.spec_hash) == ("r1", None, "sha256:00")
    assert json.loads(row.body or b"") == {"pid": 7, "name": "über"}
    assert json.loads(row.text)["ts_unix_ns"] == row.leaf.ts_unix_ns


def test_rows_are_found_by_run_by_place_and_from_the_end(log: AuditLog) -> None:
    log.append_many([started(f"r{number % 2}") for number in range(10)])
    assert [row.leaf.seq for row in log.rows(run_id="r1")] == [1, 3, 5, 7, 9]
    assert [row.leaf.seq for row in log.rows(run_id="r1", last=2)] == [7, 9]
    assert [row.leaf.seq for row in log.rows(after=7)] == [8, 9]
    assert [row.leaf.seq for row in log.rows(last=3)] == [7, 8, 9]
    assert list(log.rows(run_id="none")) == []


def test_a_log_longer_than_a_page_is_read_to_its_end(log: AuditLog) -> None:
    log.append_many([started()] * 5000)
    assert [row.leaf.seq for row in log.rows()] == list(range(5000))


def test_a_group_is_written_whole_or_not_at_all(log: AuditLog) -> None:
    with pytest.raises(StoreError) as caught:
        log.append_many([started(), started(number=2**53)])
    assert caught.value.code == "E_AUDIT_BODY"
    assert log.size() == 0
    assert log.append(started(number=2**53 - 1)) == 0


def test_an_observer_sees_what_is_appended_and_cannot_append(log: AuditLog, path: Path) -> None:
    with AuditLog.observe(path) as observer:
        log.append(started())
        assert [row.leaf.seq for row in observer.rows()] == [0]
        with pytest.raises(StoreError):
            observer.append(started())
    assert log.size() == 1


def test_threads_share_one_log(log: AuditLog) -> None:
    threads = [threading.Thread(target=lambda: [log.append(started()) for _ in range(25)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [row.leaf.seq for row in log.rows()] == list(range(100))


APPENDER = """
import sys
from pathlib import Path
from byteor_store import AuditLog, Event
log = AuditLog.open(Path(sys.argv[1]))
for number in range(int(sys.argv[3])):
    print(log.append(Event(action="x", actor=sys.argv[2], body={"n": number})), flush=True)
"""


def appender(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", APPENDER, str(path), name, str(count)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def test_many_processes_that_all_start_at_once_give_one_tree(path: Path) -> None:
    processes = [appender(path, f"p{number}", 40) for number in range(6)]
    acknowledged = [int(line) for process in processes for line in process.communicate(timeout=60)[0].split()]
    assert sorted(acknowledged) == list(range(240))
    found = verify(path)
    assert (found.problem, found.size) == (None, 240)
    with AuditLog.observe(path) as log:
        for number in range(6):
            own = [row for row in log.rows() if row.leaf.actor == f"p{number}"]
            assert [json.loads(row.body or b"")["n"] for row in own] == list(range(40))


@pytest.mark.parametrize("lines", [1, 3, 20])
def test_no_acknowledged_event_is_lost_when_the_writer_is_killed(path: Path, lines: int) -> None:
    process = appender(path, "p", 10_000)
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(lines)]
    process.send_signal(signal.SIGKILL)
    acknowledged += [int(line) for line in process.stdout.read().split()]
    process.wait(10)
    process.stdout.close()
    with AuditLog.open(path) as log:
        assert log.append(started()) >= len(acknowledged)
        assert [row.leaf.seq for row in log.rows()][: len(acknowledged)] == acknowledged
    assert verify(path).ok


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_every_file_is_private_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        with AuditLog.open(tmp_path / "state" / "audit.db") as log:
            log.append(started())
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "state").iterdir()}
    finally:
        os.umask(before)
    assert modes == {"audit.db": 0o600, "audit.db-wal": 0o600, "audit.db-shm": 0o600}
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_the_database_is_durable_and_checks_its_pages(log: AuditLog, path: Path) -> None:
    pragmas = {
        name: log._connection.pragma(name) for name in ("journal_mode", "synchronous", "secure_delete")
    }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1}
    assert log._connection.pragma("checksum_verification") == "1"


def test_without_the_checksum_extension_a_new_log_works_all_the_same(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "checksum_vfs", lambda: None)
    with AuditLog.open(path) as log:
        log.append(started())
    monkeypatch.undo()
    assert verify(path).ok
    with AuditLog.open(path) as log:
        assert log.append(started()) == 1


def test_without_the_extension_a_checksummed_log_is_read_and_not_written(
    log: AuditLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.append(started())
    monkeypatch.setattr(database, "checksum_vfs", lambda: None)
    assert verify(path).ok
    with pytest.raises(StoreError) as caught:
        AuditLog.open(path)
    assert caught.value.code == "E_SQLITE_VERSION"


def test_entries_are_neither_changed_nor_deleted_by_sql(log: AuditLog) -> None:
    log.append(started())
    for sql in ("UPDATE entries SET leaf_hash = zeroblob(32)", "DELETE FROM entries"):
        with pytest.raises(apsw.ConstraintError):
            log._connection.execute(sql)


def test_an_erased_body_is_gone_from_every_file_and_the_log_stays_intact(log: AuditLog, path: Path) -> None:
    secret = "a canary that must not stay"
    log.append(started(name=secret))
    log.append(started(name="kept"))
    assert any(secret.encode() in file.read_bytes() for file in path.parent.iterdir())
    assert log.erase_body(0, actor="user:op", reason="asked to") == 2
    assert not any(secret.encode() in file.read_bytes() for file in path.parent.iterdir())
    first, _, erase = log.rows()
    assert (first.body, erase.leaf.action, json.loads(erase.body or b"")["seq"]) == (None, "erase", 0)
    assert verify(path).ok


@pytest.mark.parametrize("seq", [0, 5])
def test_only_a_body_that_is_there_can_be_erased(log: AuditLog, path: Path, seq: int) -> None:
    log.append(started())
    with pytest.raises(StoreError) as caught:
        log.erase_body(seq)
    assert caught.value.code == "E_AUDIT_ENTRY"
    assert log.size() == 1


def test_what_tells_an_erasure_cannot_be_erased(log: AuditLog) -> None:
    log.append(started(a=1))
    erase = log.erase_body(0)
    with pytest.raises(StoreError):
        log.erase_body(erase)


def test_a_held_lock_refuses_after_the_busy_time(log: AuditLog, path: Path) -> None:
    holder = apsw.Connection(str(path))
    holder.execute("BEGIN IMMEDIATE")
    log._connection.set_busy_timeout(50)
    with pytest.raises(StoreError) as caught:
        log.append(started())
    assert (caught.value.code, caught.value.exit) == ("E_AUDIT_BUSY", Exit.UNAVAILABLE)
    holder.execute("ROLLBACK")
    holder.close()
    assert log.append(started()) == 0


def test_a_full_disk_refuses_and_leaves_the_log_as_it_was(log: AuditLog, path: Path) -> None:
    log.append(started())
    log._connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(StoreError) as caught:
        log.append_many([started(text="x" * 1000)] * 500)
    assert caught.value.code == "E_AUDIT_WRITE"
    log._connection.execute("PRAGMA max_page_count = 1000000")
    assert log.append(started()) == 1
    assert verify(path).ok


def test_an_old_sqlite_is_refused() -> None:
    refuse_old_sqlite(OLDEST_SQLITE)
    with pytest.raises(StoreError) as caught:
        refuse_old_sqlite((3, 51, 2))
    assert caught.value.code == "E_SQLITE_VERSION"


def test_no_log_is_not_found(path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        AuditLog.observe(path)
    assert (caught.value.code, caught.value.exit) == ("E_AUDIT_NOT_FOUND", Exit.NOT_FOUND)


@pytest.mark.parametrize("content", [b"hello", b"SQLite format 3\0" + bytes(5000)])
def test_a_file_that_is_no_log_is_unreadable(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "audit.db"
    file.write_bytes(content)
    with pytest.raises(StoreError) as caught:
        AuditLog.observe(file)
    assert (caught.value.code, caught.value.exit) == ("E_AUDIT_UNREADABLE", Exit.INVALID)


def test_a_log_whose_maker_was_killed_is_empty_and_goes_on(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    path.touch(0o600)
    for _ in ("without a byte", "without a table"):
        with pytest.raises(StoreError) as caught:
            AuditLog.observe(path)
        assert (caught.value.code, caught.value.exit) == ("E_AUDIT_NOT_FOUND", Exit.NOT_FOUND)
        database.open_for_writing(path).close()
    assert path.stat().st_size > 0
    with AuditLog.open(path) as log:
        assert log.append(Event(action="x", actor="a", body={})) == 0
    AuditLog.observe(path).close()


def test_another_database_is_no_log(tmp_path: Path) -> None:
    other = apsw.Connection(str(tmp_path / "other.db"))
    other.execute("CREATE TABLE t (a)")
    other.close()
    with pytest.raises(StoreError, match="no audit log"):
        AuditLog.observe(tmp_path / "other.db")


def test_a_log_that_others_may_read_is_refused(log: AuditLog, path: Path) -> None:
    log.close()
    path.chmod(0o644)
    with pytest.raises(StoreError) as caught:
        AuditLog.open(path)
    assert caught.value.hint == f"chmod 600 {path}"


def test_a_link_is_refused(tmp_path: Path, path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    path.symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(StoreError):
        AuditLog.open(path)
    assert not (tmp_path / "elsewhere.db").exists()


def test_a_folder_that_others_may_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(ByteorError) as caught:
        AuditLog.open(tmp_path / "open" / "audit.db")
    assert caught.value.code == "E_UNSAFE_FOLDER"


def test_a_newer_programs_log_is_refused(log: AuditLog, path: Path) -> None:
    log._connection.execute("INSERT INTO migrations VALUES (?, 'later', 0)", (MIGRATIONS[-1].version + 1,))
    log.close()
    for opening in (AuditLog.open, AuditLog.observe):
        with pytest.raises(StoreError) as caught:
            opening(path)
        assert caught.value.code == "E_AUDIT_VERSION"


PLACES = [
    ({"BYTEOR_STATE_DIR": "/s"}, "/s/audit.db"),
    ({"BYTEOR_STATE_DIR": "", "XDG_STATE_HOME": "/x"}, "/x/byteor/audit.db"),
    ({"XDG_STATE_HOME": "relative"}, f"{Path.home()}/.local/state/byteor/audit.db"),
]


@pytest.mark.parametrize(("environ", "expected"), PLACES)
def test_where_the_log_lies(environ: dict[str, str], expected: str) -> None:
    assert str(audit_path(environ)) == expected
    assert audit_path(environ).parent == state_dir(environ)
