"""Runs in this process, from lists to lists: sources, sinks and a witness of our own around ``execute``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from byteor.edge.base import SinkEdge, SourceEdge
from byteor.runtime.adapter import Health, Sink, Source
from byteor.runtime.ends import Ends
from byteor.runtime.execute import Ended, execute
from byteor.runtime.folders import RunIdentity
from byteor.runtime.observe import RunObserver
from byteor.runtime.options import ExecuteOptions
from byteor.runtime.prepare import Prepared
from byteor.runtime.sample import RunSample


class ListSource(SourceEdge):
    """Gives ``batches`` one by one."""

    def __init__(self, batches: Sequence[Sequence[bytes]]) -> None:
        super().__init__("list")
        self._batches = list(batches)

    def open(self) -> None: ...

    def read(self, max_messages: int, timeout_s: float) -> Sequence[bytes] | None:
        return self._batches.pop(0) if self._batches else None

    def close(self) -> None: ...

    def health(self) -> Health:
        return Health(True)


class QuietSource(SourceEdge):
    """Gives nothing, until it is stopped or ``ended``."""

    def __init__(self) -> None:
        super().__init__("quiet")
        self.ended = False

    def open(self) -> None: ...

    def read(self, max_messages: int, timeout_s: float) -> Sequence[bytes] | None:
        time.sleep(timeout_s)
        return None if self.ended else []

    def close(self) -> None: ...

    def health(self) -> Health:
        return Health(True)


class ListSink(SinkEdge):
    """Keeps everything; each batch takes it ``slow_s``."""

    def __init__(self, slow_s: float = 0.0) -> None:
        super().__init__("list")
        self.got: list[bytes] = []
        self._slow_s = slow_s

    def open(self) -> None: ...

    def write(self, messages: Sequence[bytes | memoryview]) -> None:
        self.got += [bytes(message) for message in messages]
        time.sleep(self._slow_s)

    def close(self) -> None: ...

    def health(self) -> Health:
        return Health(True)


class Witness:
    """Keeps the last look at the run while its regions are still there."""

    def __init__(self) -> None:
        self.run = Path()

    def starting(self, identity: RunIdentity) -> None: ...

    def not_started(self, identity: RunIdentity, why: str) -> None: ...

    def running(self, identity: RunIdentity, run: Path) -> None:
        self.run = run

    def tick(self, state: str) -> None: ...

    def news(self, text: str) -> None: ...

    def ended(self, ended: Ended) -> None: ...

    def sample(self) -> RunSample:
        with RunObserver(self.run) as observer:
            return observer.sample()


def play_ends(
    prepared: Prepared, sources: Sequence[Source], sinks: Sequence[Sink], **options: Any
) -> tuple[Ended, RunSample]:
    """Run ``prepared`` between these ends to its end; how it ended, and a last look at it."""
    given = {
        "name": "play",
        "sources": tuple("list:" for _ in sources),
        "sinks": tuple("list:" for _ in sinks),
        "stage_modules": ("graph_stages",),
        "executor": "sp",
        "run_for_s": 60.0,
    }
    witness = Witness()
    ended = execute(
        prepared, Ends(tuple(sources), tuple(sinks)), ExecuteOptions(**{**given, **options}), witness
    )
    return ended, witness.sample()
