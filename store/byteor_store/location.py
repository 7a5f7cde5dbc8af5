"""Where the audit log of this host and user lies."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from byteor.state import state_dir

FILE_NAME = "audit.db"


def audit_path(environ: Mapping[str, str] = os.environ) -> Path:
    return state_dir(environ) / FILE_NAME
