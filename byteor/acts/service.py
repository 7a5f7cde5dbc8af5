"""Tell systemd how a run is, by the protocol of sd_notify(3): datagrams to ``$NOTIFY_SOCKET``.

READY=1 when every worker runs, WATCHDOG=1 while the supervisor's loop turns, STOPPING=1 when it drains. Where
nobody listens nothing is sent, and nothing that goes wrong here can end a run.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import MutableMapping

_OURS = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class Service:
    """This process as a unit of systemd, or of nobody. Takes its variables out of ``environ``: a stage
    process that inherited them could speak for us.
    """

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        name, limit_us, pid = (environ.pop(variable, "") for variable in _OURS)
        self._address = f"\0{name[1:]}" if name.startswith("@") else name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if name else None
        ours = pid in ("", str(os.getpid()))
        # Half the limit, as sd_watchdog_enabled(3) recommends.
        self._beat_s = int(limit_us) / 2e6 if limit_us.isdigit() and ours else 0.0
        self._next_beat = 0.0
        self._stopping = False

    def ready(self, run_id: str) -> None:
        self._send(f"READY=1\nSTATUS={run_id} runs\nMAINPID={os.getpid()}")

    def tick(self, state: str) -> None:
        """Called at each turn of the supervisor's loop with the run's state."""
        if state != "running" and not self._stopping:
            self._stopping = True
            self._send(f"STOPPING=1\nSTATUS={state}")
        if self._beat_s and (now := time.monotonic()) >= self._next_beat:
            self._next_beat = now + self._beat_s
            self._send("WATCHDOG=1")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def _send(self, text: str) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.sendto(text.encode(), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL, self._address)
