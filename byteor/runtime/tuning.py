"""Decide what a run asks of the machine and what it will get. A function of values; nothing is done here.

A profile makes six requests: wait strategy, pinning, scheduler, memory lock, prefault, shared-memory
placement. ``plan_tuning`` says for each what will be tried, and why less than was asked; ``settle`` joins
the plan with what ``byteor.runtime.tuning_apply`` met on the way. Each ends applied, degraded or failed.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from byteor.errors import Exit
from byteor.runtime.errors import RunError
from byteor.runtime.host import CpuFacts, HostFacts


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked. ``pinning``: none, balanced (a CPU each) or physical (a core each)."""

    name: str
    doc: str
    wait: str = "backoff"
    pinning: str = "none"
    scheduler: str = "other"  # other | fifo | rr
    priority: int = 0
    lock: bool = False
    prefault: bool = False


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(name="default", doc="shares the machine: workers back off, nothing is pinned or locked"),
        Profile(
            name="low-latency",
            doc="workers spin on a CPU each; regions are locked and touched before the first message",
            wait="spin",
            pinning="balanced",
            lock=True,
            prefault=True,
        ),
        Profile(
            name="isolated-core",
            doc="as low-latency, on physical cores that nobody else uses, with real-time priority",
            wait="spin",
            pinning="physical",
            scheduler="fifo",
            priority=10,  # above ordinary threads, below the kernel's own real-time threads (50)
            lock=True,
            prefault=True,
        ),
    )
}


class TuningLine(msgspec.Struct, frozen=True):
    """One request and what became of it: ``status`` is applied, degraded (``why``) or failed (``why``)."""

    request: str
    requested: str
    applied: str
    status: str = "applied"
    why: str = ""


class Placement(msgspec.Struct, frozen=True):
    """Where one worker shall run. ``cpu`` None: where the kernel likes."""

    worker: str
    cpu: int | None
    scheduler: str
    priority: int


class Tuning(msgspec.Struct, frozen=True, kw_only=True):
    """A plan. ``wait`` is the strategy to use; ``placements`` has one item a worker, in their order."""

    profile: str
    wait: str
    placements: tuple[Placement, ...]
    lock: str  # none | regions | all
    prefault: bool
    lines: tuple[TuningLine, ...]


class Problem(msgspec.Struct, frozen=True):
    """Something that a worker was refused while it applied the plan."""

    request: str
    worker: str
    why: str


def profile_of(name: str) -> Profile:
    """The profile of that name. Raises ``E_PROFILE`` (exit 2)."""
    if name not in PROFILES:
        known = ", ".join(PROFILES)
        raise RunError("E_PROFILE", f"no profile {name!r}", hint=f"one of {known}", exit=Exit.USAGE)
    return PROFILES[name]


def plan_tuning(
    profile: Profile,
    facts: HostFacts,
    workers: Sequence[str],
    *,
    wait: str | None = None,
    region_bytes: int = 0,
) -> Tuning:
    """What ``workers`` (their names) can have of ``profile`` on this host.

    ``wait`` is what a person asked for expressly, stronger than the profile's; ``region_bytes`` is all
    the shared memory of the run.
    """
    cpus, pinning = _plan_pinning(profile.pinning, facts.cpu, len(workers))
    waiting = _plan_wait(wait or profile.wait, facts.cpu, len(workers))
    scheduler = _plan_scheduler(profile.scheduler, facts, cpus)
    lock = _plan_lock(profile.lock, facts, region_bytes)
    yes = "yes" if profile.prefault else "no"
    told = scheduler.applied
    return Tuning(
        profile=profile.name,
        wait=waiting.applied,
        placements=tuple(
            Placement(name, cpu, told, profile.priority if told != "other" else 0)
            for name, cpu in zip(workers, cpus, strict=True)
        ),
        lock=lock.applied,
        prefault=profile.prefault,
        lines=(
            waiting,
            pinning,
            scheduler,
            lock,
            TuningLine("prefault", yes, yes),
            _plan_shm(facts),
        ),
    )


def shortfalls(lines: Sequence[TuningLine]) -> tuple[str, ...]:
    """A sentence for each request that got less than it asked for."""
    return tuple(
        f"{line.request}: {line.applied} instead of {line.requested}, because {line.why}"
        for line in lines
        if line.status != "applied"
    )


def settle(tuning: Tuning, problems: Sequence[Problem]) -> tuple[TuningLine, ...]:
    """The plan's lines with what went wrong: a request that any worker was refused has failed."""
    return tuple(_settled(line, [p for p in problems if p.request == line.request]) for line in tuning.lines)


def _settled(line: TuningLine, problems: Sequence[Problem]) -> TuningLine:
    if not problems:
        return line
    first = problems[0]
    others = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    why = f"{first.worker}: {first.why}{others}"
    return TuningLine(line.request, line.requested, "no", "failed", f"{line.why}; {why}" if line.why else why)


