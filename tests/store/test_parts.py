"""The first look on several cores says the same as the walk, and concludes nothing where it is in doubt."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
from tampering import tampered

from byteor_store import Anchor, AuditLog, Event, parts, verify
from byteor_store.database import checksum_vfs
from byteor_store.indexes import PRODUCT_BYTES, Products, _product, agree, shown
from byteor_store.merkle import Frontier
from byteor_store.migrations import MIGRATIONS, migrate

ENTRIES = 3000
SHAPE = MIGRATIONS[-1].version


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("state") / "state" / "audit.db"
    with AuditLog.open(path) as log:
        log.append_many([event(n) for n in range(ENTRIES)])
    return path


def event(n: int) -> Event:
    """Some have a body, some are a run's, some an approval's, some about an incident."""
    return Event(
        action="act" if n % 7 else "incident_opened",
        actor="user:op",
        run_id=f"r{n % 4}" if n % 5 else None,
        approval_id=f"a{n % 3}" if n % 2 else None,
        body={"n": n} if n % 3 else None,
    )


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The helpers' work is done in this process: the same function, without the start of interpreters."""

    def blocks(
        path: Path, whole: int, processes: int, products: Products, look: Callable[[], object]
    ) -> list[bytes] | None:
        look()
        middle = whole // 512 * 256
        found = [parts.range_of(path, *part, products.secret) for part in ((0, middle), (middle, whole))]
        return None if None in found else parts.joined([part or b"" for part in found], whole, products)

    monkeypatch.setattr(parts, "_blocks", blocks)


@pytest.fixture
def copy(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(parts, "WORTH_IT", 100)
    shutil.copytree(filled.parent, tmp_path / "state")
    return tmp_path / "state" / "audit.db"


def root_of(path: Path, size: int) -> Anchor:
    tree = Frontier()
    with AuditLog.observe(path) as log:
        tree.extend(log.leaf_hashes(size))
    return Anchor(size, tree.root())


def look(path: Path, anchors: list[Anchor]) -> tuple[bool, Frontier]:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY, vfs=checksum_vfs())
    tree = Frontier()
    found = parts.walk_parts(path, connection, anchors, tree, SHAPE)
    connection.close()
    return found, tree


def test_the_first_look_grows_the_same_tree_and_meets_every_anchor(copy: Path) -> None:
    anchors = [root_of(copy, size) for size in (1, 255, 256, 257, 1000, 2048, 2999, 3000)]
    found, tree = look(copy, anchors)
    assert found
    assert (tree.size, tree.root()) == (ENTRIES, anchors[-1].root)
    assert verify(copy, anchors).ok


def test_a_helper_that_finds_something_odd_says_so_by_its_exit(copy: Path) -> None:
    tamper("UPDATE bodies SET body = zeroblob(9) WHERE seq = 2000")(copy)
    assert not look(copy, [])[0]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("size", [1, 256, 2999, 3000])
def test_an_anchor_of_another_log_is_for_the_walk_to_tell(copy: Path, size: int) -> None:
    anchors = [Anchor(size, bytes(32))]
    found, tree = look(copy, anchors)
    assert (found, tree.size) == (False, 0)
    problem = verify(copy, anchors).problem
    assert problem is not None
    assert (problem.code, problem.seq) == ("E_ROOT", 0)


def tamper(sql: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with tampered(path) as connection:
            connection.execute(sql)

    return change


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("sql", "code", "seq"),
    [
        ("UPDATE entries SET leaf = CAST('{}' AS BLOB) WHERE seq = 1500", "E_LEAF_HASH", 1500),
        ("UPDATE entries SET leaf_hash = zeroblob(32) WHERE seq = 2990", "E_LEAF_HASH", 2990),
        ("UPDATE bodies SET body = zeroblob(9) WHERE seq = 1", "E_LEAF_HASH", 1),
        ("DELETE FROM bodies WHERE seq = 700", "E_LEAF_HASH", 700),
        ("DELETE FROM bodies WHERE seq=700; DELETE FROM entries WHERE seq = 700", "E_SEQ_GAP", 700),
        ("DELETE FROM bodies WHERE seq>=2816; DELETE FROM entries WHERE seq >= 2816", "E_TRUNCATED", 2816),
    ],
)
def test_what_is_wrong_is_told_as_the_walk_tells_it(copy: Path, sql: str, code: str, seq: int) -> None:
    tamper(sql)(copy)
    assert not look(copy, [])[0]
    problem = verify(copy).problem
    assert problem is not None
    assert (problem.code, problem.seq) == (code, seq)


