"""What the operator saw, as a file: one JSON line for each second in which the screen changed. Bounded.

{"at": unix ns, "screen": id, "size": [columns, rows], "lines": {"row": "text", ...}}: rows that differ from
the line before it; all rows in the first line and whenever screen or size changed.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from textual.screen import Screen

MAX_BYTES = 16 << 20
PERIOD_S = 1.0


class Recorder:
    """Appends to a private file, opened once; stops at ``MAX_BYTES`` and says so in its last line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.fchmod(self._file, 0o600)
        self._written = 0
        self._due_s = 0.0
        self._before: tuple[str, tuple[int, int], list[str]] | None = None

    def see(self, screen: Screen[None]) -> None:
        """Note what ``screen`` shows, once a second."""
        now = time.monotonic()
        if now < self._due_s or self._written >= MAX_BYTES:
            return
        self._due_s = now + PERIOD_S
        lines = [strip.text.rstrip() for strip in screen._compositor.render_strips()]
        name, size = getattr(screen, "screen_id", ""), (screen.size.width, screen.size.height)
        changed = dict(enumerate(lines))
        if self._before is not None and self._before[:2] == (name, size):
            changed = {row: text for row, text in changed.items() if self._before[2][row] != text}
            if not changed:
                return
        self._before = (name, size, lines)
        self._write({"at": time.time_ns(), "screen": name, "size": size, "lines": changed})

    def _write(self, document: object) -> None:
        data = msgspec.json.encode(document) + b"\n"
        if self._written + len(data) > MAX_BYTES:
            data, self._written = b'{"end":"the recording reached its limit"}\n', MAX_BYTES
        self._written += os.write(self._file, data)

    def close(self) -> None:
        os.close(self._file)
