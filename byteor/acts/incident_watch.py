"""Bundle a live run when a condition of byteor.toml holds: each condition once a run."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path

from byteor.errors import ByteorError
from byteor.incident.triggers import Memory, Reading, Trigger, fired, parse_when
from byteor.runtime.folders import read_run
from byteor.settings_files import settings_files

LOOK_S = 1.0
FINISH_S = 10.0


class IncidentWatch:
    """Looks at the metrics once a second, from the supervisor's loop; bundles in a thread beside it."""

    def __init__(self, triggers: tuple[Trigger, ...]) -> None:
        self._left = triggers
        self._run: Path | None = None
        self._memory: Memory | None = None
        self._next = 0.0
        self._bundling: list[threading.Thread] = []

    def running(self, run: Path) -> None:
        """The run in the folder ``run`` has begun."""
        self._run = run

    def tick(self) -> None:
        """Look, if it is time. What cannot be read is looked at again."""
        if self._run is None or not self._left or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + LOOK_S
        with contextlib.suppress(ByteorError, OSError):
            holding, self._memory = fired(self._left, self._memory, _reading(self._run))
            for trigger in holding:
                self._left = tuple(one for one in self._left if one != trigger)
                thread = threading.Thread(target=_bundle, args=(self._run, trigger), daemon=True)
                self._bundling.append(thread)
                thread.start()

    def close(self) -> None:
        """Wait for bundles that are being written, not for ever."""
        for thread in self._bundling:
            thread.join(FINISH_S)


def watch_for_incidents() -> IncidentWatch:
    """The watch that the settings files ask for. Raises ``E_INCIDENT_WHEN``."""
    files = settings_files(os.environ, None, Path.cwd())
    if not files:
        return IncidentWatch(())
    import tomllib

    texts: list[object] = []
    for path in files:
        with contextlib.suppress(
            OSError, tomllib.TOMLDecodeError, UnicodeDecodeError
        ):  # told where it is read
            table = tomllib.loads(path.read_text()).get("incident", {})
            found = table.get("when", []) if isinstance(table, dict) else table
            texts = found if isinstance(found, list) else [found]
    return IncidentWatch(parse_when(texts))


def _reading(run: Path) -> Reading:
    from byteor.runtime.observe import RunObserver, totals

    with RunObserver(run) as observer:
        sample, counted = observer.sample(), totals(observer.rows())
    return Reading(
        at_ns=time.monotonic_ns(),
        messages_in=counted.messages_in,
        messages_out=counted.messages_out,
        dropped=counted.dropped,
        errors=counted.errors,
        lag=max((worker.lag for worker in sample.workers), default=0),
    )


def _bundle(run: Path, trigger: Trigger) -> None:
    from byteor.acts.bundles import bundle_info

    with contextlib.suppress(ByteorError, OSError):  # the run goes on, whatever becomes of its bundle
        bundle_info(read_run(run), None, cause=f"trigger: {trigger.text}", slice_bytes=8 << 20)
