"""What the operator saw, as JSON lines, one for each second in which the screen changed. Bounded twice.

{"at": unix ns, "screen": id, "size": [columns, rows], "lines": {"row": "text", ...}}: rows that differ from
the line before it; all rows in the first line and whenever screen or size changed.

The last minutes of what the places of the run itself show are kept in memory and go into an incident bundle
(``OF_THE_RUN``). ``--record FILE`` writes everything to a private file.
"""

from __future__ import annotations

import os
import time
import zlib
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from byteor_tui.screens.skeleton import Skeleton

MAX_BYTES = 16 << 20
KEPT_BYTES, KEPT_S = 1 << 20, 600
WHOLE_EVERY = 60  # lines, so that what is dropped at the front takes no later line along
PERIOD_S = 1.0
HELD_S = 5.0  # of a picture that is held, nothing but its age changes by itself
OF_THE_RUN = frozenset({"overview", "stages", "diff", "replay"})
Seen = tuple[str, tuple[int, int], list[str]]


class Recorder:
    """``keep`` is off with ``--no-record``; ``path`` is a file to append to, opened once."""

    def __init__(self, path: Path | None = None, *, keep: bool = True) -> None:
        self._keep = keep
        self._kept: deque[tuple[float, bool, bytes, int]] = deque()  # when, whole, packed, its size unpacked
        self._kept_bytes = 0
        self._since_whole = 0
        self._file = -1
        if path is not None:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            os.fchmod(self._file, 0o600)
        self._written = 0
        self._seen_s = float("-inf")
        self._before: Seen | None = None

    def see(self, screen: Skeleton, every_s: float = PERIOD_S) -> None:
        """Note what ``screen`` shows, at most once in ``every_s``, and nothing while somebody types."""
        now_s = time.monotonic()
        if now_s < self._seen_s + every_s or screen.prompt.open or not (self._keep or self._file >= 0):
            return
        lines = [strip.text.rstrip() for strip in screen._compositor.render_strips()]
        if len(lines) != screen.size.height:
            return  # just opened or resized: it says its size before its lines are laid out
        self._seen_s = now_s
        self.note((screen.screen_id, (screen.size.width, screen.size.height), lines), now_s)

    def note(self, seen: Seen, now_s: float) -> None:
        """Remember ``seen``; a line only when it differs from the one before."""
        name, size, lines = seen
        changed = dict(enumerate(lines))
        whole = self._before is None or self._before[:2] != seen[:2] or self._since_whole >= WHOLE_EVERY
        if self._before is not None and not whole:
            changed = {row: text for row, text in changed.items() if self._before[2][row] != text}
            if not changed:
                return
        self._before = seen
        self._since_whole = 0 if whole else self._since_whole + 1
        document = {"at": time.time_ns(), "screen": name, "size": size, "lines": changed}
        data = msgspec.json.encode(document) + b"\n"
        self._write(data)
        if self._keep and name in OF_THE_RUN:
            self._kept.append((now_s, whole, zlib.compress(data, 1), len(data)))
            self._kept_bytes += len(data)
            self._forget(now_s)

    def forget(self) -> None:
        """Another run is watched: its bundle is not to show this one."""
        self._kept.clear()
        self._kept_bytes, self._before = 0, None

    @property
    def kept(self) -> bytes:
        """The last minutes, beginning with a whole screen; empty when nothing was kept."""
        return b"".join(zlib.decompress(packed) for _, _, packed, _ in self._kept)

    def _forget(self, now_s: float) -> None:
        """Drop what is too old or too much, and then the changes of a screen that is no longer there."""
        kept = self._kept
        while kept and (self._kept_bytes > KEPT_BYTES or now_s - kept[0][0] > KEPT_S or not kept[0][1]):
            self._kept_bytes -= kept.popleft()[3]

    def _write(self, data: bytes) -> None:
        if self._file < 0 or self._written >= MAX_BYTES:
            return
        if self._written + len(data) > MAX_BYTES:
            data, self._written = b'{"end":"the recording reached its limit"}\n', MAX_BYTES
        self._written += os.write(self._file, data)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
