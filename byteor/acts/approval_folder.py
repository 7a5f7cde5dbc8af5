"""Where the papers of one request or emergency lie: $BYTEOR_STATE_DIR/approvals/<id>/, 0700."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from byteor.atomic import private_folder
from byteor.state import state_dir

MAX_BYTES: Final = 1 << 20  # of any of them


def folder_of(request_id: str) -> Path:
    """The request's folder, made when missing."""
    return private_folder(private_folder(state_dir() / "approvals") / request_id)
