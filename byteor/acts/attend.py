"""Who stands beside a run while it lives: the metrics server, systemd, and whoever waits for its start."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from byteor.acts.service import Service
from byteor.errors import Exit
from byteor.runtime.adapter import Sink, Source
from byteor.runtime.end_health import HealthFile
from byteor.runtime.errors import RunError
from byteor.runtime.folders import RunIdentity
from byteor.runtime.tuning import shortfalls

if TYPE_CHECKING:
    from byteor.runtime.telemetry_server import TelemetryServer

PATIENCE_S = 3.0
SETTLE_S = 0.5  # that the end of a run waits for news of its sources and sinks to be written
_POLL_S = 0.02
OnRunning = Callable[[RunIdentity, Path], None]


class Attendants:
    """``running`` once, when every worker runs; ``tick`` at each turn of the supervisor's loop."""

    def __init__(self, service: Service, on_running: OnRunning | None, stack: contextlib.ExitStack) -> None:
        self._service, self._on_running, self._stack = service, on_running, stack
        self._server: TelemetryServer | None = None
        self._health: HealthFile | None = None
        self._run: Path | None = None

    def listen(self, address: str | None, *, patient: bool) -> None:
        """Take the metrics address, so that a taken one keeps the run from starting; None: serve none.

        ``patient``: the run before this one may hold it a moment longer. Raises ``E_METRICS_ADDR``.
        """
        if address is None:
            return
        from byteor.runtime.telemetry_server import TelemetryServer

        deadline = time.monotonic() + (PATIENCE_S if patient else 0.0)
        while self._server is None:
            try:
                self._server = self._stack.enter_context(TelemetryServer(address))
            except RunError as error:
                if error.exit == Exit.USAGE or time.monotonic() >= deadline:
                    raise
                time.sleep(_POLL_S)

    @property
    def metrics(self) -> str:
        """``HOST:PORT`` where metrics are served; empty where they are not."""
        return self._server.address if self._server is not None else ""

    def told(self, anew: Sequence[str]) -> None:
        """Sources that keep no position begin anew after a replacement: somebody should know."""
        for endpoint in anew:
            _say(
                f"{endpoint} keeps no position: what its peers sent between the runs is theirs to send again"
            )

    def watch(self, sources: Mapping[str, Source], sinks: Mapping[str, Sink]) -> None:
        """Tell readers how these ends are, from when the run is up."""
        self._health = HealthFile(sources, sinks)
        self._stack.callback(self._health.settle, SETTLE_S)

    def running(self, identity: RunIdentity, run: Path) -> None:
        self._run = run
        self.tick("running")
        try:
            if self._server is not None:
                self._server.serve(run)
            for text in _news(identity):
                _say(text)
        finally:  # whoever waits for the start must hear of it
            self._service.ready(identity.run_id)
            if self._on_running is not None:
                self._on_running(identity, run)

    def news(self, text: str) -> None:
        """Something that an operator should hear while the run lives."""
        _say(text)

    def tick(self, state: str) -> None:
        self._service.tick(state)
        if self._health is not None and self._run is not None:
            self._health.note(self._run)


@contextlib.contextmanager
def attend(on_running: OnRunning | None = None) -> Iterator[Attendants]:
    """Attendants for one run, let go when it has ended."""
    with contextlib.ExitStack() as stack:
        service = Service(os.environ)
        stack.callback(service.close)
        yield Attendants(service, on_running, stack)


def _news(identity: RunIdentity) -> Iterator[str]:
    """What became of the tuning that somebody asked for, and otherwise only what is less than usual."""
    if identity.profile != "default":
        yield f"profile {identity.profile}"
        for line in identity.tuning:
            why = f" ({line.why})" if line.why else ""
            yield f"  {line.request:<10} {line.requested} -> {line.applied}, {line.status}{why}"
    else:
        yield from shortfalls(identity.tuning)
    if identity.metrics:
        yield f"metrics at http://{identity.metrics}/metrics"


def _say(text: str) -> None:
    print(f"note: {text}", file=sys.stderr, flush=True)  # noqa: T201  (the run's own voice)
