"""A clean pipeline, recorded twice and replayed three times, in one process and in two: always the same."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from byteor.acts import replays
from byteor.acts.captures import capture_of
from byteor.acts.run import RunOrder, run
from byteor.incident.frames import EGRESS
from byteor.spec.build import single_ring

pytestmark = pytest.mark.campaign

STAGES = """
from byteor.runtime.stages import batch_stage, stage

@stage
def upper(message):
    return message.upper()

@stage(kind="seeded")
def salted(message, context):
    return message + b"%d" % context.random.randrange(1000)

@batch_stage()
def odd(messages):
    return [m if m[15] % 2 else None for m in messages]
"""


def outputs(which: str) -> str:
    """The digest of all outputs, in order, each with its origin."""
    total = hashlib.sha256()
    for _, frame in capture_of(which).read():
        if frame.kind == EGRESS:
            for origin, payload in zip(frame.origins, frame.payloads(), strict=True):
                total.update(origin.to_bytes(8, "little") + len(payload).to_bytes(4, "little") + payload)
    return total.hexdigest()


@pytest.mark.parametrize("count", [1, 10_000, 200_000])
def test_a_clean_pipeline_is_byte_equal_every_time(home: Path, count: int) -> None:
    module = home / f"clean_{count}.py"
    module.write_text(STAGES)
    spec = home / "clean.spec.kv"
    ring = single_ring("clean", capacity=1024)
    for name, key in (("a", "upper"), ("b", "salted"), ("c", "odd"), ("d", "crc32c_append")):
        ring = ring.stage(name, key)
    spec.write_bytes(ring.build().canonical)
    seen, certified = set(), set()
    for executor in ("sp", "mp"):
        for _ in range(2):
            order = RunOrder(
                spec=spec,
                sources=(f"generate:{count},48,7",),
                sinks=("null:",),
                stage_modules=(str(module),),
                executor=executor,  # type: ignore[arg-type]
                seed=11,
            )
            run_id = run(order).result.run_id
            seen.add(outputs(run_id))
            for _ in range(3):
                done = replays.replay_now(replays.ReplayRequest(which=run_id)).replayed
                assert not done.diverged
                assert done.ordered
                certified.add((done.counts, done.sample_sha256))
    assert len(seen) == 1
    assert len(certified) == 1
