"""Let a group look at a run: a service user's runs, and the people at consoles who belong to its group.

Folders become 2750 and files 0640 of that group. Looking is all that it allows: locks, the control socket and
the audit log stay the service user's, and nobody but it can write anything.
"""

from __future__ import annotations

import grp
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from byteor.errors import Exit
from byteor.runtime.errors import RunError

SHARED_FOLDER, SHARED_FILE = 0o2750, 0o640  # the group's bit of a folder: what is made in it is the group's


def group_id(name: str) -> int:
    """The group called ``name``, or of that number. Raises ``E_GROUP`` (exit 2)."""
    try:
        return int(name) if name.isascii() and name.isdigit() else grp.getgrnam(name).gr_gid
    except KeyError:
        hint = "getent group lists the groups"
        raise RunError("E_GROUP", f"no group {name!r}", hint=hint, exit=Exit.USAGE) from None


def share(group: int, run: Path, regions: Path) -> None:
    """Open the folders of a run, the folders above them that are ours alone, and the files in them, as they
    are now, to ``group``. Raises ``E_GROUP`` where we may not give files to it.
    """
    try:
        for folder in (run.parent, regions.parent, run, regions):
            _give(folder, group, SHARED_FOLDER)
        for path in _files((run, regions)):
            _give(path, group, SHARED_FILE)
    except PermissionError as error:
        raise RunError(
            "E_GROUP",
            f"this user may not give {error.filename} to group {group}",
            hint="only a member of a group may share with it: usermod -aG GROUP USER, then log in again",
            exit=Exit.UNAVAILABLE,
        ) from None


def _give(path: Path, group: int, mode: int) -> None:
    status = path.stat()
    if status.st_gid != group:
        os.chown(path, -1, group)
    if stat.S_IMODE(status.st_mode) != mode:
        path.chmod(mode)


def _files(folders: Iterable[Path]) -> list[Path]:
    return [
        path for folder in folders for path in folder.iterdir() if path.is_file() and not path.is_symlink()
    ]
