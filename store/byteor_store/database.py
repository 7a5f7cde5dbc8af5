"""Opening ``audit.db``: which SQLite, which pragmas, whose file. Knows nothing of what is stored.

Never open the file with another SQLite library (Python's ``sqlite3``) in the same process: closing that
handle drops the POSIX locks that this one relies on.
"""

from __future__ import annotations

import functools
import os
import stat
from pathlib import Path

import apsw
import apsw.sqlite_extra

from byteor.atomic import private_folder
from byteor.errors import Exit
from byteor_store.at_rest import is_about_side_files, open_at_rest
from byteor_store.errors import StoreError

OLDEST_SQLITE = (3, 51, 3)  # first with the fix of the WAL-reset corruption
BUSY_MS = 5_000
CHECKSUM_BYTES = 8  # at the end of each page, for the checksum VFS
CHECKSUM_VFS = "cksmvfs"
RESERVED_AT = 20  # offset of the reserved-bytes field in a database header


def sqlite_version(text: str | None = None) -> tuple[int, ...]:
    return tuple(int(part) for part in (text or apsw.sqlite_lib_version()).split("."))


def refuse_old_sqlite(version: tuple[int, ...]) -> None:
    if version < OLDEST_SQLITE:
        raise StoreError(
            "E_SQLITE_VERSION",
            f"SQLite {'.'.join(map(str, version))} can corrupt a log that several processes write",
            hint=f"install apsw {'.'.join(map(str, OLDEST_SQLITE))} or newer",
        )


@functools.cache
def checksum_vfs() -> str | None:
    """The name of the page-checksum VFS, or None where apsw was built without it."""
    if not apsw.sqlite_extra.has("cksumvfs"):
        return None
    connection = apsw.Connection(":memory:")
    try:
        apsw.sqlite_extra.load(connection, "cksumvfs")
    finally:
        connection.close()
    return CHECKSUM_VFS


def open_for_writing(path: Path) -> apsw.Connection:
    """A connection that appends: WAL, synchronous=FULL, page checksums, 0600 in a 0700 folder.

    Raises ``StoreError``; also ``E_AUDIT_UNREADABLE`` for a file of another user or open to others.
    """
    refuse_old_sqlite(sqlite_version())
    private_folder(path.parent)
    _create_private(path)
    reserved = _reserved_bytes(path)  # None: still empty, so its shape is ours to choose
    vfs = checksum_vfs() if reserved in (None, CHECKSUM_BYTES) else None
    if vfs is None and reserved == CHECKSUM_BYTES:
        raise StoreError(
            "E_SQLITE_VERSION",
            f"{path} has page checksums, and this apsw cannot write them",
            hint="install apsw from its wheel: it brings the checksum extension",
        )
    connection = _connect(path, apsw.SQLITE_OPEN_READWRITE, vfs)
    try:
        if vfs is not None and reserved is None:
            connection.reserve_bytes(reserve=CHECKSUM_BYTES)
        make_durable(connection)
    except apsw.Error as error:
        connection.close()
        raise translated(error, path) from error
    return connection


def make_durable(connection: apsw.Connection) -> None:
    """What a log's writer is configured with; the power-failure simulation uses the same."""
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "FULL")
    connection.pragma("secure_delete", True)
    connection.pragma("foreign_keys", True)


def open_for_reading(path: Path) -> apsw.Connection:
    """A read-only connection that sees a log while it is being written.

    Raises ``E_AUDIT_NOT_FOUND`` or ``E_AUDIT_UNREADABLE``.
    """
    refuse_old_sqlite(sqlite_version())
    try:
        reserved = _reserved_bytes(path)
    except FileNotFoundError as error:
        raise StoreError(
            "E_AUDIT_NOT_FOUND",
            f"no audit log at {path}",
            hint="it begins with the first run; BYTEOR_STATE_DIR names another place",
            exit=Exit.NOT_FOUND,
        ) from error
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    if reserved is None and path.is_file() and path.stat().st_size == 0:
        raise _not_begun(path)
    if reserved is None:
        raise _unreadable(path, "it is no SQLite database")
    vfs = checksum_vfs() if reserved == CHECKSUM_BYTES else None
    connection = _connect(path, apsw.SQLITE_OPEN_READONLY, vfs)
    try:
        begun = _has_tables(connection)
    except apsw.Error as error:
        connection.close()
        if not is_about_side_files(error):
            raise translated(error, path) from error
        try:
            connection = open_at_rest(path, vfs)
            begun = _has_tables(connection)
        except apsw.Error as refused:
            raise translated(refused, path) from refused
    if not begun:
        connection.close()
        raise _not_begun(path)
    return connection


def _has_tables(connection: apsw.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_schema").fetchone() is not None


def translated(error: apsw.Error, path: Path) -> StoreError:
    """An SQLite error in the words of the house."""
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return StoreError(
            "E_AUDIT_BUSY",
            f"{path} was locked for {BUSY_MS // 1000} s by another process",
            hint="look for a process that holds it: fuser -v audit.db",
        )
    if isinstance(error, apsw.NotADBError | apsw.CorruptError):
        return _unreadable(path, str(error))
    if getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_DATA:
        return _unreadable(path, "a page does not match its checksum")
    if isinstance(error, apsw.CantOpenError | apsw.ReadOnlyError | apsw.FullError | apsw.IOError):
        return StoreError(
            "E_AUDIT_WRITE",
            f"cannot write {path}: {error}",
            hint="check the disk's space and that the folder is yours and writable",
        )
    return StoreError("E_AUDIT_WRITE", f"{path}: {type(error).__name__}: {error}")


def _connect(path: Path, mode: int, vfs: str | None) -> apsw.Connection:
    try:
        connection = apsw.Connection(str(path), flags=mode, vfs=vfs)
        connection.set_busy_timeout(BUSY_MS)
    except apsw.Error as error:
        raise translated(error, path) from error
    return connection


def _create_private(path: Path) -> None:
    """Make an empty file of mode 0600 (SQLite gives its side files the same).

    Raises ``E_AUDIT_UNREADABLE`` for one that is not a plain file of ours alone.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise _unreadable(path, "it is not a plain file") from None
        if status.st_uid != os.geteuid():
            raise _unreadable(path, f"it belongs to uid {status.st_uid}") from None
        if status.st_mode & 0o077:
            raise _unreadable(path, "others may read or write it", f"chmod 600 {path}") from None
        return
    except OSError as error:
        why = error.strerror or str(error)
        raise StoreError(
            "E_AUDIT_WRITE", f"cannot make {path}: {why}", hint="check the folder's owner and mode"
        ) from error
    os.fchmod(handle, 0o600)
    os.close(handle)


def _reserved_bytes(path: Path) -> int | None:
    """The header's reserved bytes a page; None for an empty file or what is no SQLite database."""
    with path.open("rb") as file:
        header = file.read(RESERVED_AT + 1)
    return (
        header[RESERVED_AT] if len(header) > RESERVED_AT and header.startswith(b"SQLite format 3\0") else None
    )


def _not_begun(path: Path) -> StoreError:
    """A process that is killed while it makes the log leaves a file without entries, or without tables."""
    return StoreError(
        "E_AUDIT_NOT_FOUND",
        f"the audit log at {path} is empty",
        hint="whoever made it was stopped before the first entry; the next run begins it",
        exit=Exit.NOT_FOUND,
    )


def _unreadable(path: Path, why: str, hint: str | None = None) -> StoreError:
    return StoreError(
        "E_AUDIT_UNREADABLE", f"cannot read the audit log {path}: {why}", hint=hint, exit=Exit.INVALID
    )
