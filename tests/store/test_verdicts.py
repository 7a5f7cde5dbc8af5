"""Which of several things that are wrong is told, what a restoration excuses, and what excuses nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
from tampering import tampered

from byteor_store import Anchor, AuditLog, Event, StoreError, parts, verify
from byteor_store.database import checksum_vfs
from byteor_store.leaf import leaf_text
from byteor_store.merkle import Frontier, leaf_hash
from byteor_store.migrations import MIGRATIONS, migrate
from byteor_store.verify import _damage

COPIED, LOST = 5, 10  # entries of the copy that is put back, and of the log that it replaces


def act(count: int) -> list[Event]:
    return [Event(action="act", actor="user:op", run_id="r", body={"n": n}) for n in range(count)]


def anchor(path: Path) -> Anchor:
    with AuditLog.observe(path) as log:
        tree = log.tree()
    return Anchor(tree.size, tree.root())


def code_of(path: Path, witnesses: list[Anchor] | None = None) -> str | None:
    found = verify(path, witnesses or [])
    assert found.witnessed == (found.problem is None and bool(witnesses))
    return None if found.problem is None else found.problem.code


@pytest.fixture
def filled(log: AuditLog, path: Path) -> Path:
    log.append_many(act(LOST))
    log.close()
    return path


def change(path: Path, sql: str) -> None:
    with tampered(path) as connection:
        connection.execute(sql)


# -- restored


class Restored:
    """A log that was put back from a copy, with what somebody saw of it before."""

    def __init__(self, path: Path, copy: Path) -> None:
        self.path = path
        with AuditLog.open(path) as log:
            log.append_many(act(COPIED))
        shutil.copytree(path.parent, copy)
        self.seen = {COPIED: anchor(path)}
        with AuditLog.open(path) as log:
            for _ in range(COPIED, LOST):
                log.append_many(act(1))
                self.seen[log.size()] = Anchor(log.size(), log.tree().root())
        shutil.rmtree(path.parent)
        shutil.copytree(copy, path.parent)
        body = {"lost_root": self.seen[LOST].root.hex(), "lost_size": LOST, "restored_size": COPIED}
        with AuditLog.open(path) as log:
            log.append(Event(action="restore", actor="user:op", body=body))


@pytest.fixture
def restored(path: Path, tmp_path: Path) -> Restored:
    return Restored(path, tmp_path / "copy")


@pytest.mark.parametrize("more", [0, 20])
@pytest.mark.parametrize("size", range(COPIED, LOST + 1))
def test_a_restoration_excuses_what_was_lost_and_what_was_kept_needs_no_excuse(
    restored: Restored, size: int, more: int
) -> None:
    with AuditLog.open(restored.path) as log:
        log.append_many(act(more))
    found = verify(restored.path, [restored.seen[size]])
    if size == COPIED:
        assert found.ok
    else:
        assert found.problem is not None
        assert (found.problem.code, found.problem.seq) == ("E_RESTORED", COPIED)


@pytest.mark.parametrize(
    ("size", "code"), [(COPIED - 1, "E_ROOT"), (COPIED, "E_ROOT"), (LOST + 1, "E_ROLLBACK")]
)
def test_a_restoration_excuses_nothing_before_and_behind_what_was_lost(
    restored: Restored, size: int, code: str
) -> None:
    forged = Anchor(size, bytes(32))
    assert code_of(restored.path, [forged]) == code
    assert code_of(restored.path, [restored.seen[LOST - 1], forged]) == code


# -- one wrong beside another


def test_an_anchor_of_nothing_hides_none_that_follows(filled: Path) -> None:
    assert code_of(filled, [Anchor(0, Frontier().root())]) is None
    assert code_of(filled, [Anchor(0, Frontier().root()), Anchor(3, bytes(32))]) == "E_ROOT"


def test_a_log_without_checkpoints_says_so(filled: Path) -> None:
    assert verify(filled).checkpoint_size == 0


def test_a_body_that_names_another_excuses_its_theft_only_in_an_erase_entry(filled: Path) -> None:
    with AuditLog.open(filled) as log:
        log.append(Event(action="act", actor="user:op", body={"seq": 4, "reason": "none"}))
    change(filled, "PRAGMA foreign_keys = OFF; DELETE FROM bodies WHERE seq = 4")
    found = verify(filled).problem
    assert found is not None
    assert (found.code, found.seq) == ("E_LEAF_HASH", 4)


def test_a_tree_that_cannot_be_read_is_a_verdict_and_a_newer_log_is_not(filled: Path) -> None:
    change(filled, "UPDATE log SET frontier = zeroblob(5)")
    assert code_of(filled) == "E_AUDIT_UNREADABLE"
    newer = MIGRATIONS[-1].version + 1
    connection = apsw.Connection(str(filled), vfs=checksum_vfs())
    connection.execute("INSERT INTO migrations VALUES (?, 'unknown', 1)", (newer,))
    connection.close()
    with pytest.raises(StoreError) as caught:
        verify(filled)
    assert caught.value.code == "E_AUDIT_VERSION"


@pytest.mark.parametrize("version", [step.version for step in MIGRATIONS if step.version >= 2])
def test_the_checkpoints_of_a_log_of_any_shape_that_has_them_count(path: Path, version: int) -> None:
    path.parent.mkdir(mode=0o700)
    path.touch(mode=0o600)
    old = apsw.Connection(str(path))
    migrate(old, path, upto=version)
    leaf = leaf_text(act(1)[0], seq=0, ts_unix_ns=1, boot_id="b", body_digest=None)
    tree = Frontier()
    tree.append(leaf_hash(leaf))
    old.execute("INSERT INTO entries (seq, leaf, leaf_hash) VALUES (0, ?, ?)", (leaf, leaf_hash(leaf)))
    old.execute("UPDATE log SET size = 1, frontier = ?", (b"".join(tree.hashes),))
    old.execute("INSERT INTO checkpoints VALUES (7, zeroblob(32), x'00', 1)")
    old.close()
    assert code_of(path) == "E_ROLLBACK"


@pytest.mark.parametrize(
    "leaf",
    [
        b'{"action":7,"approval_id":null,"body_digest":null,"run_id":null,"seq":260,"v":1}',
        b'{"action":"a","approval_id":null,"body_digest":null,"run_id":"\xff","seq":260,"z":1}',
        b'{"body_digest":null,"seq":260,"z":1}',
    ],
)
@pytest.mark.parametrize("worth_it", [1, parts.WORTH_IT])
def test_an_entry_that_is_no_leaf_is_told_though_all_hashes_fit(
    filled: Path, monkeypatch: pytest.MonkeyPatch, leaf: bytes, worth_it: int
) -> None:
    monkeypatch.setattr(parts, "WORTH_IT", worth_it)
    with AuditLog.open(filled) as log:  # a block that a process of its own reads, and the rest
        log.append_many([Event(action="act", actor="user:op")] * (261 - LOST))
    connection = apsw.Connection(str(filled), vfs=checksum_vfs())
    connection.execute("DROP TRIGGER entries_stay")
    leaves = connection.execute("SELECT leaf FROM entries WHERE seq < 260 ORDER BY seq").fetchall()
    tree = Frontier()
    tree.extend([leaf_hash(one) for (one,) in [*leaves, (leaf,)]])
    connection.execute("UPDATE entries SET leaf = ?, leaf_hash = ? WHERE seq = 260", (leaf, leaf_hash(leaf)))
    connection.execute("UPDATE log SET frontier = ?", (b"".join(tree.hashes),))
    connection.close()
    problem = verify(filled).problem
    assert problem is not None
    assert (problem.code, problem.seq) == ("E_LEAF_HASH", 260)


def test_a_verdict_is_what_was_found_and_stays_it(filled: Path) -> None:
    found = verify(filled, [Anchor(3, bytes(32))])
    assert found.problem is not None
    for verdict, name in ((found, "problem"), (found.problem, "code")):
        with pytest.raises(AttributeError):
            setattr(verdict, name, None)


# -- what the database shows beside the entries

COLUMN = """PRAGMA writable_schema = 1; DROP INDEX entries_by_approval;
    UPDATE sqlite_schema SET sql = replace(sql, '$.approval_id', '$.kid') WHERE name = 'entries'"""
VIEW = """ALTER TABLE entries RENAME TO kept;
    CREATE VIEW entries AS SELECT * FROM kept WHERE seq < 3 OR unixepoch() < 4e9"""
TRIGGER = "CREATE TRIGGER more AFTER INSERT ON bodies BEGIN DELETE FROM checkpoints; END"


@pytest.mark.parametrize("sql", [COLUMN, VIEW, TRIGGER])
def test_a_shape_that_is_not_the_programs_is_told_as_that(filled: Path, sql: str) -> None:
    change(filled, sql)
    problem = verify(filled).problem
    assert problem is not None
    assert problem.code == "E_AUDIT_UNREADABLE"
    assert "is not as this program makes it" in problem.detail


def other_index(path: Path, was: str, made: str) -> None:
    """The index of runs is another one than its text says."""
    connection = apsw.Connection(str(path), vfs=checksum_vfs())
    text = str(connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'entries_by_run'").get)
    assert was in text
    connection.execute(f"DROP INDEX entries_by_run; {text.replace(was, made)}")
    connection.execute("PRAGMA writable_schema = 1")
    connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'entries_by_run'", (text,))
    connection.close()


@pytest.mark.parametrize(
    ("was", "made", "told"),
    [
        ("WHERE ", "WHERE seq <> 3 AND ", "the file is damaged"),
        ("run_id, seq", "coalesce(run_id, 'r'), seq) --", "an index in the database"),
    ],
)
def test_an_index_that_shows_fewer_or_more_is_noticed(filled: Path, was: str, made: str, told: str) -> None:
    with AuditLog.open(filled) as log:
        log.append(Event(action="act", actor="user:op"))  # of no run: no business of the index
    other_index(filled, was, made)
    problem = verify(filled).problem
    assert problem is not None
    assert problem.code == "E_AUDIT_UNREADABLE"
    assert problem.detail.startswith(told)


def odd_entry(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA ignore_check_constraints = 1")
    connection.execute("INSERT INTO entries (seq, leaf, leaf_hash) VALUES (0, x'7b7d', x'00')")
    connection.close()


def odd_checkpoint(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA ignore_check_constraints = 1")
    connection.execute("INSERT INTO checkpoints VALUES (1, x'00', x'00', 1)")
    connection.close()


def odd_free_pages(path: Path) -> None:
    """The header counts pages that are free, and there are none."""
    handle = os.open(path, os.O_RDWR)
    os.pwrite(handle, b"\0\0\0\5", 36)
    os.close(handle)


@pytest.mark.parametrize(
    ("damage", "whole", "but_entries"),
    [
        (lambda path: None, False, False),
        (odd_entry, True, False),  # for who has read the entries itself
        (odd_checkpoint, True, True),
        (odd_free_pages, True, False),
    ],
)
def test_damage_is_looked_for_everywhere_but_where_it_was_looked_for(
    path: Path, damage: Callable[[Path], None], whole: bool, but_entries: bool
) -> None:
    path.parent.mkdir(mode=0o700)
    connection = apsw.Connection(str(path))
    migrate(connection, path)
    connection.close()
    damage(path)
    connection = apsw.Connection(str(path))
    found = [_damage(connection, but) is not None for but in (None, "entries")]
    connection.close()
    assert found == [whole, but_entries]
