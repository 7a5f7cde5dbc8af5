"""The audit log as a database for people who want to query or publish it. It proves nothing: the log does."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from byteor.atomic import sync_folder
from byteor.errors import ByteorError, Exit
from byteor_store import AuditLog, Row

BATCH = 1000


def export_db(log: Path, out: Path, *, bodies: bool) -> int:
    """Write every entry into the new database ``out``, mode 0600; how many there are.

    Tables ``entries`` (a leaf's members, its time, its hash) and, with ``bodies``, ``bodies`` (seq, JSON).
    Raises ``E_EXISTS`` (exit 6): nothing is overwritten.
    """
    import sqlite_utils

    check_target(out)
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    os.close(handle)
    try:
        # Only the copy is opened with this library: a second one on the live file would drop its locks.
        database = sqlite_utils.Database(name)
        with contextlib.closing(database.conn), AuditLog.observe(log) as source:
            count = _fill(database, source, bodies)
        with open(name, "rb") as file:  # noqa: PTH123
            os.fsync(file.fileno())
        Path(out).hardlink_to(name)
    except FileExistsError:
        raise _exists(out) from None
    finally:
        Path(name).unlink()
    sync_folder(out.parent)
    return count


def check_target(out: Path) -> None:
    """Raise ``E_EXISTS`` unless ``out`` may be made."""
    if os.path.lexists(out):
        raise _exists(out)


def _exists(out: Path) -> ByteorError:
    return ByteorError("E_EXISTS", f"{out} exists", hint="name another file", exit=Exit.CONFLICT)


def _fill(database: Any, source: AuditLog, bodies: bool) -> int:
    database["entries"].create({**dict.fromkeys(COLUMNS, str), "seq": int, "v": int}, pk="seq")
    if bodies:
        database["bodies"].create({"seq": int, "body": str}, pk="seq")
    count = 0
    for rows in _batches(source):
        count += len(rows)
        database["entries"].insert_all([_entry(row) for row in rows])
        if bodies:
            kept = [{"seq": row.leaf.seq, "body": row.body.decode()} for row in rows if row.body is not None]
            database["bodies"].insert_all(kept)
    for column in ("action", "run_id", "approval_id", "env", "ts"):
        database["entries"].create_index([column])
    return count


COLUMNS = (
    "seq", "ts", "action", "actor", "env", "run_id", "approval_id", "decision", "rule", "kid", "spec_hash",
    "body_digest", "boot_id", "ts_unix_ns", "leaf_hash", "v",
)  # fmt: skip


def _entry(row: Row) -> dict[str, Any]:
    leaf: dict[str, Any] = msgspec.to_builtins(row.leaf)
    seconds = int(row.leaf.ts_unix_ns) / 1e9
    ts = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {**leaf, "ts": ts, "leaf_hash": row.leaf_hash.hex()}


def _batches(source: AuditLog) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in source.rows():
        batch.append(row)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
