"""Reading a file that says what is allowed, and whether only root could have written it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from byteor.governance.environment import EnvironmentFileError
from byteor.governance.regular_file import read_regular

MAX_BYTES: Final = 1 << 20


def read_owned(path: Path) -> tuple[bytes, bool]:
    """The bytes of a regular file, and whether only root can write it: of the same open file."""
    try:
        data, status = read_regular(path, MAX_BYTES)
    except OSError as error:
        problem = ("", f"cannot be read: {error.strerror}", "check the path")
        raise EnvironmentFileError(str(path), [problem]) from None
    except ValueError as error:
        raise EnvironmentFileError(str(path), [("", str(error), None)]) from None
    return data, status.st_uid == 0 and not status.st_mode & 0o022


def only_root_writes(folder: Path) -> bool:
    """Whether nobody but root can put another file in place of one in ``folder``."""
    status = folder.stat()
    return status.st_uid == 0 and not status.st_mode & 0o022
