"""Who stands beside a run while it lives: the metrics server, systemd, and whoever waits for its start."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from byteor.acts.service import Service
from byteor.runtime.folders import RunIdentity
from byteor.runtime.telemetry_server import TelemetryServer

OnRunning = Callable[[RunIdentity, Path], None]


class Attendants:
    """``running`` once, when every worker runs; ``tick`` at each turn of the supervisor's loop."""

    def __init__(
        self, server: TelemetryServer | None, service: Service, on_running: OnRunning | None
    ) -> None:
        self._server, self._service, self._on_running = server, service, on_running

    @property
    def metrics(self) -> str:
        """``HOST:PORT`` where metrics are served; empty where they are not."""
        return self._server.address if self._server is not None else ""

    def running(self, identity: RunIdentity, run: Path) -> None:
        if self._server is not None:
            self._server.serve(run)
        self._service.ready(identity.run_id)
        if self._on_running is not None:
            self._on_running(identity, run)

    def told(self, anew: Sequence[str]) -> None:
        """Sources that keep no position begin anew after a replacement: somebody should know."""
        for endpoint in anew:
            print(  # noqa: T201  (the run's own voice)
                f"note: {endpoint} keeps no position: what its peers sent between the two runs is theirs to "
                "send again",
                file=sys.stderr,
            )

    def tick(self, state: str) -> None:
        self._service.tick(state)


@contextlib.contextmanager
def attend(metrics_addr: str | None, on_running: OnRunning | None = None) -> Iterator[Attendants]:
    """Take the metrics address at once, so that a taken one keeps the run from starting.

    Raises ``E_METRICS_ADDR``.
    """
    with contextlib.ExitStack() as stack:
        server = None if metrics_addr is None else stack.enter_context(TelemetryServer(metrics_addr))
        service = Service(os.environ)
        stack.callback(service.close)
        yield Attendants(server, service, on_running)
