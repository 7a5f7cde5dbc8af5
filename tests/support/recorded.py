"""A ring that ran and was captured, in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from byteor.acts.run import RunOrder, run

RING = (
    "v=1\nmodel=single_ring\nname={name}\nsingle_ring.capacity=64\n"
    "single_ring.stages.0.name=one\nsingle_ring.stages.0.key={key}\n"
)


def spec(folder: Path, key: str = "identity", name: str = "pipe") -> Path:
    path = folder / f"{name}-{key.partition(':')[0]}.spec.kv"
    path.write_text(RING.format(name=name, key=key))
    return path


def ran(folder: Path, count: int = 500, **order: Any) -> str:
    done = run(RunOrder(spec=spec(folder), sources=(f"generate:{count},40,7",), sinks=("null:",), **order))
    return done.result.run_id
