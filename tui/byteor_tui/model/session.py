"""What the console was started with, as a value."""

from __future__ import annotations

from pathlib import Path

import msgspec


class Session(msgspec.Struct, frozen=True):
    """``kid`` and ``key_file`` name the approver's key; the console itself never opens it, the verb does."""

    env: str = ""
    kid: str = ""
    key_file: str = ""
    spec: Path | None = None
    read_only: bool = False
    record: Path | None = None
    keys: dict[str, tuple[str, ...]] = {}
    theme: str = ""
