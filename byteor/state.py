"""Where this user's lasting state lies: audit log, trust, approvals. Only the name; nothing is made here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def state_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """``$BYTEOR_STATE_DIR``, else ``$XDG_STATE_HOME/byteor``, else ``~/.local/state/byteor``."""
    if named := environ.get("BYTEOR_STATE_DIR"):
        return Path(named)
    base = environ.get("XDG_STATE_HOME", "")
    # The XDG specification: a relative path there is to be ignored.
    return (Path(base) if base.startswith("/") else Path.home() / ".local/state") / "byteor"
