"""``run.log``: what the processes of a detached run wrote, one line at a time with its moment, bounded.

A keeper, a process of its own, reads the pipe behind their stdout and stderr and writes the file, so that
also the last words of a process that is killed arrive. ``run.log.1`` holds what came before the newest part.
The keeper holds an flock on the file for as long as it writes: that is how a reader knows that no more comes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from byteor.errors import Exit
from byteor.runtime.errors import RunError

RUN_LOG, OLDER_LOG = "run.log", "run.log.1"
PART_BYTES = 4 << 20
LINE_BYTES = 8192
STARTING = ".start-"  # what the log of a run is called that has no folder yet
ABANDONED_S = 60.0
_POLL_S = 0.1


class LogWriter:
    """Writes lines to the file behind ``fd``, which it owns, wherever somebody moves that file.

    A full part becomes ``run.log.1``; where that is impossible the part begins anew. What a full disk does
    not take is lost: nobody is left to tell, and the run goes on.
    """

    def __init__(self, fd: int, part_bytes: int = PART_BYTES) -> None:
        self._fd = fd
        self._part_bytes = part_bytes
        self._partial = b""
        fcntl.flock(fd, fcntl.LOCK_EX)

    def feed(self, data: bytes) -> None:
        """Take what came out of a pipe; a line without an end waits, unless it is too long for one."""
        *lines, self._partial = (self._partial + data).split(b"\n")
        while len(self._partial) > LINE_BYTES:
            lines.append(self._partial[:LINE_BYTES])
            self._partial = self._partial[LINE_BYTES:]
        for line in lines:
            self.line(line)

    def line(self, line: bytes) -> None:
        moment = datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ ").encode()
        if os.fstat(self._fd).st_size >= self._part_bytes:
            self._next_part()
        with contextlib.suppress(OSError):
            os.write(self._fd, moment + line + b"\n")

    def close(self) -> None:
        if self._partial:
            self.line(self._partial)
        os.close(self._fd)

    def _next_part(self) -> None:
        path = Path(f"/proc/self/fd/{self._fd}").readlink()
        try:
            path.rename(path.with_name(OLDER_LOG))
            fresh = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            os.ftruncate(self._fd, 0)
        else:
            fcntl.flock(fresh, fcntl.LOCK_EX)
            os.close(self._fd)
            self._fd = fresh


def read_log(run: Path, *, follow: bool = False) -> Iterator[bytes]:
    """Chunks of the log of the run in the folder ``run``; with ``follow`` until nobody writes it any more.

    Raises ``E_RUN_LOG`` (exit 7) for a run that was not detached.
    """
    path = run / RUN_LOG
    if not path.exists():
        raise RunError(
            "E_RUN_LOG",
            f"{run.name} has no log: it writes to the terminal or service that started it",
            hint="start it with --detach, or look where its stderr goes (journalctl -u UNIT)",
            exit=Exit.NOT_FOUND,
        )
    older = run / OLDER_LOG
    if older.exists():
        yield older.read_bytes()
    file = path.open("rb")
    try:
        while True:
            over = not follow or _is_over(file.fileno())  # asked before reading: its last words count
            while data := file.read(1 << 16):
                yield data
            if not _same(path, file.fileno()):  # a new part
                file.close()
                file = path.open("rb")
            elif over:
                return
            else:
                time.sleep(_POLL_S)
    finally:
        file.close()


def abandoned_logs(root: Path) -> list[Path]:
    """Logs of detached runs whose start was killed before they had a folder."""
    old = time.time() - ABANDONED_S
    found = []
    for path in root.glob(f"{STARTING}*.log"):
        with contextlib.suppress(OSError), path.open("rb") as file:
            if path.stat().st_mtime < old and _is_over(file.fileno()):
                found.append(path)
    return found


def _is_over(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(fd, fcntl.LOCK_UN)
    return True


def _same(path: Path, fd: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(fd).st_ino
    except FileNotFoundError:
        return True  # removed, or between two parts
