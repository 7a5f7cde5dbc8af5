"""The rules of a SingleRing (section 2 of the format), each with its code."""

from __future__ import annotations

from byteor.spec.keys import builtin
from byteor.spec.limits import MAX_SHARDS, check_geometry, check_memory, check_stage_key
from byteor.spec.model import RingStage, SingleRing
from byteor.spec.report import Report

MAX_STAGES = 4
_MAX_SHOWN = 2 * MAX_STAGES  # more dependencies than a ring can have stages are wrong anyway
_P = "single_ring."


def check_ring(spec: SingleRing, report: Report, incomplete: frozenset[str] = frozenset()) -> None:
    """Report every rule that ``spec`` breaks. With stand-ins among the dependencies (the stages are in
    ``incomplete``) it is not judged which stages overlap."""
    check_settings(spec, report)
    check_stages(spec.stages, report)
    before = report.broken
    for index, stage in enumerate(spec.stages):
        _check_dependencies(index, stage, report)
    whole = _P + "stages" not in incomplete and report.broken == before
    if whole and len(spec.stages) <= MAX_STAGES:
        _check_shared_writes(spec.stages, report)


def check_settings(spec: SingleRing, report: Report) -> None:
    """The rules that do not look at the stages."""
    _check_sharding(spec, report)
    if check_geometry(spec.capacity, spec.slot_bytes, _P, report) and 1 <= spec.shards <= MAX_SHARDS:
        check_memory(spec, _P + "capacity", report)


def _check_sharding(spec: SingleRing, report: Report) -> None:
    if spec.producer == "mpmc":
        report.add("E_PRODUCER", "producer mpmc is not supported", _P + "producer", value=spec.producer)
    if spec.scheduling == "work_queue":
        report.add("E_SCHEDULING", "work_queue is not supported", _P + "scheduling", value=spec.scheduling)
    if not 1 <= spec.shards <= MAX_SHARDS:
        message = f"shards {spec.shards} is not in 1 to {MAX_SHARDS}"
        hint = f"write {min(max(spec.shards, 1), MAX_SHARDS)}"
        report.add("E_SHARDS", message, _P + "shards", value=spec.shards, hint=hint)
    elif spec.shards == 1:
        if spec.ordering != "strict":
            message = "one shard keeps the order of all messages, so ordering is strict"
            report.add("E_ORDERING", message, _P + "ordering", value=spec.ordering, hint="write strict")
        if spec.shard_key is not None:
            hint = "remove it, or set shards above 1"
            report.add(
                "E_ORDERING",
                "one shard needs no shard key",
                _P + "shard_key",
                value=spec.shard_key,
                hint=hint,
            )
    else:
        if spec.ordering != "per_key":
            message = f"{spec.shards} shards keep order only within a key"
            hint = "write ordering=per_key, or shards=1"
            report.add("E_ORDERING", message, _P + "ordering", value=spec.ordering, hint=hint)
        if spec.shard_key is None:
            message = f"{spec.shards} shards need a shard key"
            hint = "write single_ring.shard_key=json:/member or bytes:OFFSET:LENGTH"
            report.add("E_ORDERING", message, _P + "shard_key", hint=hint)
    _check_key_fits(spec, report)


def _check_key_fits(spec: SingleRing, report: Report) -> None:
    if spec.shards > 1 and spec.shard_key is not None and spec.shard_key.startswith("bytes:"):
        _, offset, length = spec.shard_key.split(":")
        if int(offset) + int(length) > spec.slot_bytes >= 8:
            message = (
                f"the shard key ends at byte {int(offset) + int(length)}, a slot holds {spec.slot_bytes}"
            )
            hint = "raise slot_bytes or move the key"
            report.add("E_CAPACITY", message, _P + "shard_key", value=spec.shard_key, hint=hint)


def check_stages(stages: tuple[RingStage, ...], report: Report) -> None:
    """The rules on the stages that do not look at their dependencies."""
    if not stages:
        report.add("E_NO_STAGES", "the ring has no stage", _P + "stages")
    if len(stages) > MAX_STAGES:
        message = f"the ring has {len(stages)} stages; the limit is {MAX_STAGES}"
        report.add("E_TOO_MANY_STAGES", message, f"{_P}stages.{MAX_STAGES}", value=len(stages))
    seen: dict[str, int] = {}
    for index, stage in enumerate(stages):
        if stage.name in seen:
            message = f"stages {seen[stage.name]} and {index} are both named `{stage.name}`"
            report.add("E_DUP_NAME", message, f"{_P}stages.{index}.name", value=stage.name)
        elif stage.name:
            seen[stage.name] = index
        check_stage_key(stage.key, f"{_P}stages.{index}.key", report)


def _check_dependencies(index: int, stage: RingStage, report: Report) -> None:
    prefix = f"{_P}stages.{index}"
    earlier = f"earlier stages are 0 to {index - 1}" if index else "the first stage depends on nothing"
    in_order: str | None = None
    for place, dependency in enumerate(stage.depends_on):
        key = f"{prefix}.depends_on.{place}"
        if dependency == index:
            message = f"stage {index} depends on itself"
            report.add("E_DEP_RANGE", message, key, value=dependency, hint=earlier, category="SelfDependency")
        elif dependency > index:
            message = f"stage {index} depends on {dependency}, which is not an earlier stage"
            report.add("E_DEP_RANGE", message, key, value=dependency, hint=earlier)
        elif place and stage.depends_on[place - 1] >= dependency:
            if in_order is None:
                ordered = sorted(set(stage.depends_on))
                in_order = ", ".join(map(str, ordered[:_MAX_SHOWN])) + ", ..." * (len(ordered) > _MAX_SHOWN)
            message = "the dependencies are not strictly increasing"
            report.add("E_DEP_ORDER", message, key, value=dependency, hint=f"write them as {in_order}")
    if index and not stage.depends_on and stage.key != "identity":
        message = f"stage {index} (`{stage.name}`) does not say what it depends on"
        hint = f"add {prefix}.depends_on.0={index - 1}"
        report.add("E_DEP_MISSING", message, f"{prefix}.depends_on", hint=hint)


def _check_shared_writes(stages: tuple[RingStage, ...], report: Report) -> None:
    """A writer must be ordered against every other stage; ``before[i]`` is a bit set of what i waits for."""
    before: list[int] = []
    for stage in stages:
        reached = 0
        for dependency in stage.depends_on:
            reached |= before[dependency] | 1 << dependency
        before.append(reached)
    for index, stage in enumerate(stages):
        known = builtin(stage.key)
        if known is None or not known.writes:
            continue
        overlapping = [
            other
            for other in range(len(stages))
            if other != index and not before[other] >> index & 1 and not before[index] >> other & 1
        ]
        if overlapping:
            names = ", ".join(f"`{stages[other].name}`" for other in overlapping)
            message = f"stage {index} (`{stage.name}`) rewrites the slot while {names} may read it"
            later = [other for other in overlapping if other > index]
            hint = (
                f"make {names} depend on `{stage.name}`"
                if later
                else f"make `{stage.name}` depend on {names}"
            )
            report.add("E_SHARED_WRITE", message, f"{_P}stages.{index}.key", value=stage.key, hint=hint)
