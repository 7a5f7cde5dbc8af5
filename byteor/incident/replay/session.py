"""One replay, from a recording and a spec to a verdict: passes in children, and what differed first."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

import msgspec

from byteor.incident.frames import Batch, Frame
from byteor.incident.recording import Recording
from byteor.incident.replay.beat import Beat
from byteor.incident.replay.compare import MAX_TOLD, Compared, Comparison, Counts, Difference
from byteor.incident.replay.decided import Decided, as_decided
from byteor.incident.replay.inputs import (
    Extent,
    Range,
    extent,
    inputs,
    outputs,
    payload_at,
    resolved_range,
    shards_of,
)
from byteor.incident.replay.isolated import isolated
from byteor.incident.replay.rehearsal import Rehearsal, Rehearsed, rehearse
from byteor.incident.replay.stand_ins import stand_ins
from byteor.incident.replay.trace import Trace
from byteor.runtime.folders import Failure
from byteor.runtime.stages import ResolvedStage
from byteor.runtime.wiring import Wiring

STALL_S = 30.0
HELD = 4096  # messages that a worker takes at once, at most
SAMPLES = 16  # inputs whose digest the audit lists


class ReplayOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for. ``rate`` in messages a second; None: as fast as it goes. ``stall_s``: for how long
    nothing may move before the pass is given up. ``spec_hash``: of the spec to run, None: the recorded one.
    """

    range: Range = Range()
    dry_run: bool = True
    rate: float | None = None
    batch: int = 256
    until_divergence: bool = False
    stall_s: float = STALL_S
    spec_hash: str | None = None
    traced: bool = False


class Act(msgspec.Struct, frozen=True):
    """A stage with an outside effect, and on how many messages it acted or would have."""

    stage: str
    key: str
    decision: str  # replaced | performed
    messages: int


