"""Check a spec's determinism with a recording."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from byteor.acts.captures import capture_of
from byteor.errors import ByteorError
from byteor.incident.determinism.check import Checked, check
from byteor.incident.determinism.child import ChildOrder
from byteor.incident.recording import Recording
from byteor.runtime.prepare import Prepared, prepare
from byteor.spec import load


class DeterminismDone(msgspec.Struct, frozen=True):
    """``kinds``: what each stage declares itself to be."""

    run_id: str
    spec_hash: str
    checked: Checked
    kinds: dict[str, str]


def determinism_check(spec: Path, which: str | None, modules: tuple[str, ...], most: int) -> DeterminismDone:
    """Replay the first ``most`` inputs of a capture (None: the newest of this pipeline, else of any) through
    ``spec`` under every condition.

    Raises ``E_CAPTURE_MISSING``, ``E_REPLAY_DIED``, and what the spec or its stages raise.
    """
    prepared = prepare(load(spec, strict=True), modules)
    recording = _recording(which, prepared)
    order = ChildOrder(
        capture=recording.place,
        spec=str(spec.resolve()),
        modules=tuple(str(Path(one).resolve()) if one.endswith(".py") else one for one in modules),
        sys_path=tuple(sys.path),
        most=most,
        batch=256,
    )
    kinds: dict[str, str] = {
        worker.name: prepared.stages[worker.stage].definition.kind
        for worker in prepared.wiring.of_role("stage")
    }
    return DeterminismDone(recording.facts.run_id, prepared.spec.spec_hash, check(order), kinds)


def _recording(which: str | None, prepared: Prepared) -> Recording:
    if which is not None:
        return capture_of(which)
    try:
        return capture_of(prepared.spec.name)
    except ByteorError:
        return capture_of(None)
