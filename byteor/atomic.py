"""Files that are whole or absent, and folders that are ours alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from byteor.errors import ByteorError, Exit

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


def write_file(path: Path, data: bytes, *, mode: int = PRIVATE_FILE) -> None:
    """Replace ``path`` by ``data``: temp file in the same folder, fsync, rename, fsync of the folder.

    A reader sees the old file or the new one. Raises ``OSError`` and leaves nothing behind, and
    ``E_NOT_A_FILE`` when something else has that name: a rename would replace a device or a pipe.
    """
    if path.exists() and not path.is_file():
        raise ByteorError(
            "E_NOT_A_FILE", f"{path} is no regular file", hint="name a file to write", exit=Exit.USAGE
        )
    import tempfile  # here: with all that it imports it costs a worker process more than it is worth

    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk does not say which one
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename or unlink in ``folder`` durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def private_folder(folder: Path) -> Path:
    """``folder``, made 0700 with its parents when missing.

    Raises ``E_UNSAFE_FOLDER`` when it is a link, not a folder, another user's, or open to others: in a
    place like /tmp anyone could have made it first.
    """
    folder.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
    try:
        folder.mkdir(mode=PRIVATE_FOLDER)
        folder.chmod(PRIVATE_FOLDER)  # whatever the umask took away
    except FileExistsError:
        pass
    check_private_folder(folder)
    return folder


def check_private_folder(folder: Path) -> None:
    """Raise ``E_UNSAFE_FOLDER`` unless ``folder`` is a real folder of ours that others cannot write."""
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        why = "is not a folder"
    elif status.st_uid != os.geteuid():
        why = f"belongs to uid {status.st_uid}, not to us"
    elif status.st_mode & 0o022:
        why = f"can be written by others (mode {stat.S_IMODE(status.st_mode):04o})"
    else:
        return
    raise ByteorError(
        "E_UNSAFE_FOLDER",
        f"{folder} {why}",
        hint=f"remove it, or chmod 700 {folder} if it is yours",
        exit=Exit.UNAVAILABLE,
    )
