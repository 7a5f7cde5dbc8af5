"""What a run leaves for the time after: its capture, and a bundle when it fails."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from byteor.acts.incident_watch import watch_for_incidents
from byteor.acts.run_capture import RunCapture
from byteor.errors import ByteorError
from byteor.runtime.adapter import Tap
from byteor.runtime.execute import Ended
from byteor.runtime.folders import RunIdentity, find_run
from byteor.runtime.prepare import Prepared

BUNDLE_BYTES = 8 << 20  # of a failed run's newest messages, at once; the whole is still in the capture


class Recorder:
    """Follows one run from its name to its end. ``tap`` is what ``capture_for`` made, or None."""

    def __init__(self, tap: Tap | None, prepared: Prepared, modules: Sequence[str]) -> None:
        self._capture = tap if isinstance(tap, RunCapture) else None
        self._prepared, self._modules = prepared, modules
        self._watch = watch_for_incidents()

    @contextlib.contextmanager
    def begin(self, identity: RunIdentity) -> Iterator[None]:
        """Record from now on; not when the block refuses the run. Raises ``E_CAPTURE_SPACE``."""
        if self._capture is not None:
            self._capture.begin(identity, self._prepared, self._modules)
        try:
            yield
        except BaseException:
            self.not_started()
            raise

    def not_started(self) -> None:
        """No message came; there is nothing to keep."""
        self._watch.close()
        if self._capture is not None:
            self._capture.discard()

    def running(self, run: Path) -> None:
        """Every worker runs; ``run`` is its folder."""
        self._watch.running(run)

    def tick(self) -> None:
        """At each turn of the supervisor's loop."""
        self._watch.tick()

    def finish(self, state: str) -> None:
        """The run ended as ``state`` says."""
        self._watch.close()
        if self._capture is not None:
            self._capture.finish(state)

    @property
    def lost(self) -> int:
        """Messages that a best-effort capture had no room for."""
        return self._capture.lost if self._capture is not None else 0

    def bundle_failure(self, ended: Ended) -> str | None:
        """Bundle a run that failed; the incident's id. That no bundle can be written fails nothing else."""
        failure = ended.result.first_failure
        if ended.result.state != "failed" or failure is None:
            return None
        from byteor.acts.bundles import bundle_info

        try:
            done = bundle_info(
                find_run(ended.identity.run_id),
                None,
                cause=f"stage failure: {failure.code}",
                slice_bytes=BUNDLE_BYTES,
            )
        except (ByteorError, OSError):
            return None
        return done.incident_id
