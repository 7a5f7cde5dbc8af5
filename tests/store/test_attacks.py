"""Eight attacks by somebody who can write audit.db and knows its format: one witness notices them all.

The witness is a (size, root) that was noted elsewhere before the attack. The attacker has the log's own key
where an attack says so; nobody has the witness's paper.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
from tampering import anchor, edit, recompute, tampered

from byteor_store import AuditLog, Event, Signer, verify
from byteor_store.log_key import load_key, make_key

ENTRIES = 30


def write(path: Path, count: int, word: str = "act") -> None:
    with AuditLog.open(path, Signer(make_key(path))) as log:
        for number in range(count):
            log.append(Event(action=word, actor="user:op", body={"n": number}), seal=number % 5 == 4)


@pytest.fixture
def filled(path: Path) -> Path:
    path.parent.mkdir(mode=0o700)
    write(path, ENTRIES)
    return path


def cover(connection: apsw.Connection) -> None:
    """The tree fits again, and no checkpoint tells otherwise."""
    recompute(connection)
    connection.execute("DELETE FROM checkpoints")


def edit_a_leaf(path: Path, copy: Path) -> None:
    with tampered(path) as connection:
        edit(connection)


def edit_and_recompute(path: Path, copy: Path) -> None:
    with tampered(path) as connection:
        edit(connection)
        cover(connection)


def delete_and_recompute(path: Path, copy: Path) -> None:
    with tampered(path) as connection:
        connection.execute("DELETE FROM bodies WHERE seq = 4; DELETE FROM entries WHERE seq = 4")
        for seq in range(5, ENTRIES + 5):
            moved = f"CAST(replace(CAST(leaf AS TEXT), '\"seq\":{seq},', '\"seq\":{seq - 1},') AS BLOB)"
            connection.execute(f"UPDATE entries SET leaf = {moved}, seq = {seq - 1} WHERE seq = {seq}")
            connection.execute(f"UPDATE bodies SET seq = {seq - 1} WHERE seq = {seq}")
        cover(connection)


def swap_and_recompute(path: Path, copy: Path) -> None:
    with tampered(path) as connection:
        for source, target in ((3, 99), (4, 3), (99, 4)):
            moved = f"CAST(replace(CAST(leaf AS TEXT), '\"seq\":{source},', '\"seq\":{target},') AS BLOB)"
            connection.execute(f"UPDATE entries SET leaf = {moved}, seq = {target} WHERE seq = {source}")
            connection.execute(f"UPDATE bodies SET seq = {target} WHERE seq = {source}")
        cover(connection)


def truncate(path: Path, copy: Path) -> None:
    with tampered(path) as connection:
        connection.execute("DELETE FROM bodies WHERE seq >= 20; DELETE FROM entries WHERE seq >= 20")
        cover(connection)


def roll_back(path: Path, copy: Path) -> None:
    """Rows and checkpoints together: the whole folder as it was an hour ago."""
    for name in path.parent.glob("audit.db*"):
        name.unlink()
    for name in copy.glob("audit.db*"):
        shutil.copy2(name, path.parent)


def rewrite_and_sign_again(path: Path, copy: Path) -> None:
    """With the stolen log key: every signature is good."""
    edit_and_recompute(path, copy)
    key = load_key(path)
    assert key is not None
    with AuditLog.open(path, Signer(key)) as log:
        log.write_checkpoint(Signer(key))


def start_afresh(path: Path, copy: Path) -> None:
    for name in path.parent.glob("audit.db*"):
        name.unlink()
    write(path, ENTRIES, "harmless")


EIGHT = [
    edit_a_leaf, edit_and_recompute, delete_and_recompute, swap_and_recompute, truncate, roll_back,
    rewrite_and_sign_again, start_afresh,
]  # fmt: skip
UNNOTICED_ALONE = {
    edit_and_recompute, delete_and_recompute, swap_and_recompute, truncate, roll_back,
    rewrite_and_sign_again, start_afresh,
}  # fmt: skip


@pytest.mark.parametrize("attack", EIGHT, ids=lambda attack: attack.__name__)
def test_one_witness_notices_the_attack(
    filled: Path, tmp_path: Path, attack: Callable[[Path, Path], None]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(filled.parent, copy)
    write(filled, 5)
    seen = anchor(filled)
    key = make_key(filled).public_key()
    assert verify(filled, [seen], key).ok
    attack(filled, copy)
    assert verify(filled).ok is (attack in UNNOTICED_ALONE)  # so the witness is what notices
    problem = verify(filled, [seen], key).problem
    assert problem is not None
    assert problem.code in ("E_LEAF_HASH", "E_ROOT", "E_ROLLBACK", "E_SEQ_GAP")
