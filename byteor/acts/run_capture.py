"""Capture of a run: begins when the run has a name, ends when it is known how it ended."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Sequence

from byteor._version import __version__
from byteor.acts.captures import captures_folder
from byteor.acts.incidents import incidents
from byteor.atomic import private_folder
from byteor.errors import ByteorError, Exit
from byteor.incident.capture import (
    Ask,
    Capture,
    CapturedStage,
    CaptureFacts,
    CaptureSettings,
    EgressMode,
    Mode,
)
from byteor.incident.recording import prune
from byteor.runtime.folders import RunIdentity, list_runs
from byteor.runtime.prepare import Prepared
from byteor.state import state_dir

MODES = {"on": "on", "true": "on", "1": "on", "off": "off", "false": "off", "0": "off"}
KEPT_BYTES = 4 << 30  # of all captures of this user
KEPT_AGE_S = 7 * 86_400.0
NO_ROOM = "free space, or run with --capture off (best-effort too needs room to begin)"


class RunCapture:
    """The tap of a run, from before it has a name. Until ``begin`` nothing is recorded."""

    def __init__(self, mode: Mode, egress: EgressMode) -> None:
        self._settings = CaptureSettings(mode=mode, egress=egress)
        self._capture: Capture | None = None

    def begin(self, identity: RunIdentity, prepared: Prepared, modules: Sequence[str]) -> None:
        """Raises ``E_CAPTURE_SPACE``; with best-effort capture too, for nothing could be recorded at all."""
        root = private_folder(private_folder(state_dir()) / captures_folder().name)
        with contextlib.suppress(OSError):  # an old capture that cannot be removed keeps no run from starting
            live = {info.identity.run_id for info in list_runs() if info.alive}
            kept = {one.run_id or "" for one in incidents().values() if one.state != "closed"}
            prune(root, KEPT_BYTES, KEPT_AGE_S, time.time(), frozenset(live | kept))
        facts = facts_of(identity, prepared, modules, self._settings.egress)
        folder = root / identity.run_id
        try:
            self._capture = Capture(folder, facts, prepared.spec.canonical, self._settings)
        except ByteorError as error:
            shutil.rmtree(folder, ignore_errors=True)
            error.hint = NO_ROOM  # best-effort would not begin either
            raise
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise ByteorError(
                "E_CAPTURE_SPACE",
                f"the capture cannot begin in {root}: {error.strerror}",
                hint=NO_ROOM,
                exit=Exit.RUNTIME,
            ) from None

    def ingress(
        self, ingress: int, shard: int, first_origin: int, arrival_ns: int, messages: Sequence[bytes]
    ) -> None:
        if self._capture is not None:
            self._capture.ingress(ingress, shard, first_origin, arrival_ns, messages)

    def egress(self, egress: int, origins: bytes, ingresses: bytes, lengths: bytes, payload: bytes) -> None:
        if self._capture is not None:
            self._capture.egress(egress, origins, ingresses, lengths, payload)

    def choices(self, worker: int, index: int, count: int) -> None:
        if self._capture is not None:
            self._capture.choices(worker, index, count)

    def turns(self, worker: int, end: int, turns: Sequence[int]) -> None:
        if self._capture is not None:
            self._capture.turns(worker, end, turns)

    def ask(self, worker: int, end: int, turns: Ask) -> None:
        if self._capture is not None:
            self._capture.ask(worker, end, turns)

    def undecided(self, worker: int) -> None:
        if self._capture is not None:
            self._capture.undecided(worker)

    def close(self) -> None:
        """The workers have gone; how the run ended is still to come, see ``finish``."""

    @property
    def lost(self) -> int:
        """Messages that could not be recorded."""
        return self._capture.lost if self._capture is not None else 0

    def finish(self, state: str) -> None:
        """Note how the run ended, and close. What cannot be noted any more is told by its absence."""
        if self._capture is not None:
            with contextlib.suppress(ByteorError):
                self._capture.note({"state": state})
            with contextlib.suppress(ByteorError):
                self._capture.close()

    def discard(self) -> None:
        """The run did not start: nothing was recorded, and what is kept would only crowd out evidence."""
        if self._capture is not None:
            with contextlib.suppress(ByteorError):
                self._capture.close()
            shutil.rmtree(self._capture.folder, ignore_errors=True)


def capture_for(mode: str, egress: str) -> RunCapture | None:
    """The tap for ``--capture`` and ``--capture-egress``; None for off. Raises ``E_USAGE``."""
    chosen = MODES.get(mode.lower(), mode.lower())
    if chosen not in ("on", "off", "best-effort"):
        raise _usage(f"unknown capture {mode!r}", "--capture on, off or best-effort")
    if egress not in ("payload", "digest"):
        raise _usage(f"unknown capture of outputs {egress!r}", "--capture-egress payload or digest")
    if chosen == "off":
        return None
    return RunCapture(
        "on" if chosen == "on" else "best-effort", "payload" if egress == "payload" else "digest"
    )


def facts_of(
    identity: RunIdentity, prepared: Prepared, modules: Sequence[str], egress: EgressMode
) -> CaptureFacts:
    """``capture.json`` of a run."""
    names = {worker.stage: worker.name for worker in reversed(prepared.wiring.workers)}
    return CaptureFacts(
        run_id=identity.run_id,
        name=identity.name,
        pipeline=identity.pipeline,
        model=identity.model,
        spec_hash=identity.spec_hash,
        env=identity.env,
        started_unix_ns=identity.started_unix_ns,
        source=identity.source,
        sink=identity.sink,
        egress=egress,
        seed=identity.seed,
        kernel=identity.kernel,
        package_version=__version__,
        stages=tuple(
            CapturedStage(names[index], stage.key, stage.definition.kind, stage.digest())
            for index, stage in sorted(prepared.stages.items())
        ),
        stage_modules=tuple(modules),
    )


def _usage(why: str, hint: str) -> ByteorError:
    return ByteorError("E_USAGE", why, hint=hint, exit=Exit.USAGE)
