"""A recorded run without a run: a spec, messages, and what the stages of a module made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from byteor._version import __version__
from byteor.incident.capture import Capture, CapturedStage, CaptureFacts, CaptureSettings
from byteor.incident.frames import Batch
from byteor.incident.recording import Recording, open_capture
from byteor.incident.replay.session import Replayed, ReplayOrder, replay
from byteor.runtime.stages import resolve
from byteor.runtime.wiring.wire import wire
from byteor.spec import ValidatedSpec, check_document, read_document

Outputs = Iterable[tuple[int, bytes]]  # (origin, payload), in the order of the egress


class Scene:
    """One pipeline of stage keys in a row, its stages in a module of its own, and its captures."""

    def __init__(self, root: Path, code: str, *keys: str, capacity: int = 64) -> None:
        self.root = root
        self.module = root / f"stages_{abs(hash(root)):x}.py"
        self.module.write_text(code)
        lines = ["v=1", "model=single_ring", "name=pipe", f"single_ring.capacity={capacity}"]
        for index, key in enumerate(keys):
            lines += [f"single_ring.stages.{index}.name=s{index}", f"single_ring.stages.{index}.key={key}"]
            if index:
                lines.append(f"single_ring.stages.{index}.depends_on.0={index - 1}")
        path = root / "pipe.spec.kv"
        path.write_text("\n".join(lines) + "\n")
        self.spec: ValidatedSpec = check_document(read_document(path, strict=True)).required()
        self.wiring = wire(self.spec.spec)
        self.stages = {
            index: resolve(stage.key, [str(self.module)] if code else [])
            for index, stage in enumerate(self.spec.spec.stages)
        }

    def facts(self, run_id: str = "pipe-1", egress: str = "payload", seed: int = 0) -> CaptureFacts:
        return CaptureFacts(
            run_id=run_id,
            name="pipe",
            pipeline="pipe",
            model=self.spec.model,
            spec_hash=self.spec.spec_hash,
            env="dev",
            started_unix_ns=1,
            source="generate:1,1",
            sink="null:",
            egress=egress,  # type: ignore[arg-type]
            seed=seed,
            kernel="native",
            package_version=__version__,
            stages=tuple(
                CapturedStage(f"s{index}", stage.key, stage.definition.kind, stage.digest())
                for index, stage in self.stages.items()
            ),
            stage_modules=(str(self.module),),
        )

    def record(
        self,
        messages: Sequence[bytes],
        outputs: Outputs,
        *,
        batch: int = 7,
        digests: bool = False,
        finished: bool = True,
        folder: str = "capture",
        arrival_ns: Callable[[int], int] = lambda origin: 1_000 + origin,
    ) -> Recording:
        """A capture of ``messages`` that came in and ``outputs`` that left."""
        egress = "digest" if digests else "payload"
        capture = Capture(
            self.root / folder,
            self.facts(egress=egress),
            self.spec.canonical,
            CaptureSettings(egress=egress),  # type: ignore[arg-type]
        )
        for first in range(0, len(messages), batch):
            capture.ingress(0, 0, first, arrival_ns(first), messages[first : first + batch])
        rows = list(outputs)
        for first in range(0, len(rows), batch):
            part = rows[first : first + batch]
            origins, payloads = [origin for origin, _ in part], [data for _, data in part]
            capture.egress(0, *Batch.of(origins, [0] * len(part), payloads))
        if finished:
            capture.note({"state": "finished"})
        capture.close()
        return open_capture(self.root / folder)

    def replay(self, recording: Recording, **order: object) -> Replayed:
        return replay(recording, self.wiring, self.stages, ReplayOrder(**order))  # type: ignore[arg-type]
