"""What this user's tools remember: the pinned key set, the newest seen, and versions of what it signs.

$BYTEOR_STATE_DIR/trust/            0700
  pinned.json                       the key set that a person compared by fingerprint
  signing_keys.json                 the newest that chains from it
  revocations.dsse                  the newest list seen
  seen.json                         highest version of a signed byteor.toml

Apart from ``trust``, so that a host where nothing is pinned loads nothing about keys.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from byteor.atomic import private_folder, write_file
from byteor.governance.canonical import canonical_json, decode_json
from byteor.governance.environment_file import Trust
from byteor.governance.errors import refused
from byteor.state import state_dir

PINNED: Final = "pinned.json"
SEEN: Final = "seen.json"


class _Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    environments_version: int = 0
    v: int = 1


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


def environment_trust(state: Path | None = None) -> Trust | None:
    """What makes a signed byteor.toml count, or ``None`` while no key set is pinned."""
    folder = (state or state_dir()) / "trust"
    if not (folder / PINNED).exists():
        return None
    from byteor.governance.trust import trusted_keys

    return Trust(trusted_keys(state), _read_seen(folder).environments_version)


def remember_environments(version: int, state: Path | None = None) -> None:
    """Remember that a signed byteor.toml of ``version`` was used."""
    folder = trust_folder(state)
    with locked(folder):
        if version > _read_seen(folder).environments_version:
            write_file(folder / SEEN, canonical_json(_Seen(environments_version=version)))


def _read_seen(folder: Path) -> _Seen:
    path = folder / SEEN
    if not path.exists():
        return _Seen()
    try:
        return decode_json(path.read_bytes(), _Seen)
    except ValueError as error:
        raise refused("E_ENVIRONMENTS_ROLLBACK", f"{path} is damaged: {error}") from None
