"""``sqlite:PATH``: the new rows of a table as messages, and messages as rows, a transaction a batch."""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
import msgspec

from byteor.edge.base import SinkEdge
from byteor.edge.errors import EdgeError, bad_argument
from byteor.edge.position_file import Positioned, PositionFile
from byteor.edge.spelling import Spelled
from byteor.errors import Exit
from byteor.runtime.adapter import Health

POLL_S = 0.05
BUSY_MS = 10  # how long one wait for another writer's lock lasts


def quoted(name: str) -> str:
    """An identifier as SQL has it; the doubled quote is the only escape that there is."""
    return '"' + name.replace('"', '""') + '"'


class SqliteSource(Positioned):
    """Rows in the order of their rowid, each once; a row changed or filled in later is not seen again.

    ``column`` gives the message; without it a row is a JSON object (a blob in base64). ``checkpoint`` is the
    rowid of the last message.
    """

    def __init__(
        self, path: str, table: str, column: str | None, follow: bool, checkpoint: str | None
    ) -> None:
        super().__init__(f"sqlite:{path}")
        self._path, self._table, self._column, self._follow = path, table, column, follow
        self._kept = None if checkpoint is None else PositionFile(checkpoint, f"{self.name}?table={table}")
        self._db: apsw.Connection | None = None
        self._query = ""
        self._names: list[str] = []
        self._rowid = -(1 << 63)

    def open(self) -> None:
        """Raises ``E_SOURCE_NOT_FOUND`` (file, table, column), ``E_SOURCE_UNREADABLE``, ``E_CHECKPOINT``."""
        if not Path(self._path).exists():
            raise _not_found("SOURCE", f"no such database: {self._path}")
        try:
            self._db = apsw.Connection(self._path, flags=apsw.SQLITE_OPEN_READONLY)
            self._db.set_busy_timeout(BUSY_MS)
            self._names = [str(row[1]) for row in self._rows(f"PRAGMA table_info({quoted(self._table)})")]
            self._check_names()
            wanted = [self._column] if self._column is not None else self._names
            self._query = (
                f"SELECT rowid, {', '.join(map(quoted, wanted))} FROM {quoted(self._table)} "
                "WHERE rowid > ? ORDER BY rowid LIMIT ?"
            )
            self._rows(self._query, (self._rowid, 0))
        except apsw.Error as error:
            raise EdgeError(
                "E_SOURCE_UNREADABLE",
                f"{self.name}: {error}",
                hint="name a table with rowids in a database that this user may read",
                exit=Exit.UNAVAILABLE,
            ) from error
        self._go_on()

    def _check_names(self) -> None:
        if not self._names:
            raise _not_found("SOURCE", f"{self._path} has no table {self._table}")
        if self._column is not None and self._column not in self._names:
            listed = ", ".join(self._names)
            raise _not_found("SOURCE", f"{self._table} has no column {self._column}, only {listed}")

    def _go_on(self) -> None:
        position = self._kept_position()
        if position is not None:
            if not isinstance(position, int):
                raise self._bad_position()
            self._rowid = position

    def _rows(self, query: str, values: tuple[int, ...] = ()) -> list[tuple[Any, ...]]:
        assert self._db is not None
        return list(self._db.execute(query, values))

    def read(self, max_messages: int, timeout_s: float) -> Sequence[bytes] | None:
        """Raises ``E_SOURCE_READ``. A database that a writer holds locked is waited for."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                rows = self._rows(self._query, (self._rowid, max_messages))
            except (apsw.BusyError, apsw.LockedError):
                self._counted["busy"] += 1
                rows = None
            except apsw.Error as error:
                raise EdgeError("E_SOURCE_READ", f"{self.name}: {error}") from error
            if rows:
                self._rowid = rows[-1][0]
                self._counted["messages"] += len(rows)
                return [self._message(row[1:]) for row in rows]
            if rows is not None and not self._follow:
                return None
            left = deadline - time.monotonic()
            if left <= 0:
                return []
            time.sleep(min(left, POLL_S))

    def _message(self, values: tuple[Any, ...]) -> bytes:
        if self._column is None:
            return msgspec.json.encode(
                {name: _plain(value) for name, value in zip(self._names, values, strict=True)}
            )
        value = values[0]
        if isinstance(value, bytes):
            return value
        return b"" if value is None else str(value).encode()

    def checkpoint(self) -> object:
        return self._rowid

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
        self._db = None
        super().close()

    def health(self) -> Health:
        return Health(ok=True, detail=self.told("following" if self._follow else "reading"))


def _plain(value: object) -> object:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


class SqliteSink(SinkEdge):
    """Each batch is one transaction: all of its rows are there, or none. A missing table is made.

    The message stands in ``column`` as text, or as a blob when it is no UTF-8.
    """

    def __init__(self, path: str, table: str, column: str) -> None:
        super().__init__(f"sqlite:{path}")
        self._path, self._table, self._column = path, table, column
        self._db: apsw.Connection | None = None
        self._insert = f"INSERT INTO {quoted(table)} ({quoted(column)}) VALUES (?)"

    def open(self) -> None:
        """Raises ``E_SINK_NOT_FOUND``, ``E_SINK_UNWRITABLE``."""
        path = Path(self._path)
        if not path.parent.is_dir():
            raise _not_found("SINK", f"no such folder for the sink: {path.parent}")
        try:
            path.touch(mode=0o600)  # SQLite would make it readable by others
            self._db = apsw.Connection(self._path)
            self._db.set_busy_handler(self._busy)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute(
                f"CREATE TABLE IF NOT EXISTS {quoted(self._table)} (id INTEGER PRIMARY KEY, "
                f"{quoted(self._column)} NOT NULL)"
            )
            self._db.execute(f"EXPLAIN {self._insert}", ("",))
        except (apsw.Error, OSError) as error:
            raise EdgeError(
                "E_SINK_UNWRITABLE",
                f"{self.name}: {error}",
                hint="name a database that this user may write, and a table with this column",
                exit=Exit.UNAVAILABLE,
            ) from error

    def _busy(self, tries: int) -> bool:
        """Called by SQLite while another connection holds the lock; False gives up."""
        self._counted["busy"] += 1
        return not self._cancelled.wait(BUSY_MS / 1000)

    def write(self, messages: Sequence[bytes | memoryview]) -> None:
        """Raises ``E_SINK_WRITE``, ``E_SINK_CANCELLED``; then no row of the batch is there."""
        assert self._db is not None
        self.check_cancelled()
        rows = [(_value(bytes(message)),) for message in messages]
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(self._insert, rows)
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except apsw.Error as error:
            self.check_cancelled()
            hint = "make room, or name another --sink" if isinstance(error, apsw.FullError) else None
            raise EdgeError("E_SINK_WRITE", f"{self.name}: {error}", hint=hint) from error
        self._counted["messages"] += len(rows)

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
        self._db = None

    def health(self) -> Health:
        return Health(ok=True, detail=self.told("writing"))


def _value(message: bytes) -> str | bytes:
    try:
        return message.decode()
    except UnicodeDecodeError:
        return message


def _not_found(end: str, why: str) -> EdgeError:
    code = "E_SOURCE_NOT_FOUND" if end == "SOURCE" else "E_SINK_NOT_FOUND"
    return EdgeError(code, why, hint="check the path, table= and column=", exit=Exit.NOT_FOUND)


def sqlite_source(spelled: Spelled) -> SqliteSource:
    return SqliteSource(
        *_path_and_table(spelled),
        spelled.string_or_none("column"),
        spelled.flag("follow"),
        spelled.string_or_none("checkpoint"),
    )


def sqlite_sink(spelled: Spelled) -> SqliteSink:
    return SqliteSink(*_path_and_table(spelled), spelled.string("column"))


def _path_and_table(spelled: Spelled) -> tuple[str, str]:
    if not spelled.argument:
        raise bad_argument(spelled.kind, spelled.usage, "the path is missing")
    if spelled.argument.startswith("file:") or spelled.argument == ":memory:":
        raise bad_argument(spelled.kind, spelled.usage, "a path, no URI and no :memory:")
    table = spelled.string_or_none("table")
    if table is None:
        raise bad_argument(spelled.kind, spelled.usage, "table= is missing")
    return spelled.argument, table
