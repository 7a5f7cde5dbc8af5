"""Gate cells: one shared byte that every action looks at before it acts. Freeze and revocation close it.

A cell is a file of 64 bytes under $BYTEOR_STATE_DIR/gates/, mapped by whoever looks:

    0   magic "BYTEORGT"
    8   format version, u8 (1)
    12  state, u8: 0 open, 1 closed
    16  when it changed, Unix ns, u64 little-endian

The state is one byte, so that a look is one load and never half a change.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import struct
import tempfile
import time
from pathlib import Path

from byteor.atomic import PRIVATE_FILE, private_folder, sync_folder
from byteor.errors import ByteorError, Exit

MAGIC = b"BYTEORGT"
VERSION = 1
SIZE = 64
STATE_AT = 12
OPEN, CLOSED = 0, 1


def environment_gate(state: Path, environment_id: str) -> Path:
    """Where the cell of an environment lies: ids are anybody's text, file names are not."""
    digest = hashlib.sha256(environment_id.encode()).hexdigest()[:32]
    return state / "gates" / f"environment-{digest}.gate"


def approval_gate(state: Path, approval_id: str) -> Path:
    return state / "gates" / f"approval-{approval_id}.gate"


def make_gate(path: Path) -> None:
    """Make the cell, open, unless it is there; what it says is never changed, nor is the file replaced:
    somebody may have mapped it already."""
    folder = private_folder(private_folder(path.parent.parent) / path.parent.name)
    if path.exists():
        return
    handle, name = tempfile.mkstemp(dir=folder, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), PRIVATE_FILE)
            file.write(_content(OPEN).ljust(SIZE, b"\0"))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was quicker
            path.hardlink_to(name)
    finally:
        Path(name).unlink()
    sync_folder(folder)


def set_gate(path: Path, closed: bool) -> None:
    """Close or open the cell, in place, so that those who mapped it see it; made when missing."""
    make_gate(path)
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        with _mapped(handle, path, mmap.PROT_READ | mmap.PROT_WRITE) as cell:
            content = _content(CLOSED if closed else OPEN)
            cell[STATE_AT] = content[STATE_AT]
            cell[STATE_AT + 1 : len(content)] = content[STATE_AT + 1 :]
            cell.flush()
    finally:
        os.close(handle)


def _content(state: int) -> bytes:
    return struct.pack("<8sB3xB3xQ", MAGIC, VERSION, state, time.time_ns())


class Gate:
    """A cell to look at. Raises ``E_GATE`` unless the file is one: what cannot be seen is not open."""

    def __init__(self, path: Path) -> None:
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise _no_gate(path, error.strerror or str(error)) from None
        try:
            self._cell = _mapped(handle, path, mmap.PROT_READ)
        finally:
            os.close(handle)

    @property
    def closed(self) -> bool:
        return self._cell[STATE_AT] != OPEN

    def close(self) -> None:
        """Let go of the cell; its state stays."""
        self._cell.close()


def _mapped(handle: int, path: Path, protection: int) -> mmap.mmap:
    status = os.fstat(handle)
    if status.st_size != SIZE or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise _no_gate(path, "it is not a cell that only we can write")
    cell = mmap.mmap(handle, SIZE, mmap.MAP_SHARED, protection)
    if cell[:9] != MAGIC + bytes([VERSION]):
        cell.close()
        raise _no_gate(path, "it has another format")
    return cell


def _no_gate(path: Path, why: str) -> ByteorError:
    hint = "remove it when nothing runs; the next run makes it again"
    return ByteorError("E_GATE", f"cannot use the gate cell {path}: {why}", hint=hint, exit=Exit.REFUSED)
