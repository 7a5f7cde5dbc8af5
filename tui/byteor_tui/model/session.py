"""What the console was started with, as a value."""

from __future__ import annotations

from pathlib import Path

import msgspec


class Session(msgspec.Struct, frozen=True):
    """``identities`` are (key id, key file) of whoever sits here; the verb opens the key, never we.

    There is one but in the demo, where one person plays several. ``half`` says which half of it is missing
    where the environment names a key by the other.
    """

    env: str = ""
    identities: tuple[tuple[str, str], ...] = ()
    spec: Path | None = None
    read_only: bool = False
    record: Path | None = None
    keeps: bool = True
    keys: dict[str, tuple[str, ...]] = {}
    theme: str = ""
    fault: Path | None = None
    stages: tuple[str, ...] = ()
    half: str = ""
