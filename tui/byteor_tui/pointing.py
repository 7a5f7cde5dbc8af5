"""The part of the app that follows links and the history. What they point to may be gone: that is said."""

from __future__ import annotations

import time

from byteor_tui.fetching import Fetching
from byteor_tui.model.link import Place
from byteor_tui.model.reader import Reader
from byteor_tui.model.text import wall_clock
from byteor_tui.screens.skeleton import Skeleton
from byteor_tui.widgets.live_table import LiveTable

PATIENCE_S = 2.0  # store and recordings are read by threads: what is not there yet may still come
SECOND_NS = 1_000_000_000


class Pointing(Fetching):
    """``reader`` and ``at_unix_ns`` are the app's."""

    reader: Reader | None
    at_unix_ns: int
    _pointed: tuple[Place, float] | None = None

    def point(self, place: Place) -> None:
        """Somebody wants to see ``place``."""
        self._pointed = (place, time.monotonic() + PATIENCE_S)

    def check_pointed(self, screen: Skeleton) -> None:
        """Show the nearest of what is not there, and say so."""
        if self._pointed is None:
            return
        place, due_s = self._pointed
        if place.at_unix_ns and place.at_unix_ns == self.at_unix_ns:
            self._keep_on_tape()
        if time.monotonic() < due_s:
            return
        self._pointed = None
        table = screen.query_one_optional(LiveTable)
        if place.item and table is not None and place.item not in table.keys:
            self.say(f"no {place.item} here now: the cursor stands elsewhere", ok=False)

    def _keep_on_tape(self) -> None:
        span = self.reader.tape.span if self.reader is not None else None
        if span is None:
            return
        if self.at_unix_ns < span[0] - SECOND_NS:
            self.say(f"the tape begins at {wall_clock(span[0])}: nothing is known of before", ok=False)
            self.at_unix_ns = span[0]
        elif self.at_unix_ns > span[1] + SECOND_NS:
            self.say("that moment has not come", ok=False)
            self.at_unix_ns = 0
