"""What makes a signed byteor.toml count on this host, and the highest version of one that was used.

Where nothing is pinned this loads nothing about keys.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from byteor.atomic import write_file
from byteor.governance.canonical import canonical_json, decode_json
from byteor.governance.errors import refused
from byteor.governance.trust_folder import PINNED, locked, trust_folder
from byteor.state import state_dir

if TYPE_CHECKING:
    from byteor.governance.environment_signature import Trust

SEEN: Final = "seen.json"


class _Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    environments_version: int = 0
    v: int = 1


def environment_trust(state: Path | None = None) -> Trust | None:
    """What makes a signed byteor.toml count, or ``None`` while no key set is pinned."""
    folder = (state or state_dir()) / "trust"
    if not (folder / PINNED).exists():
        return None
    from byteor.governance.environment_signature import Trust
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
