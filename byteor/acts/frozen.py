"""Which environments are frozen, and the gate cell of one where a run is to start. Folders: ``freezes``."""

from __future__ import annotations

import hashlib
from pathlib import Path

from byteor.actions.gate import environment_gate, make_gate, set_gate
from byteor.atomic import check_private_folder
from byteor.governance.canonical import decode_canonical
from byteor.governance.errors import refused
from byteor.governance.freeze import Freeze
from byteor.governance.regular_file import read_regular
from byteor.state import state_dir

FREEZE = "freeze.json"
MAX_BYTES = 1 << 20


def freeze_of(environment_id: str) -> Freeze | None:
    """The freeze of an environment, if it is frozen. What cannot be read freezes, too: ``E_FREEZE``."""
    folder = folder_of(environment_id)
    if not (folder / FREEZE).exists():
        return None
    check_private_folder(folder)
    try:
        return decode_canonical(read_regular(folder / FREEZE, MAX_BYTES)[0], Freeze)
    except ValueError as error:
        raise refused("E_FREEZE", f"{folder / FREEZE} is damaged: {error}") from None


def frozen_environments() -> list[Freeze]:
    """Every freeze on this host, by environment id."""
    root = state_dir() / "freezes"
    found = []
    for folder in sorted(root.iterdir()) if root.exists() else ():
        if (folder / FREEZE).exists():
            found.append(decode_canonical(read_regular(folder / FREEZE, MAX_BYTES)[0], Freeze))
    return sorted(found, key=lambda freeze: freeze.environment_id)


def ready_gate(environment_id: str) -> Path:
    """The gate cell of an environment where a run is to start: made when missing, closed when frozen."""
    path = environment_gate(state_dir(), environment_id)
    # The cell is there before the freeze is looked at: one that comes in between closes it.
    make_gate(path)
    if freeze_of(environment_id) is not None:
        set_gate(path, closed=True)
    return path


def folder_of(environment_id: str) -> Path:
    """Where the freeze of an environment lies."""
    return state_dir() / "freezes" / hashlib.sha256(environment_id.encode()).hexdigest()[:32]
