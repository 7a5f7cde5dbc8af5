"""Where settings files lie. Apart from ``byteor.settings``, so that asking costs no import of pydantic."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

FILE_NAME = "byteor.toml"


def user_config(environ: Mapping[str, str]) -> Path:
    """The user's own file: ``$XDG_CONFIG_HOME/byteor/byteor.toml``, else under ``~/.config``."""
    base = environ.get("XDG_CONFIG_HOME", "")
    home = Path(environ.get("HOME") or Path.home())
    return (Path(base) if base.startswith("/") else home / ".config") / "byteor" / FILE_NAME


def settings_files(environ: Mapping[str, str], config: Path | None, cwd: Path) -> list[Path]:
    """Those that exist, weakest first; a ``--config`` that does not exist is an error later.

    What bears the name and is no file (a folder, a pipe, a link to nowhere) counts: passing it over would
    leave out settings without a word. Who reads it says so.
    """
    found = [path for path in [user_config(environ)] if os.path.lexists(path)]
    folders = (cwd, *cwd.parents)
    upward = next((folder / FILE_NAME for folder in folders if os.path.lexists(folder / FILE_NAME)), None)
    if upward is not None and upward not in found:
        found.append(upward)
    return found if config is None else [*found, config]
