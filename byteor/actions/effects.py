"""What a run may do to the outside, as policy decided it: written before its workers start, read by them.

``effects.json`` lies in the run's folder; ``BYTEOR_EFFECTS`` names it to the stage processes. A stage that
finds none acts under no decision, and so does not act.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Literal

import msgspec

from byteor.atomic import write_file
from byteor.errors import Exit
from byteor.governance.allow_list import AllowList
from byteor.runtime.stages.api import StageError

VARIABLE = "BYTEOR_EFFECTS"
FILE_NAME = "effects.json"
MAX_BYTES = 1 << 20


class Effects(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``granted``: capabilities. ``ends_at``: when the approval ends, Unix s. ``hold_gate`` closes while the
    environment is frozen, ``stop_gate`` for good when the approval is revoked.
    """

    v: int = 1
    run_id: str
    environment_id: str
    spec_hash: str
    mode: Literal["act", "dry_run"]
    replay: bool = False
    granted: tuple[str, ...]
    allowed: AllowList
    approval_id: str | None
    ends_at: int | None
    hold_gate: str
    stop_gate: str | None
    audit_log: str


def write_effects(folder: Path, effects: Effects) -> Path:
    """Write the document into the run's ``folder``; its path."""
    path = folder / FILE_NAME
    write_file(path, msgspec.json.encode(effects))
    return path


def effects_here() -> Effects | None:
    """What this process may do, or None where nobody has decided. Raises ``E_ACTION_UNGOVERNED``."""
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    try:
        handle = os.open(named, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
                raise ungoverned(f"{named} is not a file that only we can write")
            effects = msgspec.json.decode(file.read(MAX_BYTES), type=Effects)
    except OSError as error:
        raise ungoverned(f"{named}: {error.strerror}") from None
    except ValueError as error:
        raise ungoverned(f"{named} is no decision: {error}") from None
    if effects.v != 1:
        raise ungoverned(f"{named} is of version {effects.v}")
    return effects


def ungoverned(why: str) -> StageError:
    return StageError(
        "E_ACTION_UNGOVERNED",
        f"nothing may act here: {why}",
        hint="byteor run --env NAME asks policy and hands the decision on",
        exit=Exit.REFUSED,
    )