def room(cpu: CpuFacts) -> int:
    """How many threads can run at once here: CPUs that we may use, less where a cgroup allows less."""
    usable = len(set(cpu.allowed) | set(cpu.isolated))
    return usable if cpu.quota is None else max(1, min(usable, int(cpu.quota)))


def _plan_wait(wanted: str, cpu: CpuFacts, workers: int) -> TuningLine:
    if wanted in ("spin", "yield") and workers > room(cpu):
        why = f"{workers} workers on {room(cpu)} CPUs: who spins keeps another from running"
        return TuningLine("wait", wanted, "backoff", "degraded", why)
    return TuningLine("wait", wanted, wanted)


def _plan_pinning(wanted: str, cpu: CpuFacts, workers: int) -> tuple[list[int | None], TuningLine]:
    """A CPU a worker, and the line that says how it came so."""
    nowhere: list[int | None] = [None] * workers
    if wanted == "none":
        return nowhere, TuningLine("pinning", "none", "none")
    if cpu.quota is not None and cpu.quota < workers:
        why = f"the cgroup allows {cpu.quota:g} CPUs for {workers} workers: a pinned one would be throttled"
        return nowhere, TuningLine("pinning", wanted, "none", "degraded", why)
    cores = _free_cores(cpu)
    chosen, applied, why = _choose(wanted, cores, workers)
    if not chosen:
        return nowhere, TuningLine("pinning", wanted, "none", "degraded", why)
    if wanted == "physical" and not why and not set(chosen) <= set(cpu.isolated):
        # A core of one's own is what was asked; that nobody else uses it only the kernel can promise.
        why = "not enough isolated CPUs; others may run there too"
    places = f"{applied}: CPUs {','.join(map(str, chosen))}"
    return list(chosen), TuningLine("pinning", wanted, places, "degraded" if why else "applied", why)


def _free_cores(cpu: CpuFacts) -> list[list[int]]:
    """The threads of each core that we may use; isolated cores first, CPU 0 (the kernel's own) last."""
    usable = set(cpu.allowed) | set(cpu.isolated)
    grouped = [[number for number in core if number in usable] for core in cpu.cores]
    known = {number for core in grouped for number in core}
    grouped += [[number] for number in sorted(usable - known)]
    isolated = set(cpu.isolated)
    return sorted(filter(None, grouped), key=lambda core: (core[0] not in isolated, core[0] == 0, core[0]))


def _choose(wanted: str, cores: list[list[int]], workers: int) -> tuple[tuple[int, ...], str, str]:
    """(CPUs, what this is called, why it is less than asked); no CPUs where there are too few."""
    threads = [core[i] for i in range(max(map(len, cores), default=0)) for core in cores if i < len(core)]
    if workers > len(threads):
        return (), "none", f"{workers} workers on {len(threads)} CPUs: the kernel shares them better"
    if wanted == "physical" and workers > len(cores):
        why = f"{workers} workers on {len(cores)} cores: some share one"
        return tuple(threads[:workers]), "balanced", why
    return tuple(threads[:workers]), wanted, ""


def _plan_scheduler(wanted: str, facts: HostFacts, cpus: Sequence[int | None]) -> TuningLine:
    if wanted == "other":
        return TuningLine("scheduler", "other", "other")
    taken = {cpu for cpu in cpus if cpu is not None}
    if not facts.realtime_works:
        why = "this user may not use real-time priority"
    elif len(taken) < len(cpus):
        why = "workers are not pinned: real-time ones could take every CPU of the machine"
    elif not set(facts.cpu.online) - taken:
        why = "no CPU would be left for the rest of the machine"
    else:
        return TuningLine("scheduler", wanted, wanted)
    return TuningLine("scheduler", wanted, "other", "degraded", why)


def _plan_lock(wanted: bool, facts: HostFacts, region_bytes: int) -> TuningLine:
    if not wanted:
        return TuningLine("lock", "none", "none")
    limit = facts.memory.lock_limit_bytes
    if not facts.memory.lock_works:
        return TuningLine("lock", "all", "none", "degraded", "this user may not lock memory")
    if facts.memory.may_lock_all:
        return TuningLine("lock", "all", "all")
    if limit is not None and region_bytes <= limit:
        why = f"the limit is {limit:,} bytes: only the regions are locked"
        return TuningLine("lock", "all", "regions", "degraded", why)
    why = f"the limit is {limit:,} bytes, the regions need {region_bytes:,}"
    return TuningLine("lock", "all", "none", "degraded", why)


def _plan_shm(facts: HostFacts) -> TuningLine:
    """Regions in a real file system work, but its flusher writes them to the disk all the time."""
    kind = facts.shm.filesystem
    if kind in ("tmpfs", "hugetlbfs", "ramfs"):
        return TuningLine("shm", "memory", kind)
    where = f"{facts.shm.path} is {kind or 'of an unknown kind'}: the kernel writes regions back to it"
    return TuningLine("shm", "memory", kind or "unknown", "degraded", where)
