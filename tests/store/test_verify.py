"""What verification notices: each attack by somebody who can write the file, and damage by chance."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest
from tampering import anchor, edit, recompute, tampered

from byteor_store import AuditLog, Event, StoreError, verify
from byteor_store.database import checksum_vfs
from byteor_store.leaf import leaf_text
from byteor_store.merkle import leaf_hash
from byteor_store.migrations import MIGRATIONS, migrate

ENTRIES = 10


@pytest.fixture
def filled(log: AuditLog, path: Path) -> Path:
    log.append_many(
        [Event(action="act", actor="user:op", run_id="r", body={"n": number}) for number in range(ENTRIES)]
    )
    log.close()
    return path


def edit_recompute(connection: apsw.Connection) -> None:
    edit(connection)
    recompute(connection)


def edit_hash_too(connection: apsw.Connection) -> None:
    edit(connection)
    leaf = connection.execute("SELECT leaf FROM entries WHERE seq = 4").get
    connection.execute("UPDATE entries SET leaf_hash = ? WHERE seq = 4", (leaf_hash(leaf),))


def delete(connection: apsw.Connection) -> None:
    connection.execute("DELETE FROM bodies WHERE seq = 4; DELETE FROM entries WHERE seq = 4")


def delete_and_close_the_gap(connection: apsw.Connection) -> None:
    delete(connection)
    for seq in range(5, ENTRIES):
        for table in ("bodies", "entries"):
            connection.execute(f"UPDATE {table} SET seq = ? WHERE seq = ?", (seq - 1, seq))
    recompute(connection)


def swap(connection: apsw.Connection) -> None:
    for source, target in ((3, 99), (4, 3), (99, 4)):
        for table in ("bodies", "entries"):
            connection.execute(f"UPDATE {table} SET seq = ? WHERE seq = ?", (target, source))
    recompute(connection)


def truncate(connection: apsw.Connection) -> None:
    connection.execute("DELETE FROM bodies WHERE seq >= 7; DELETE FROM entries WHERE seq >= 7")


def truncate_recompute(connection: apsw.Connection) -> None:
    truncate(connection)
    recompute(connection)


def edit_body(connection: apsw.Connection) -> None:
    connection.execute("UPDATE bodies SET body = CAST('{\"n\":99}' AS BLOB) WHERE seq = 4")


def steal_body(connection: apsw.Connection) -> None:
    connection.execute("DELETE FROM bodies WHERE seq = 4")


def break_frontier(connection: apsw.Connection) -> None:
    connection.execute("UPDATE log SET frontier = zeroblob(64)")


# (attack, what it is called without a witness, the first bad entry); None: only a witness notices
ATTACKS = [
    (edit, "E_LEAF_HASH", 4),
    (edit_hash_too, "E_ROOT", None),
    (delete, "E_SEQ_GAP", 4),
    (delete_and_close_the_gap, "E_SEQ_GAP", 4),
    (swap, "E_SEQ_GAP", 3),
    (truncate, "E_TRUNCATED", 7),
    (edit_body, "E_LEAF_HASH", 4),
    (steal_body, "E_LEAF_HASH", 4),
    (break_frontier, "E_ROOT", None),
    (edit_recompute, None, None),
    (truncate_recompute, None, None),
]


def test_an_untouched_log_is_intact(filled: Path) -> None:
    seen = anchor(filled)
    found = verify(filled, [seen])
    assert (found.problem, found.size, found.root, found.witnessed) == (None, ENTRIES, seen.root.hex(), True)
    assert not verify(filled).witnessed


@pytest.mark.parametrize(
    ("attack", "code", "seq"), ATTACKS, ids=lambda value: getattr(value, "__name__", None)
)
def test_an_attack_is_noticed(
    filled: Path, attack: Callable[[apsw.Connection], None], code: str | None, seq: int | None
) -> None:
    seen = anchor(filled)
    with tampered(filled) as connection:
        attack(connection)
    found = verify(filled)
    told = None if found.problem is None else found.problem.code
    assert told == code
    if found.problem is not None and seq is not None:
        assert found.problem.seq == seq
    assert not verify(filled, [seen]).ok


def test_a_log_cut_back_behind_a_witness_is_a_rollback(filled: Path) -> None:
    seen = anchor(filled)
    with tampered(filled) as connection:
        truncate_recompute(connection)
    problem = verify(filled, [seen]).problem
    assert problem is not None
    assert (problem.code, problem.seq) == ("E_ROLLBACK", 7)


def test_a_log_written_anew_is_told_with_the_span_that_differs(filled: Path) -> None:
    early = anchor(filled)
    with AuditLog.open(filled) as log:
        log.append_many([Event(action="later", actor="user:op")] * 5)
    late = anchor(filled)

    def edit_late_entry(connection: apsw.Connection) -> None:
        leaf = leaf_text(
            Event(action="forged", actor="user:op"), seq=12, ts_unix_ns=1, boot_id="b", body_digest=None
        )
        connection.execute("UPDATE entries SET leaf = ? WHERE seq = 12", (leaf,))
        recompute(connection)

    with tampered(filled) as connection:
        edit_late_entry(connection)
    problem = verify(filled, [early, late]).problem
    assert problem is not None
    assert (problem.code, problem.seq) == ("E_ROOT", ENTRIES)


def test_a_log_is_verified_while_it_is_being_written(log: AuditLog, path: Path) -> None:
    for number in range(20):
        log.append(Event(action="act", actor="user:op", body={"n": number}))
        assert verify(path).size == number + 1


def flipped(path: Path, copy: Path, bit: int) -> Path:
    shutil.copyfile(path, copy)
    handle = os.open(copy, os.O_RDWR)
    byte = os.pread(handle, 1, bit // 8)[0] ^ 1 << bit % 8
    os.pwrite(handle, bytes([byte]), bit // 8)
    os.close(handle)
    return copy


def notices(path: Path) -> bool:
    try:
        return not verify(path).ok
    except StoreError:
        return True


def flip_bits(filled: Path, count: int, seed: int) -> list[int]:
    """The flips that nobody noticed."""
    random_bits = random.Random(seed)
    bits = filled.stat().st_size * 8
    chosen = random_bits.sample(range(bits), min(count, bits))
    copy = filled.parent / "flipped.db"
    return [bit for bit in chosen if not notices(flipped(filled, copy, bit))]


def test_a_flipped_bit_is_noticed_wherever_it_is(filled: Path) -> None:
    assert flip_bits(filled, 300, seed=1) == []


@pytest.mark.campaign
def test_ten_thousand_flipped_bits_are_all_noticed(filled: Path) -> None:
    assert flip_bits(filled, 10_000, seed=int(os.environ.get("BYTEOR_SEED", "1"))) == []


def test_every_bit_of_the_file_header_is_guarded(filled: Path) -> None:
    copy = filled.parent / "flipped.db"
    assert [bit for bit in range(800) if not notices(flipped(filled, copy, bit))] == []


@pytest.mark.parametrize("version", [step.version for step in MIGRATIONS])
def test_a_log_of_every_older_shape_is_read_and_then_brought_up(path: Path, version: int) -> None:
    path.parent.mkdir(mode=0o700)
    path.touch(mode=0o600)
    old = apsw.Connection(str(path))
    migrate(old, path, upto=version)
    event = Event(action="incident_opened", actor="user:op", run_id="r", approval_id="a")
    for seq in range(3):
        leaf = leaf_text(event, seq=seq, ts_unix_ns=1, boot_id="b", body_digest=None)
        old.execute(
            "INSERT INTO entries (seq, leaf, leaf_hash) VALUES (?, ?, ?)", (seq, leaf, leaf_hash(leaf))
        )
    old.execute("DROP TRIGGER entries_stay")
    recompute(old)
    old.close()
    before = verify(path)
    assert (before.ok, before.size) == (True, 3)
    with AuditLog.open(path) as log:
        assert log.tree().root().hex() == before.root
        assert log.append(Event(action="act", actor="user:op")) == 3
        assert [row.leaf.seq for row in log.about("a", "incident_opened")] == [0, 1, 2]
        steps = log._connection.execute("SELECT version, name FROM migrations ORDER BY version").fetchall()
    assert steps == [(step.version, step.name) for step in MIGRATIONS]
    assert verify(path).ok


def as_somebody_else(act: Callable[[], bool]) -> bool:
    """``act`` in a child without root's rights, which would see past the modes of files."""
    child = os.fork()
    if child == 0:
        code = 2
        try:
            if os.geteuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            code = 0 if act() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.fixture
