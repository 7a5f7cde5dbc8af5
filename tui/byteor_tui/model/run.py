"""A run as the console lists it: live, ended, or a snapshot in a file. A value; nothing is read here."""

from __future__ import annotations

import msgspec


class Run(msgspec.Struct, frozen=True):
    """A run as the console lists it. ``folder`` is what a source opens."""

    run_id: str
    name: str
    state: str
    env: str
    pid: int
    alive: bool
    started_unix_ns: int
    folder: str
    kind: str = ""
