"""The reader thread: samples into a slot that holds only the newest frame. Nobody waits for anybody."""

from __future__ import annotations

import threading
import time

from byteor.errors import ByteorError
from byteor_tui.model.frame import Frame
from byteor_tui.model.history import History
from byteor_tui.model.source import Source
from byteor_tui.model.tape import Tape

PERIOD_S = 0.1
ROWS_A_PERIOD = 250  # folding a thousand stages ten times a second would cost a quarter of a core


class Reader:
    """Folds a source on a thread of its own: ten times a second, or as often as somebody looks.

    Rates and trends are made here, so a screen that stalls or is frozen misses frames and no history.
    ``latest`` and ``error`` are single references: one thread writes them, any thread reads them.
    """

    def __init__(self, source: Source, period_s: float = PERIOD_S) -> None:
        self.latest: Frame | None = None
        self.error: ByteorError | None = None
        self.tape = Tape()
        self._source = source
        self._period_s = period_s
        self._stop = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="byteor-reader", daemon=True)

    def pace(self, period_s: float) -> None:
        """Sample this often from now on. A shorter period counts at once."""
        if period_s < self._period_s:
            self._wake.set()
        self._period_s = period_s

    def start(self) -> None:
        """Take the first sample at once, so that the first paint has something to show, then go on."""
        self._thread.start()

    def close(self) -> None:
        """Stop and let the source go. Returns within one period."""
        self._stop = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2)

    def _run(self) -> None:
        history = History()
        try:
            due = time.monotonic()
            while not self._stop:
                self._wake.clear()
                try:
                    self.latest = frame = history.fold(self._source.sample())
                    self.tape.add(frame)
                    self.error = None
                except ByteorError as error:
                    self.error = error
                except OSError as error:
                    reason = f"cannot read the run: {error.strerror or type(error).__name__}"
                    self.error = ByteorError("E_RUN_UNREADABLE", reason, hint="byteor ps")
                # No catching up: after a stall the next sample is now, not ten old ones in a row.
                rows = len(self.latest.rows) if self.latest is not None else 0
                now = time.monotonic()
                due = max(min(due, now) + self._period_s * (1 + rows // ROWS_A_PERIOD), now)
                if not self._stop:
                    self._wake.wait(due - now)
        finally:
            self._source.close()
