"""The bytes of a regular, bounded file and who owns it: both of the same open file."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def read_regular(path: Path, max_bytes: int, *, follow: bool = True) -> tuple[bytes, os.stat_result]:
    """The content and status of ``path``. Never blocks on a pipe, never reads a device.

    ``follow``: whether a link will do. Raises ``OSError`` when it cannot be opened, ``ValueError`` when it is
    no regular file or longer than ``max_bytes``.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | (0 if follow else os.O_NOFOLLOW)
    descriptor = os.open(path, flags)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("is no regular file")
        chunks, left = [], max_bytes + 1
        while left and (chunk := os.read(descriptor, left)):
            chunks.append(chunk)
            left -= len(chunk)
    finally:
        os.close(descriptor)
    if not left:
        raise ValueError(f"is over {max_bytes:,} bytes long")
    return b"".join(chunks), status
