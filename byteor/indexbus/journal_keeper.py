"""What a disk journal does beside its writer, in two threads: the timed sync and sealing of full segments;
the next segment made ready. Apart, so that the next segment does not wait for the disk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from byteor.indexbus.errors import IndexBusError
from byteor.indexbus.journal_segment import Segment, sync_folder


class Syncer:
    """Syncs segments in their order, so that what is on the disk is always a beginning of the journal.

    ``interval_s`` ``None``: full segments are only closed, as the writer syncs itself or wants no sync.
    ``failed``: what the disk refused; the writer raises it with its next call.
    """

    def __init__(self, written: Callable[[], tuple[Segment, int]], interval_s: float | None) -> None:
        """``written()``: the segment in use and how far it is written."""
        self._written, self._interval_s = written, interval_s
        self._condition = threading.Condition()
        self._full: list[Segment] = []
        self._synced = written()
        self._closing = False
        self.resting = False  # all is on the disk: the thread sleeps until it is woken
        self.failed: IndexBusError | None = None
        self._thread = threading.Thread(target=self._run, name="journal-sync", daemon=True)
        self._thread.start()

    def finish(self, full: Segment) -> None:
        """Take over a segment that the writer has left: sync, seal and close it."""
        with self._condition:
            self._full.append(full)
            self._condition.notify_all()

    def wake(self) -> None:
        """Something was written while it rested."""
        with self._condition:
            self.resting = False
            self._condition.notify_all()

    def drain(self) -> None:
        """Every full segment is on the disk when this returns, unless ``failed`` says otherwise."""
        with self._condition:
            self._condition.wait_for(lambda: not self._full or not self._thread.is_alive())

    def close(self) -> None:
        """End the thread; full segments are finished first."""
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        self._thread.join()

    def refused(self, error: OSError) -> IndexBusError:
        """The disk refused a sync, in any thread. What the kernel could not write it may have dropped:
        nothing after it may count as durable.
        """
        text = f"the journal's disk refused to write: {error.strerror}"
        self.failed = IndexBusError("E_JOURNAL_SYNC", text)
        return self.failed

    def _run(self) -> None:
        while True:
            with self._condition:
                if self._interval_s is not None:
                    self.resting = True  # before the look: the writer looks here after it has written
                    self._condition.wait_for(lambda: self._due() or self._written() != self._synced)
                    self.resting = False
                self._condition.wait_for(self._due, self._interval_s)
                full = list(self._full)
                if self._closing and not full:
                    return
            self._finish(full)
            if self._interval_s is not None:
                self._sync()

    def _due(self) -> bool:
        return bool(self._full) or self._closing

    def _finish(self, full: list[Segment]) -> None:
        for segment in full:
            if self._interval_s is not None:
                self._attempt(segment.sync)
                self._attempt(partial(sync_folder, segment.path.parent))  # its successor got its name there
                if self.failed is None:
                    segment.seal()
            segment.close()
        with self._condition:
            del self._full[: len(full)]
            self._condition.notify_all()

    def _sync(self) -> None:
        now = self._written()
        # Read first, looked at second: a segment that is not the first unsynced one waits for its turn.
        if now != self._synced and not self._full:
            segment, at = now
            before = self._synced[1] if self._synced[0] is segment else 0
            self._attempt(partial(segment.sync_range, before, at))
            self._synced = now

    def _attempt(self, sync: Callable[[], None]) -> None:
        try:
            sync()
        except OSError as error:
            self.refused(error)


class Maker:
    """Makes the next segment while the writer fills its own."""

    def __init__(self, make: Callable[[int], Segment]) -> None:
        self._make = make
        self._condition = threading.Condition()
        self._wanted: int | None = None
        self._spare: Segment | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="journal-segments", daemon=True)
        self._thread.start()

    def prepare(self, position: int) -> None:
        """Make the segment of ``position`` ready."""
        with self._condition:
            self._wanted = position
            self._condition.notify_all()

    def take(self, position: int) -> Segment | None:
        """The segment of ``position`` when it is, or is just being made, ready."""
        with self._condition:
            self._condition.wait_for(lambda: self._wanted is None or not self._thread.is_alive())
            spare, self._spare = self._spare, None
        return spare if spare is not None and spare.start == position else None

    def close(self) -> None:
        """End the thread; a spare segment is removed."""
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        self._thread.join()
        if self._spare is not None:
            self._spare.path.unlink(missing_ok=True)
            self._spare.close()
            self._spare = None

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._wanted is not None or self._closing)
                wanted = self._wanted
                if self._closing or wanted is None:
                    return
            spare = None
            try:
                spare = self._make(wanted)
            except IndexBusError:
                pass  # the writer makes it itself when it needs it, and then it raises
            with self._condition:
                self._spare, self._wanted = spare, None
                self._condition.notify_all()
