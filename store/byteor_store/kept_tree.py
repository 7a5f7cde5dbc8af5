"""The tree as the database keeps it, and the checkpoints that sign it. The caller holds the transaction."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import apsw

from byteor.errors import Exit
from byteor_store.checkpoint import Checkpoint, CheckpointError, origin, read, sign
from byteor_store.errors import StoreError
from byteor_store.merkle import Frontier

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

HASH_BYTES = 32
CHECKPOINT_ENTRIES = 1_000
CHECKPOINT_AGE_NS = 60_000_000_000


class Signer(NamedTuple):
    """The log's own key, and the names that stand in the origin of its checkpoints."""

    key: Ed25519PrivateKey
    org: str | None = None
    project: str | None = None


def read_frontier(connection: apsw.Connection, path: Path) -> Frontier:
    """Size and frontier from the database. Raises ``StoreError`` when they do not fit each other."""
    row = connection.execute("SELECT size, frontier FROM log").fetchone()
    try:
        size, packed = row if row is not None else (-1, b"")
        hashes = [packed[at : at + HASH_BYTES] for at in range(0, len(packed), HASH_BYTES)]
        return Frontier(size, hashes)
    except ValueError as error:
        raise StoreError(
            "E_AUDIT_UNREADABLE",
            f"the tree in {path} is damaged: {error}",
            hint="byteor audit verify tells more; keep the file as evidence",
            exit=Exit.INVALID,
        ) from error


def sign_tree(connection: apsw.Connection, path: Path, signer: Signer) -> bytes:
    """The checkpoint of the tree as it is now, kept beside it. A tree is signed only once."""
    tree = read_frontier(connection, path)
    kept: Any = connection.execute("SELECT note FROM checkpoints WHERE size = ?", (tree.size,)).get
    if kept is not None:
        return bytes(kept)
    name = _origin(connection, signer)
    note = sign(Checkpoint(name, tree.size, tree.root()), signer.key)
    row = (tree.size, tree.root(), note, time.time_ns())
    connection.execute("INSERT INTO checkpoints (size, root, note, ts_unix_ns) VALUES (?, ?, ?, ?)", row)
    return note


def _origin(connection: apsw.Connection, signer: Signer) -> str:
    """The log's name: who knows no organisation goes on with the name that it has been signed by."""
    newest: Any = connection.execute("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1").get
    if signer.org is None and newest is not None:
        with contextlib.suppress(CheckpointError):
            return read(bytes(newest)).origin
    return origin(str(connection.execute("SELECT uuid FROM log").get), signer.org, signer.project)


def checkpoint_due(connection: apsw.Connection) -> bool:
    """Whether the newest checkpoint is 1,000 entries or 60 s old, or there is none."""
    newest: Any = connection.execute(
        "SELECT checkpoints.size, ts_unix_ns, log.size FROM log"
        " LEFT JOIN checkpoints ORDER BY checkpoints.size DESC LIMIT 1"
    ).fetchone()
    signed, signed_ns, size = newest
    if signed is None:
        return True
    age_ns = time.time_ns() - signed_ns
    # A clock that was set back must not keep the next checkpoint waiting.
    return size - signed >= CHECKPOINT_ENTRIES or not 0 <= age_ns < CHECKPOINT_AGE_NS
