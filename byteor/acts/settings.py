"""Bring settings files into force for one command, and for the processes that it starts."""

from __future__ import annotations

import os
from pathlib import Path

from byteor.settings_files import settings_files

EXPORTED = (
    "state_dir",
    "runtime_dir",
    "shm_dir",
    "kernel",
    "profile",
    "wait",
    "group",
    "drain_timeout_s",
    "stage_timeout_s",
    "capture",
    "capture_egress",
)


def apply_settings(config: Path | None) -> None:
    """Put what files say into the ``BYTEOR_*`` variables that every layer and child process reads.

    A variable that is set already is stronger and stays. Without any file nothing is loaded. Raises
    ``SettingsError`` with every problem.
    """
    if not settings_files(os.environ, config, Path.cwd()):
        return
    from byteor.settings import PREFIX, load

    loaded = load(config=config)
    for key in EXPORTED:
        value = getattr(loaded.settings, key)
        if loaded.origins[key] != "default" and value not in (None, "auto"):
            os.environ[PREFIX + key.upper()] = str(value)
