"""``ends.json``: how the sources and sinks of a run are, for readers that cannot ask them.

The supervisor replaces the file when something changed, once a second at most, in a thread beside its loop: a
rename may wait for a busy disk for half a minute. It is news, not evidence: it is not synced, and a reader
that finds nothing whole there knows nothing.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from byteor.runtime.adapter import Sink, Source

ENDS_JSON = "ends.json"
EVERY_S = 1.0
MAX_BYTES = 1 << 20


class EndHealth(msgspec.Struct, frozen=True):
    """One source or sink. ``ok`` False: degraded, not ended; ``counts`` are totals of what happened to it."""

    endpoint: str
    role: str  # source | sink
    name: str
    ok: bool
    detail: str
    delivery: str = ""
    counts: dict[str, int] = {}


class HealthFile:
    """Notes how ``sources`` and ``sinks`` (by endpoint) are into the run folder."""

    def __init__(self, sources: Mapping[str, Source], sinks: Mapping[str, Sink]) -> None:
        self._ends: list[tuple[str, str, Source | Sink]] = [
            *((endpoint, "source", source) for endpoint, source in sources.items()),
            *((endpoint, "sink", sink) for endpoint, sink in sinks.items()),
        ]
        self._written = b""
        self._due_s = 0.0
        self._writing: threading.Thread | None = None

    def note(self, run: Path) -> None:
        """Write it down when a second has passed and something changed. Never raises: a full disk, or an
        adapter that cannot tell, must not end a run.
        """
        now = time.monotonic()
        if now < self._due_s or (self._writing is not None and self._writing.is_alive()):
            return
        self._due_s = now + EVERY_S
        with contextlib.suppress(Exception):
            data = msgspec.json.encode([_told(*end) for end in self._ends])
            if data != self._written:
                self._writing = threading.Thread(
                    target=self._write, args=(run, data), name="health", daemon=True
                )
                self._writing.start()

    def settle(self, timeout_s: float) -> None:
        """Let what is being written come to its end, not for ever."""
        if self._writing is not None:
            self._writing.join(timeout_s)

    def _write(self, run: Path, data: bytes) -> None:
        with contextlib.suppress(Exception):
            _replace(run, data)
            self._written = data


def read_ends(run: Path) -> tuple[EndHealth, ...]:
    """What was last noted; empty when nothing was, or nothing that can be read."""
    try:
        with (run / ENDS_JSON).open("rb") as file:
            return msgspec.json.decode(file.read(MAX_BYTES), type=tuple[EndHealth, ...])
    except (OSError, msgspec.MsgspecError):
        return ()


def _told(endpoint: str, role: str, end: Source | Sink) -> EndHealth:
    health = end.health()
    return EndHealth(endpoint, role, end.name, health.ok, health.detail, end.delivery, dict(end.counts()))


def _replace(run: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=run, prefix=f".{ENDS_JSON}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if run.stat().st_mode & 0o040:  # the run is opened to a group
                os.fchmod(file.fileno(), 0o640)
        Path(name).replace(run / ENDS_JSON)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
