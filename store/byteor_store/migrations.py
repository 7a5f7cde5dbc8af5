"""The database's shape, as the list of steps that lead to it. A step, once released, is never changed."""

from __future__ import annotations

import functools
import time
import uuid
from pathlib import Path
from typing import NamedTuple

import apsw

from byteor_store.errors import StoreError


class Migration(NamedTuple):
    """One step: its number, its name, and the SQL that does it."""

    version: int
    name: str
    sql: str


MIGRATIONS = (
    Migration(
        1,
        "audit log",
        """
        CREATE TABLE log (
            id INTEGER PRIMARY KEY CHECK (id = 0),
            uuid TEXT NOT NULL,
            size INTEGER NOT NULL CHECK (size >= 0),
            frontier BLOB NOT NULL                    -- 32 bytes for each set bit of size
        ) STRICT;
        CREATE TABLE entries (
            seq INTEGER PRIMARY KEY,
            leaf BLOB NOT NULL,                       -- RFC 8785 text
            leaf_hash BLOB NOT NULL CHECK (length(leaf_hash) = 32),
            -- taken from the leaf, so that the two cannot differ
            run_id TEXT GENERATED ALWAYS AS (json_extract(CAST(leaf AS TEXT), '$.run_id')) VIRTUAL
        ) STRICT;
        CREATE INDEX entries_by_run ON entries (run_id, seq) WHERE run_id IS NOT NULL;
        CREATE TABLE bodies (
            seq INTEGER PRIMARY KEY REFERENCES entries (seq),
            salt BLOB NOT NULL CHECK (length(salt) = 32),
            body BLOB NOT NULL
        ) STRICT;
        -- A guard against our own mistakes; the Merkle tree is what notices an intruder's.
        CREATE TRIGGER entries_stay BEFORE UPDATE ON entries
            BEGIN SELECT RAISE(ABORT, 'audit entries are never changed'); END;
        CREATE TRIGGER entries_remain BEFORE DELETE ON entries
            BEGIN SELECT RAISE(ABORT, 'audit entries are never deleted'); END;
        """,
    ),
    Migration(
        2,
        "checkpoints",
        """
        CREATE TABLE checkpoints (
            size INTEGER PRIMARY KEY,
            root BLOB NOT NULL CHECK (length(root) = 32),
            note BLOB NOT NULL,                       -- the signed note as published
            ts_unix_ns INTEGER NOT NULL
        ) STRICT;
        """,
    ),
    Migration(
        3,
        "entries by approval and by action",
        """
        ALTER TABLE entries ADD COLUMN
            approval_id TEXT GENERATED ALWAYS AS (json_extract(CAST(leaf AS TEXT), '$.approval_id')) VIRTUAL;
        ALTER TABLE entries ADD COLUMN
            action TEXT GENERATED ALWAYS AS (json_extract(CAST(leaf AS TEXT), '$.action')) VIRTUAL;
        -- A run counts the uses of its approval, however long the log is.
        CREATE INDEX entries_by_approval ON entries (approval_id, seq) WHERE approval_id IS NOT NULL;
        """,
    ),
    Migration(
        4,
        "entries about incidents",
        """
        -- Incidents are told by their entries; finding those must not read the whole log.
        CREATE INDEX entries_of_incidents ON entries (seq) WHERE action GLOB 'incident_*';
        """,
    ),
)


def migrate(connection: apsw.Connection, path: Path, upto: int | None = None) -> None:
    """Bring the database to the newest shape, in one transaction that other processes wait for.

    Raises ``StoreError`` ``E_AUDIT_VERSION`` when a newer program has written it.
    """
    steps = [step for step in MIGRATIONS if upto is None or step.version <= upto]
    if shape(connection) == steps[-1].version:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        done = shape(connection)  # again, under the lock: another process may have been quicker
        refuse_newer(done, path)
        if done == 0:
            connection.execute(
                "CREATE TABLE migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL,"
                " applied_unix_ns INTEGER NOT NULL) STRICT"
            )
        for step in steps:
            if step.version > done:
                connection.execute(step.sql)
                row = (step.version, step.name, time.time_ns())
                connection.execute("INSERT INTO migrations VALUES (?, ?, ?)", row)
        if done == 0:
            connection.execute("INSERT INTO log VALUES (0, ?, 0, ?)", (str(uuid.uuid4()), b""))
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def refuse_newer(version: int, path: Path) -> None:
    if version > MIGRATIONS[-1].version:
        raise StoreError(
            "E_AUDIT_VERSION",
            f"{path} has the shape {version} of a newer program; this one knows {MIGRATIONS[-1].version}",
            hint="use the newer byteor; an audit log is never converted back",
        )


def shape(connection: apsw.Connection) -> int:
    """The newest step that was done; 0 for a database that is no audit log."""
    exists = "SELECT 1 FROM sqlite_schema WHERE name = 'migrations'"
    if connection.execute(exists).fetchone() is None:
        return 0
    newest = connection.execute("SELECT max(version) FROM migrations").get
    return int(newest or 0)


class Made(NamedTuple):
    """A table, index, trigger or view as SQLite keeps it."""

    kind: str
    name: str
    table: str
    sql: str | None


def schema_of(connection: apsw.Connection) -> frozenset[Made]:
    """Everything that the database is made of, but the statistics of ANALYZE, which change no answer."""
    query = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT GLOB 'sqlite_stat[0-9]'"
    return frozenset(Made(*row) for row in connection.execute(query))


@functools.cache
def expected_schema(version: int) -> frozenset[Made]:
    """What the steps up to ``version`` (from 1) make."""
    connection = apsw.Connection(":memory:")
    try:
        migrate(connection, Path(":memory:"), upto=version)
        return schema_of(connection)
    finally:
        connection.close()