@pytest.mark.usefixtures("here")
def test_an_erased_body_is_for_the_walk_which_finds_it_right(copy: Path) -> None:
    with AuditLog.open(copy) as log:
        log.erase_body(1000)
    assert not look(copy, [])[0]
    assert verify(copy).ok


@pytest.mark.usefixtures("here")
def test_entries_that_come_meanwhile_are_none_of_its_business(copy: Path) -> None:
    connection = apsw.Connection(str(copy), flags=apsw.SQLITE_OPEN_READONLY, vfs=checksum_vfs())
    connection.execute("BEGIN; SELECT size FROM log")
    with AuditLog.open(copy) as log:
        log.append_many([Event(action="late", actor="user:op")] * 500)
    tree = Frontier()
    assert parts.walk_parts(copy, connection, [], tree, SHAPE)
    assert tree.size == ENTRIES
    connection.close()


@pytest.mark.parametrize("seq", [-1, ENTRIES + 5])
def test_an_entry_outside_of_all_ranges_is_noticed(copy: Path, seq: int) -> None:
    tamper(
        f"INSERT INTO entries (seq, leaf, leaf_hash) SELECT {seq}, leaf, leaf_hash FROM entries WHERE seq = 7"
    )(copy)
    assert not look(copy, [])[0]
    problem = verify(copy).problem
    assert problem is not None
    assert problem.code == "E_SEQ_GAP"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("index", ["entries_by_run", "entries_by_approval", "entries_of_incidents"])
@pytest.mark.parametrize(
    ("was", "made"),
    [
        ("WHERE ", "WHERE seq <> 1001 AND "),  # one of its own is not shown
        ("run_id, seq", "iif(seq = 1001, 'other', run_id), seq"),  # under another run
        ("approval_id, seq", "iif(seq = 1001, 'other', approval_id), seq"),
        ("run_id, seq", "coalesce(run_id, 'r1'), seq) --"),  # more than its own
        ("run_id, seq", "run_id, seq DESC"),  # a search would end too early
        ("run_id, seq", "run_id, seq - 9000"),  # a search behind an entry would find none
        ("approval_id, seq", "approval_id, seq - 9000"),
        ("(seq)", "(seq - 9000)"),
    ],
)
def test_an_index_that_shows_others_than_its_text_says_is_noticed(
    copy: Path, index: str, was: str, made: str
) -> None:
    connection = apsw.Connection(str(copy), vfs=checksum_vfs())
    text = str(connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (index,)).get)
    if was not in text:
        connection.close()
        return
    connection.execute(f"DROP INDEX {index}; {text.replace(was, made)}")
    connection.execute("PRAGMA writable_schema = 1")
    connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (text, index))
    connection.close()
    assert not look(copy, [])[0]
    problem = verify(copy).problem
    assert problem is not None
    assert problem.code == "E_AUDIT_UNREADABLE"


@pytest.mark.parametrize("version", [1, 2, 3])
def test_an_older_log_is_compared_with_the_indexes_that_it_has(tmp_path: Path, version: int) -> None:
    connection = apsw.Connection(str(tmp_path / "old.db"))
    migrate(connection, tmp_path / "old.db", upto=version)
    found = shown(connection, version, b"secret")
    assert [one is not None for one in found] == [True, version >= 3, False]
    connection.close()


def test_a_pair_that_is_not_where_it_must_be_is_no_product_and_products_join_whole() -> None:
    """A log whose entries no index must show has the product 1: a lost pair must not look like it."""
    due = Products(b"secret")
    assert agree((1, None, None), due)
    assert not agree((_product([("r1", None)], due.base), None, None), due)
    key_of_nobody = apsw.Connection(":memory:").execute("SELECT CAST(x'ff' AS TEXT), 0")
    assert not agree((_product(key_of_nobody, due.base), None, None), due)
    with pytest.raises(ValueError, match="zip"):
        agree((1,), due)
    with pytest.raises(ValueError, match="zip"):
        due.join(bytes(PRODUCT_BYTES))
