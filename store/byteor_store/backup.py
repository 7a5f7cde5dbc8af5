"""Copies of a log, and putting one back: the entry ``restore`` says what was lost, and is signed.

A log that was restored lacks entries that witnesses have seen. What tells it from one that was rolled back
is that it says so itself, under its own key.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import apsw

from byteor.atomic import private_folder, sync_folder
from byteor.errors import Exit
from byteor_store.audit import AuditLog
from byteor_store.database import checksum_vfs, open_for_reading, translated
from byteor_store.errors import StoreError
from byteor_store.kept_tree import Signer
from byteor_store.leaf import Event, current_actor
from byteor_store.merkle import Frontier
from byteor_store.verify import Verdict, verify

RESTORE = "restore"
SIDE_FILES = ("", "-wal", "-shm")


def backup(log: Path, out: Path) -> Frontier:
    """Copy the log, as it is at one moment, into the new file ``out`` (0600); the tree of the copy.

    It may be written meanwhile. Raises ``E_AUDIT_EXISTS`` when there is such a file, ``StoreError``.
    """
    check_out(out)
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    os.close(handle)
    try:
        source = open_for_reading(log)
        try:
            copy = apsw.Connection(name, vfs=checksum_vfs())
            try:
                with copy.backup("main", source, "main") as step:
                    step.step(-1)
                copy.pragma("journal_mode", "delete")  # one file, nothing beside it
            finally:
                copy.close()
        except apsw.Error as error:
            raise translated(error, log) from error
        finally:
            source.close()
        with open(name, "rb") as file:  # noqa: PTH123
            os.fsync(file.fileno())
        with AuditLog.observe(Path(name)) as made:
            tree = made.tree()
        try:
            out.hardlink_to(name)
        except FileExistsError:
            raise _exists(out) from None
    finally:
        for side in ("", "-wal", "-shm", "-journal"):
            Path(name + side).unlink(missing_ok=True)
    sync_folder(out.parent)
    return tree


def check_out(out: Path) -> None:
    """Raise ``E_AUDIT_EXISTS`` unless ``out`` may be made."""
    if os.path.lexists(out):
        raise _exists(out)


def restore(log: Path, copy: Path, signer: Signer, *, suffix: str) -> int:
    """Put ``copy`` in the place of the log, which moves aside (``audit.db.SUFFIX``); the restore entry's seq.

    Nobody else may have the log open. Raises ``E_AUDIT_RESTORE`` when the copy is not intact.
    """
    found = check_copy(copy)
    lost = tree_of(log)
    private_folder(log.parent)
    for side in SIDE_FILES:
        with contextlib.suppress(FileNotFoundError):
            Path(f"{log}{side}").rename(f"{log}.{suffix}{side}")
    backup(copy, log)
    body = {"lost_root": lost.root().hex(), "lost_size": lost.size, "restored_size": found.size}
    with AuditLog.open(log, signer) as opened:
        return opened.append(Event(action=RESTORE, actor=current_actor(), body=body), seal=True)


def check_copy(copy: Path) -> Verdict:
    """What is in a copy. Raises ``E_AUDIT_RESTORE`` unless it is intact."""
    found = verify(copy)
    if found.problem is not None:
        raise StoreError(
            "E_AUDIT_RESTORE",
            f"{copy} is not intact: {found.problem.detail} ({found.problem.code})",
            hint="take another copy",
            exit=Exit.INTEGRITY,
        )
    return found


def tree_of(log: Path) -> Frontier:
    """The tree of a log that is about to be replaced, as far as it can be read."""
    with contextlib.suppress(StoreError), AuditLog.observe(log) as old:
        return old.tree()
    return Frontier()


def _exists(path: Path) -> StoreError:
    return StoreError("E_AUDIT_EXISTS", f"{path} exists", hint="name another file", exit=Exit.CONFLICT)
