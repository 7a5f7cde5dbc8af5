"""The first look on several cores says the same as the walk, and concludes nothing where it is in doubt."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from byteor_store import Anchor, AuditLog, Event, parts, verify
from byteor_store.database import checksum_vfs
from byteor_store.merkle import Frontier

ENTRIES = 3000


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("state") / "state" / "audit.db"
    with AuditLog.open(path) as log:
        log.append_many(
            [Event(action="act", actor="user:op", body={"n": n} if n % 3 else None) for n in range(ENTRIES)]
        )
    return path


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The helpers' work is done in this process: the same function, without the start of interpreters."""

    def blocks(path: Path, whole: int, processes: int, meanwhile: Callable[[], object]) -> list[bytes] | None:
        meanwhile()
        found = [
            parts.block_roots(path, 0, whole // 512 * 256),
            parts.block_roots(path, whole // 512 * 256, whole),
        ]
        if None in found:
            return None
        data = b"".join(part or b"" for part in found)
        return [data[at : at + 32] for at in range(0, len(data), 32)]

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
    found = parts.walk_parts(path, connection, anchors, tree)
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
        connection = apsw.Connection(str(path), vfs=checksum_vfs())
        connection.execute("DROP TRIGGER entries_stay; DROP TRIGGER entries_remain; PRAGMA foreign_keys=OFF")
        connection.execute(sql)
        connection.close()

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
    assert parts.walk_parts(copy, connection, [], tree)
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
