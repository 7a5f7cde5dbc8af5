"""Somebody who may write the audit log's file, knows its format, and drops our guards first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from byteor_store import Anchor, AuditLog
from byteor_store.database import checksum_vfs
from byteor_store.merkle import Frontier, leaf_hash


def anchor(path: Path) -> Anchor:
    """What a witness notes of the log."""
    with AuditLog.observe(path) as log:
        tree = log.tree()
    return Anchor(tree.size, tree.root())


@contextmanager
def tampered(path: Path) -> Iterator[apsw.Connection]:
    connection = apsw.Connection(str(path), vfs=checksum_vfs())
    try:
        connection.execute("DROP TRIGGER entries_stay; DROP TRIGGER entries_remain; PRAGMA foreign_keys=OFF")
        with connection:  # one transaction
            yield connection
    finally:
        connection.close()


def edit(connection: apsw.Connection) -> None:
    """Another actor in entry 4."""
    changed = "CAST(replace(CAST(leaf AS TEXT), 'user:op', 'user:me') AS BLOB)"
    connection.execute(f"UPDATE entries SET leaf = {changed} WHERE seq = 4")


def recompute(connection: apsw.Connection) -> None:
    """Make all hashes and the tree fit the leaves again."""
    frontier = Frontier()
    for seq, leaf in connection.execute("SELECT seq, leaf FROM entries ORDER BY seq").fetchall():
        hashed = leaf_hash(leaf)
        frontier.append(hashed)
        connection.execute("UPDATE entries SET leaf_hash = ? WHERE seq = ?", (hashed, seq))
    connection.execute("UPDATE log SET size = ?, frontier = ?", (frontier.size, b"".join(frontier.hashes)))
