"""Reading a log beside which SQLite cannot make its side files: on a full disk, or where we may not write.

Then no reader can keep a writer from changing the file under it. So either nobody can write it (a folder
that is not writable, nothing in a side file), or what is read is a copy, elsewhere, of which it is sure that
nobody changed the log meanwhile.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path

import apsw

from byteor.errors import Exit
from byteor_store.errors import StoreError

WAL_HEADER_BYTES = 32  # with the salts that change whenever it begins anew
TRIES = 20
PAUSE_S = 0.05
# Of I/O errors those of the side files; anything else may be the log's own.
SIDE_ERRORS = frozenset(
    (
        apsw.SQLITE_IOERR_SHMOPEN,
        apsw.SQLITE_IOERR_SHMSIZE,
        apsw.SQLITE_IOERR_SHMLOCK,
        apsw.SQLITE_IOERR_SHMMAP,
        apsw.SQLITE_IOERR_WRITE,
    )
)


def is_about_side_files(error: apsw.Error) -> bool:
    if isinstance(error, apsw.CantOpenError | apsw.ReadOnlyError | apsw.FullError):
        return True
    return getattr(error, "extendedresult", 0) in SIDE_ERRORS


def open_at_rest(path: Path, vfs: str | None) -> apsw.Connection:
    """Raises ``apsw.Error``, ``StoreError`` ``E_AUDIT_BUSY`` or ``E_AUDIT_UNREADABLE``."""
    if not os.access(path.parent, os.W_OK) and not _first_bytes(_wal(path), 1):
        return _connect(path, "?immutable=1", vfs)
    folder = _folder_for(path)
    try:
        copy = folder / path.name
        _copy(path, copy)
        connection = _connect(copy, "", vfs)
        try:
            connection.execute("SELECT 1 FROM sqlite_schema").fetchall()  # opens its side files too
        except apsw.Error:
            connection.close()
            raise
        return connection
    except OSError as error:
        raise _nowhere(path, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # what is open stays readable


def _connect(path: Path, query: str, vfs: str | None) -> apsw.Connection:
    uri = f"{path.resolve().as_uri()}{query}"
    return apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI, vfs=vfs)


def _folder_for(path: Path) -> Path:
    """A new folder with room for a copy and its side files: the temporary one may be on the full disk too."""
    need = 2 * sum(one.stat().st_size for one in (path, _wal(path)) if one.exists()) + (1 << 20)
    refused: OSError = FileNotFoundError("no temporary folder")
    for place in (None, "/dev/shm"):
        try:
            folder = Path(tempfile.mkdtemp(prefix="byteor-audit-", dir=place))
            if shutil.disk_usage(folder).free >= need:
                return folder
            folder.rmdir()
            refused = OSError(f"{folder.parent} has no {need >> 20} MiB left")
        except OSError as error:
            refused = error
    raise _nowhere(path, refused)


def _copy(path: Path, copy: Path) -> None:
    """Copy the log and its WAL. They belong together when, from before the first byte of the log was read
    until after it was read once more, the log stayed the same and the WAL did not begin anew: what was added
    to it meanwhile is whole or, as after a crash, passed over.
    """
    for _ in range(TRIES):
        began = _first_bytes(_wal(path), WAL_HEADER_BYTES)
        shutil.copyfile(path, copy)
        if began:
            shutil.copyfile(_wal(path), _wal(copy))
        if _digest(path) == _digest(copy) and _first_bytes(_wal(path), WAL_HEADER_BYTES) == began:
            return
        _wal(copy).unlink(missing_ok=True)
        time.sleep(PAUSE_S)
    raise StoreError(
        "E_AUDIT_BUSY",
        f"{path} changes while it is copied, and SQLite cannot make its side files there",
        hint="free space on its disk, or read it where its folder can be written",
    )


def _wal(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _first_bytes(path: Path, count: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(count)
    except FileNotFoundError:
        return b""


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _nowhere(path: Path, error: OSError) -> StoreError:
    return StoreError(
        "E_AUDIT_UNREADABLE",
        f"cannot read the audit log {path}: SQLite cannot make its side files there, nor can it be "
        f"copied elsewhere: {error.strerror or error}",
        hint="free space, or set TMPDIR to a folder with room for a copy",
        exit=Exit.INVALID,
    )
