"""The terminal as the console finds and leaves it: what it can do, and how it is given back."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from byteor.errors import Exit

if TYPE_CHECKING:
    from textual.app import App

GRACE_S = 3.0
SIGHUP_EXIT = 129
# Bracketed paste, mouse, Kitty keys and focus reports off; main screen, cursor and line wrap on.
RESTORE = (
    "\x1b[?2004l\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[<u\x1b[?1004l\x1b[?1049l\x1b[?25h\x1b[?7h"
)


def is_terminal() -> bool:
    """Both ends are a terminal: there is somebody to read and somebody to type."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def is_web(environ: Mapping[str, str]) -> bool:
    """Started by ``byteor-console serve``: Textual speaks to a browser through pipes."""
    return environ.get("TEXTUAL_DRIVER", "").endswith(":WebDriver")


def is_dumb(environ: Mapping[str, str]) -> bool:
    """A terminal that can only print lines."""
    return environ.get("TERM", "") in {"", "dumb", "unknown"}


class WayOut:
    """Remembers the line settings at its making and gives the terminal back when a signal ends the app.

    Textual restores the terminal by itself, through a writer that a stalled terminal holds up: after
    ``GRACE_S`` seconds the process then leaves without it. ``done`` says that the app has ended by itself.
    """

    def __init__(self) -> None:
        try:
            self._attributes: list[Any] | None = termios.tcgetattr(0)
        except termios.error:
            self._attributes = None
        self._timer: threading.Timer | None = None

    def leave_on_signals(self, app: App[Any]) -> None:
        """End ``app`` on SIGTERM and SIGHUP as ``q`` would. To be called in its event loop."""
        loop = asyncio.get_running_loop()
        for number, code in ((signal.SIGTERM, int(Exit.TERMINATED)), (signal.SIGHUP, SIGHUP_EXIT)):
            loop.add_signal_handler(number, self._leave, app, code)

    def done(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _leave(self, app: App[Any], code: int) -> None:
        if self._timer is None:
            self._timer = threading.Timer(GRACE_S, self._leave_now, (code,))
            self._timer.daemon = True
            self._timer.start()
            app.exit(return_code=code)

    def _leave_now(self, code: int) -> None:
        try:
            if self._attributes is not None:
                termios.tcsetattr(0, termios.TCSANOW, self._attributes)
                os.set_blocking(1, False)
                os.write(1, RESTORE.encode())
        except (termios.error, OSError):
            pass
        os._exit(code)
