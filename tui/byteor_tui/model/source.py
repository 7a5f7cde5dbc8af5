"""Where samples of a run come from: shared memory now; replay, snapshot and recording have the same shape."""

from __future__ import annotations

from typing import Protocol

from byteor.runtime.sample import RunSample


class Source(Protocol):
    """One run seen from outside. One thread calls it; it never waits for the run."""

    def sample(self) -> RunSample:
        """The run at this instant. Raises ``ByteorError`` when its folder can no longer be read."""

    def close(self) -> None:
        """Let go of everything that is mapped or open."""
