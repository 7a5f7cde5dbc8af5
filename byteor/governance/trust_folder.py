"""What this user's tools remember: the pinned key set, the newest seen, and versions of what it signs.

$BYTEOR_STATE_DIR/trust/            0700
  pinned.json                       the key set that a person compared by fingerprint
  signing_keys.json                 the newest that chains from it
  revocations.dsse                  the newest list seen
  seen.json                         highest version of a signed byteor.toml
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from byteor.atomic import private_folder
from byteor.state import state_dir

PINNED: Final = "pinned.json"


def trust_folder(state: Path | None = None) -> Path:
    """The folder, made 0700 when missing."""
    return private_folder((state or state_dir()) / "trust")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One writer at a time: reading the highest version, comparing and writing are one step."""
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(handle, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
