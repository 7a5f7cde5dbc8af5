"""What a run hands to one worker of a stage: its name, seed and randomness, the time of a message, a report.

A stage that takes randomness and time from here, and from nowhere else, gives the same results again when the
recording is replayed: the seed is the run's, and the time of a message is its arrival at the source.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

from byteor.atomic import write_file

Clock = Callable[[int], int]  # place in the batch at hand -> arrival of that message, Unix ns

LOOK_S = 0.05  # how long a stage that waits may overlook that the run stops


def system_clock(_: int) -> int:
    """The clock of a stage outside of a run."""
    return time.time_ns()


def never() -> bool:
    return False


def nothing() -> None:
    """What a sign of life does outside of a run."""


class Context:
    """One worker's own: made by the run, or by hand in a test.

    ``name`` is the worker's (unique in its run), ``key`` the whole stage key, ``seed`` the run's (u64,
    recorded with it), ``clock`` tells arrivals, ``live`` is False in a replay, where nothing waits,
    ``folder`` takes reports, ``stopping`` says that the run has no more use for results, ``beat`` gives a
    sign of life, as a stage has to that does not come back for longer than ``--stage-timeout``.
    """

    def __init__(
        self,
        name: str = "stage",
        key: str = "",
        *,
        seed: int = 0,
        clock: Clock = system_clock,
        live: bool = True,
        folder: Path | None = None,
        stopping: Callable[[], bool] = never,
        beat: Callable[[], None] = nothing,
    ) -> None:
        self.name = name
        self.key = key
        self.parameters = key.partition(":")[2]
        self.live = live
        self.folder = folder
        # A seed of its own for each worker: two stages of a run must not draw the same numbers.
        self.seed = int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:8], "little")
        self.random = Random(self.seed)
        self.clock = clock
        self._stopping = stopping
        self._beat = beat
        self._teardown = contextlib.ExitStack()

    def now_ns(self, index: int = 0) -> int:
        """When message ``index`` of the batch at hand (0: the one message) reached the run, in Unix ns."""
        return self.clock(index)

    @property
    def stopping(self) -> bool:
        """Whether the run has no more use for results."""
        return self._stopping()

    def beat(self) -> None:
        """Show that this worker lives, from within a call that takes long."""
        self._beat()

    def wait(self, seconds: float) -> bool:
        """Hold this worker back, alive. False when that was cut short: the run stops, or it is a replay."""
        if not self.live:
            return False
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._stopping():
                return False
            self._beat()
            time.sleep(min(left, LOOK_S))
        return True

    def on_teardown(self, function: Callable[[], object]) -> None:
        """Call ``function`` once when this worker ends, however it ends; the last one given comes first."""
        self._teardown.callback(function)

    def tear_down(self) -> None:
        """Call what ``on_teardown`` was given, all of it, then raise what the first of them raised."""
        self._teardown.close()

    def report(self, fields: Mapping[str, object]) -> None:
        """Replace ``<folder>/<name>.report.kv`` by ``fields``, one ``key=value`` a line.

        Outside of a run there is no folder, and nothing is written.
        """
        if self.folder is not None:
            text = "".join(f"{name}={value}\n" for name, value in fields.items())
            write_file(self.folder / f"{self.name}.report.kv", text.encode())