class Told(msgspec.Struct, frozen=True):
    """The first difference, with everything that an operator needs to look at it."""

    difference: Difference
    input: bytes | None
    last_equal: int | None
    stage: str | None
    why: str


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay came to. ``failure``: a stage failed, at the input ``failed_at``; what came from there on
    was left out. ``ordered`` is False where the order of outputs depends on timing.
    """

    extent: Extent
    range: Range
    inputs: int
    input_bytes: int
    sample_sha256: tuple[str, ...]
    counts: Counts
    first: Told | None
    differing: tuple[int, ...]
    failure: Failure | None
    failed_at: int | None
    acts: tuple[Act, ...]
    duration_ns: int
    ordered: bool
    from_start: bool
    differences: tuple[Difference, ...] = ()
    trace: Trace = Trace()

    @property
    def diverged(self) -> bool:
        return self.counts.diverged


class _Pass(msgspec.Struct, frozen=True):
    """What a child says of its pass."""

    ended: Rehearsed
    compared: tuple[Compared, ...]
    acts: tuple[Act, ...]


def replay(
    recording: Recording,
    wiring: Wiring,
    stages: Mapping[int, ResolvedStage],
    order: ReplayOrder,
    found: Extent | None = None,
) -> Replayed:
    """Run the chosen inputs and compare every output.

    A stage that fails ends a pass with messages in flight, so the inputs before it are replayed once more by
    themselves; unless stages act, which must not act twice. Raises ``E_REPLAY_INPUT``, ``E_REPLAY_SPEC``,
    ``E_REPLAY_DIED``, ``E_REPLAY_STALLED``.
    """
    found = extent(recording) if found is None else found
    wanted = resolved_range(order.range, found)
    passed = _isolated_pass(recording, wiring, stages, order, wanted, found)
    failure, at = passed.ended.failure, passed.ended.failed_at
    gone: list[Difference] = []
    before: int | None = None
    if order.dry_run and failure is not None and at is not None and _any_before(wanted, at):
        gone, before = _left_out(recording, wiring, found, wanted, at)
        wanted = _cut(wanted, at)
        passed = _isolated_pass(recording, wiring, stages, order, wanted, found)
    decided = _decided(recording, wiring, wanted, found, order)
    counts, first, last_equal, differing = _merged(passed.compared)
    if gone:
        counts = counts.plus(Counts(missing=len(gone)))
        if first is None:
            first, last_equal = gone[0], before
        differing = tuple(sorted({*differing, *(one.origin for one in gone[:MAX_TOLD])}))
    count, size, samples = _sampled(recording, wanted)
    return Replayed(
        extent=found,
        range=wanted,
        inputs=count,
        input_bytes=size,
        sample_sha256=samples,
        counts=counts,
        first=None if first is None else _told(recording, wiring, stages, first, last_equal, failure),
        differing=differing,
        failure=failure,
        failed_at=at,
        acts=passed.acts,
        duration_ns=passed.ended.duration_ns,
        ordered=is_ordered(decided.wiring, frozenset(decided.choices)),
        from_start=found.first_recorded and wanted.only is None and wanted.first == 0,
        differences=tuple(
            sorted(
                (one for item in passed.compared for one in item.differences),
                key=lambda one: (one.origin, one.egress, one.k),
            )
        ),
        trace=passed.ended.trace,
    )


def _any_before(wanted: Range, origin: int) -> bool:
    if wanted.only is not None:
        return any(item < origin for item in wanted.only)
    return wanted.first is None or wanted.first < origin


def _cut(wanted: Range, origin: int) -> Range:
    """``wanted`` without ``origin`` and what came after it."""
    if wanted.only is not None:
        return Range(only=frozenset(item for item in wanted.only if item < origin))
    return Range(first=wanted.first, last=origin - 1)


def _left_out(
    recording: Recording, wiring: Wiring, found: Extent, wanted: Range, at: int
) -> tuple[list[Difference], int | None]:
    """The recorded outputs of ``wanted`` from the input ``at`` on, which a failing stage kept from coming
    again: it did not fail in the recorded run. And the input of the last output before them.

    Of a graph whose run failed nobody can say so: another branch may have gone on.
    """
    gone: list[Difference] = []
    before: int | None = None
    if found.state == "failed" and any(not worker.in_place for worker in wiring.of_role("stage")):
        return gone, before
    for worker in wiring.of_role("sink"):
        place, seen = 0, Counter[int]()
        for frame in outputs(recording, wanted, worker.endpoint):
            for origin, payload in zip(frame.origins, frame.payloads(), strict=True):
                if origin >= at:
                    gone.append(
                        Difference(
                            "missing",
                            worker.endpoint,
                            origin,
                            seen[origin],
                            place,
                            payload,
                            None,
                            frame.digests,
                        )
                    )
                    seen[origin] += 1
                else:
                    before = max(origin, before or 0)
                place += 1
    return sorted(gone, key=lambda one: (one.origin, one.egress)), before


def _isolated_pass(
    recording: Recording,
    wiring: Wiring,
    stages: Mapping[int, ResolvedStage],
    order: ReplayOrder,
    wanted: Range,
    found: Extent,
) -> _Pass:
    return isolated(
        lambda beat: _one_pass(recording, wiring, stages, order, wanted, found, beat), _Pass, order.stall_s
    )


def _one_pass(
    recording: Recording,
    wiring: Wiring,
    stages: Mapping[int, ResolvedStage],
    order: ReplayOrder,
    wanted: Range,
    found: Extent,
    beat: Beat,
) -> _Pass:
    wiring, followed = _decided(recording, wiring, wanted, found, order)
    standing = stand_ins(stages, dry_run=order.dry_run)
    plan = Rehearsal(
        wiring=wiring,
        stages=standing,
        seed=recording.facts.seed,
        batch=order.batch,
        rate=order.rate,
        choices=followed,
        traced=order.traced,
    )
    ordered = is_ordered(wiring, frozenset(followed))
    shard_at = shards_of(recording) if wiring.shard_key is not None else lambda origin: 0

    recorded_inputs = _recorded_inputs(recording, wanted) if found.lost else wanted

    def recorded(egress: int, shard: int) -> Iterator[Frame]:
        """A sink takes a batch of one shard at a time, so that each frame is of one."""
        frames = outputs(recording, recorded_inputs, egress)
        return (frame for frame in frames if shard_at(frame.origins[0]) == shard)

    comparisons = {
        (worker.endpoint, shard): Comparison(
            worker.endpoint,
            recorded(worker.endpoint, shard),
            ordered=ordered,
            recorded_to=_recorded_to(wiring, found, recorded(worker.endpoint, shard)),
            in_flight=_in_flight(wiring, found),
            until_divergence=order.until_divergence,
        )
        for worker in wiring.of_role("sink")
        for shard in range(len(worker.rx) if wiring.shard_key is not None else 1)
    }

    def take(egress: int, batch: Batch) -> bool:
        first = int.from_bytes(batch.origins[:8], "little")
        return comparisons[egress, shard_at(first)].feed(batch)

    ended = rehearse(plan, inputs(recording, wanted), take, beat)
    acts = tuple(
        Act(worker.name, worker.key, "replaced" if stand_in.replaced else "performed", sum(stand_in.acts))
        for worker in wiring.of_role("stage")
        if (stand_in := standing[worker.stage]).replaced or stages[worker.stage].definition.kind == "external"
    )
    return _Pass(ended, tuple(comparison.finish() for comparison in comparisons.values()), acts)


def _decided(
    recording: Recording, wiring: Wiring, wanted: Range, found: Extent, order: ReplayOrder
) -> Decided:
    same_spec = order.spec_hash in (None, recording.facts.spec_hash)
    return as_decided(wiring, wanted, found, same_spec=same_spec)


def is_ordered(wiring: Wiring, followed: Set[int] = frozenset()) -> bool:
    """Whether the order of outputs follows from the inputs, and from the choices of the workers whose rows
    are ``followed``; not from who was quicker. Of shards each has its order.
    """
    timed = any(
        worker.row not in followed
        and (worker.chooses or (worker.role == "sink" and len(worker.rx) > 1 and wiring.shard_key is None))
        for worker in wiring.workers
    )
    return not timed and all(lane.producers == 1 for lane in wiring.lanes)


def _recorded_to(wiring: Wiring, found: Extent, frames: Iterable[Frame]) -> int | None:
    """Beyond which origin outputs may be absent from ``frames``: the run broke off, dropped some, or could
    not record some.
    """
    if wiring.on_full == "drop" or found.lost:
        return -1
    return None if found.finished else max((max(frame.origins) for frame in frames), default=-1)


def _recorded_inputs(recording: Recording, wanted: Range) -> Range:
    """Of what a best-effort capture had no room for nothing comes again, though its output may be there."""
    return Range(only=frozenset(o for frame in inputs(recording, wanted) for o in frame.origins))


def _in_flight(wiring: Wiring, found: Extent) -> int:
    """How many messages a run that broke off may have held that are older than its last output: where one
    branch was behind another.
    """
    if found.finished or not any(map(wiring.decides, wiring.workers)):
        return 0
    return sum(lane.capacity for lane in wiring.lanes) + HELD * len(wiring.workers)


def _merged(found: Sequence[Compared]) -> tuple[Counts, Difference | None, int | None, tuple[int, ...]]:
    counts = Counts()
    for item in found:
        counts = counts.plus(item.counts)
    firsts = [item for item in found if item.first is not None]
    first = min(
        firsts,
        key=lambda item: (item.first.origin, item.first.egress) if item.first else (0, 0),
        default=None,
    )
    differing = tuple(sorted({origin for item in found for origin in item.differing}))
    return counts, first.first if first else None, first.last_equal if first else None, differing


def _told(
    recording: Recording,
    wiring: Wiring,
    stages: Mapping[int, ResolvedStage],
    difference: Difference,
    last_equal: int | None,
    failure: Failure | None,
) -> Told:
    stage, why = blame(recording, wiring, stages)
    if failure is not None and difference.verdict == "missing":
        stage, why = failure.stage, "it fails now, and did not in the recorded run"
    return Told(difference, payload_at(recording, difference.origin), last_equal, stage, why)


def blame(
    recording: Recording, wiring: Wiring, stages: Mapping[int, ResolvedStage]
) -> tuple[str | None, str]:
    """The stage to look at first, and why: other code than was recorded, then a kind that may differ, then
    the last stage before the egress. A recording holds what entered and left, not what passed between stages.
    """
    workers = wiring.of_role("stage")
    recorded = dict(zip(sorted(stages), recording.facts.stages, strict=False))
    code = {index: stage.digest() for index, stage in stages.items()}
    for worker in workers:
        then = recorded.get(worker.stage)
        if then is None or then.key != worker.key:
            return worker.name, "it is not the stage that was recorded"
        if then.digest.get("module_sha256") != code[worker.stage]["module_sha256"]:
            return worker.name, "its code is not the code that was recorded"
    odd = [worker for worker in workers if stages[worker.stage].definition.kind == "external"]
    own = [worker for worker in workers if code[worker.stage]["distribution"] != "byteor"]
    for candidates, why in (
        (odd, "it is declared external, and outside effects are not recorded"),
        (own if len(own) == 1 else [], "it is the only stage that is not built in"),
        (own, "it is the last stage of the user's own; byteor determinism check names the one that differs"),
        (workers, "it is the last stage before the egress"),
    ):
        if candidates:
            return candidates[-1].name, why
    return None, "there is no stage"


def _sampled(recording: Recording, wanted: Range) -> tuple[int, int, tuple[str, ...]]:
    """How many inputs and bytes, and the SHA-256 of the first few."""
    count = size = 0
    samples: list[str] = []
    for frame in inputs(recording, wanted):
        count += frame.count
        size += len(frame.body)
        if len(samples) < SAMPLES:
            samples += [
                hashlib.sha256(payload).hexdigest() for payload in frame.payloads()[: SAMPLES - len(samples)]
            ]
    return count, size, tuple(samples)
