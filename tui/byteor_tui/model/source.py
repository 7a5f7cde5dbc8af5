"""Where samples of a run come from: shared memory now; replay, snapshot and recording have the same shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from byteor.runtime.sample import RunSample


class Source(Protocol):
    """One run seen from outside. One thread calls it; it never waits for the run."""

    def sample(self) -> RunSample:
        """The run at this instant. Raises ``ByteorError`` when its folder can no longer be read."""

    def close(self) -> None:
        """Let go of everything that is mapped or open."""


class Late:
    """The source of a run that has only begun: opened with the first sample for which everything is there."""

    def __init__(self, opened: Callable[[], Source]) -> None:
        self._opened = opened
        self._source: Source | None = None

    def sample(self) -> RunSample:
        """The run at this instant. Raises what keeps it from being opened."""
        if self._source is None:
            self._source = self._opened()
        return self._source.sample()

    def close(self) -> None:
        if self._source is not None:
            self._source.close()