def backup(filled: Path) -> Iterator[Path]:
    """A copy of the log in a folder that nobody may write."""
    folder = Path(tempfile.mkdtemp(prefix="byteor-test-"))
    shutil.copy(filled, folder / "audit.db")
    (folder / "audit.db").chmod(0o444)
    folder.chmod(0o555)
    yield folder / "audit.db"
    folder.chmod(0o700)
    shutil.rmtree(folder)


def test_a_log_on_a_medium_that_is_read_only_is_verified(backup: Path) -> None:
    assert as_somebody_else(lambda: verify(backup).size == ENTRIES and verify(backup).ok)


def as_if_unused(connection: apsw.Connection) -> None:
    """The column that tells the uses of an approval reads another member of the leaf."""
    connection.execute("PRAGMA writable_schema = 1")
    changed = "UPDATE sqlite_schema SET sql = replace(sql, '$.approval_id', '$.kid') WHERE name = 'entries'"
    connection.execute(changed)
    connection.execute("DROP INDEX entries_by_approval")


def index_that_hides(connection: apsw.Connection) -> None:
    """The index of runs lacks one, and its text says that it does not."""
    text = connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'entries_by_run'").get
    connection.execute(f"DROP INDEX entries_by_run; {text} AND run_id <> 'r'; PRAGMA writable_schema = 1")
    connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'entries_by_run'", (text,))


def view_that_hides(connection: apsw.Connection) -> None:
    """Shows all entries now, and not at another time."""
    connection.execute("ALTER TABLE entries RENAME TO kept")
    connection.execute("CREATE VIEW entries AS SELECT * FROM kept WHERE seq < 3 OR unixepoch() < 4e9")


@pytest.mark.parametrize("attack", [as_if_unused, index_that_hides, view_that_hides])
def test_what_would_show_other_entries_than_those_verified_is_noticed(
    filled: Path, attack: Callable[[apsw.Connection], None]
) -> None:
    connection = apsw.Connection(str(filled), vfs=checksum_vfs())
    attack(connection)
    connection.close()
    problem = verify(filled).problem
    assert problem is not None
    assert problem.code == "E_AUDIT_UNREADABLE"


def test_statistics_of_the_planner_are_no_damage(filled: Path) -> None:
    connection = apsw.Connection(str(filled), vfs=checksum_vfs())
    connection.execute("ANALYZE")
    connection.close()
    assert verify(filled).ok
