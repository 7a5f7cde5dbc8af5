"""Plans of tuning as tables: what a profile gets on a given host, and why less than asked."""

from __future__ import annotations

import mmap
import os
import threading
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byteor.runtime.errors import RunError
from byteor.runtime.host import CpuFacts, HostFacts, MemoryFacts, ShmFacts, cpu_list, cpu_quota
from byteor.runtime.tuning import (
    PROFILES,
    Placement,
    Problem,
    Tuning,
    TuningLine,
    plan_tuning,
    profile_of,
    settle,
)
from byteor.runtime.tuning_apply import apply_here, apply_process

BIG = HostFacts(
    cpu=CpuFacts(
        online=tuple(range(8)),
        allowed=tuple(range(8)),
        cores=((0, 4), (1, 5), (2, 6), (3, 7)),
    ),
    memory=MemoryFacts(lock_limit_bytes=None, may_lock_all=True, lock_works=True),
    shm=ShmFacts(
        path="/dev/shm",
        filesystem="tmpfs",
        total_bytes=1 << 33,
        free_bytes=1 << 33,
        writable=True,
        sticky_or_private=True,
    ),
    realtime_works=True,
    realtime_budget_us=950_000,
)


def change(facts: HostFacts, part: str, **fields: object) -> HostFacts:
    """``facts`` with some fields of one part replaced."""
    return msgspec.structs.replace(facts, **{part: msgspec.structs.replace(getattr(facts, part), **fields)})


TWO = change(BIG, "cpu", online=(0, 1), allowed=(0, 1), cores=((0,), (1,)))
ISOLATED = change(BIG, "cpu", allowed=(0, 1, 4, 5), isolated=(2, 3, 6, 7))


def plan(profile: str, facts: HostFacts, workers: int, **more: object) -> Tuning:
    names = [f"w{i}" for i in range(workers)]
    return plan_tuning(PROFILES[profile], facts, names, **more)  # type: ignore[arg-type]


def line(tuning: Tuning, request: str) -> TuningLine:
    return next(found for found in tuning.lines if found.request == request)


def cpus(tuning: Tuning) -> list[int | None]:
    return [place.cpu for place in tuning.placements]


def test_the_default_profile_gets_all_it_asks_for_anywhere() -> None:
    tuning = plan("default", change(TWO, "memory", lock_works=False), 50)
    assert {found.status for found in tuning.lines} == {"applied"}
    assert cpus(tuning) == [None] * 50
    assert (tuning.wait, tuning.lock, tuning.prefault) == ("backoff", "none", False)


@pytest.mark.parametrize(
    ("facts", "workers", "wait", "got", "status"),
    [
        (BIG, 8, None, "spin", "applied"),
        (BIG, 9, None, "backoff", "degraded"),
        (BIG, 9, "yield", "backoff", "degraded"),
        (BIG, 9, "block", "block", "applied"),
        (change(BIG, "cpu", quota=2.5), 3, None, "backoff", "degraded"),
        (change(BIG, "cpu", quota=2.5), 2, None, "spin", "applied"),
        (change(BIG, "cpu", allowed=(3,)), 2, "spin", "backoff", "degraded"),
    ],
)
def test_nothing_spins_with_more_workers_than_cpus(
    facts: HostFacts, workers: int, wait: str | None, got: str, status: str
) -> None:
    tuning = plan("low-latency", facts, workers, wait=wait)
    found = line(tuning, "wait")
    assert (tuning.wait, found.applied, found.status) == (got, got, status)
    assert found.requested == (wait or "spin")


def test_low_latency_gives_each_worker_a_core_before_two_share_one_and_cpu_0_goes_last() -> None:
    assert cpus(plan("low-latency", BIG, 3)) == [1, 2, 3]
    assert cpus(plan("low-latency", BIG, 6)) == [1, 2, 3, 0, 5, 6]


def test_isolated_cpus_are_taken_first_and_complete_the_profile() -> None:
    tuning = plan("isolated-core", ISOLATED, 2)
    assert cpus(tuning) == [2, 3]
    assert {found.status for found in tuning.lines} == {"applied"}
    assert {place.scheduler for place in tuning.placements} == {"fifo"}


@pytest.mark.parametrize(
    ("facts", "workers", "applied", "why"),
    [
        (BIG, 2, "physical", "isolated"),
        (ISOLATED, 3, "physical", "isolated"),
        (BIG, 5, "balanced", "5 workers on 4 cores"),
        (TWO, 3, "none", "3 workers on 2 CPUs"),
        (change(BIG, "cpu", quota=2.0), 3, "none", "cgroup"),
    ],
)
def test_pinning_that_is_less_than_asked_says_why(
    facts: HostFacts, workers: int, applied: str, why: str
) -> None:
    found = line(plan("isolated-core", facts, workers), "pinning")
    assert (found.applied.partition(":")[0], found.status) == (applied, "degraded")
    assert why in found.why


@pytest.mark.parametrize(
    ("facts", "workers", "why"),
    [
        (msgspec.structs.replace(ISOLATED, realtime_works=False), 2, "may not"),
        (TWO, 3, "not pinned"),
        (TWO, 2, "no CPU would be left"),
        (BIG, 8, "no CPU would be left"),
    ],
)
def test_real_time_workers_never_get_the_whole_machine(facts: HostFacts, workers: int, why: str) -> None:
    tuning = plan("isolated-core", facts, workers)
    found = line(tuning, "scheduler")
    assert (found.applied, found.status) == ("other", "degraded")
    assert why in found.why
    assert {(place.scheduler, place.priority) for place in tuning.placements} == {("other", 0)}


@pytest.mark.parametrize(
    ("memory", "region_bytes", "applied"),
    [
        (MemoryFacts(lock_limit_bytes=None, may_lock_all=True, lock_works=True), 1 << 40, "all"),
        (MemoryFacts(lock_limit_bytes=8 << 20, may_lock_all=False, lock_works=True), 8 << 20, "regions"),
        (MemoryFacts(lock_limit_bytes=8 << 20, may_lock_all=False, lock_works=True), 9 << 20, "none"),
        (MemoryFacts(lock_limit_bytes=0, may_lock_all=False, lock_works=False), 0, "none"),
    ],
)
def test_memory_is_locked_as_far_as_the_limit_goes(
    memory: MemoryFacts, region_bytes: int, applied: str
) -> None:
    facts = msgspec.structs.replace(BIG, memory=memory)
    tuning = plan("low-latency", facts, 2, region_bytes=region_bytes)
    found = line(tuning, "lock")
    assert (tuning.lock, found.applied) == (applied, applied)
    assert (found.status == "applied") == (applied == "all")


def test_a_quota_of_a_cpu_each_throttles_nobody_and_lets_workers_be_pinned() -> None:
    assert cpus(plan("low-latency", change(BIG, "cpu", quota=3.0), 3)) == [1, 2, 3]


def test_regions_on_a_disk_are_told() -> None:
    found = line(plan("default", change(BIG, "shm", filesystem="ext4"), 1), "shm")
    assert (found.applied, found.status) == ("ext4", "degraded")


@given(
    st.sets(st.integers(0, 31), min_size=1),
    st.sets(st.integers(0, 31)),
    st.integers(1, 40),
    st.sampled_from(sorted(PROFILES)),
)
def test_a_plan_never_puts_two_workers_on_a_cpu_nor_uses_one_that_is_not_ours(
    allowed: set[int], isolated: set[int], workers: int, profile: str
) -> None:
    facts = change(
        BIG,
        "cpu",
        online=tuple(range(32)),
        allowed=tuple(sorted(allowed)),
        isolated=tuple(sorted(isolated)),
        cores=tuple((n, n + 16) for n in range(16)),
    )
    given_cpus = [cpu for cpu in cpus(plan(profile, facts, workers)) if cpu is not None]
    assert len(set(given_cpus)) == len(given_cpus)
    assert set(given_cpus) <= allowed | isolated
    assert len(given_cpus) in (0, workers)


def test_a_request_that_one_worker_was_refused_has_failed_and_names_it() -> None:
    tuning = plan("low-latency", BIG, 2)
    told = {found.request: found for found in settle(tuning, [Problem("pinning", "w1", "CPU 2: no")])}
    assert (told["pinning"].status, told["pinning"].why) == ("failed", "w1: CPU 2: no")
    assert told["lock"].status == "applied"


def test_an_unknown_profile_is_refused() -> None:
    with pytest.raises(RunError, match="no profile 'fast'"):
        profile_of("fast")


@pytest.mark.parametrize(
    ("text", "numbers"), [("", ()), ("0", (0,)), ("0-2,8,10-11\n", (0, 1, 2, 8, 10, 11))]
)
def test_sets_of_cpus_are_read_as_the_kernel_writes_them(text: str, numbers: tuple[int, ...]) -> None:
    assert cpu_list(text) == numbers


@pytest.mark.parametrize(
    ("membership", "files", "quota"),
    [
        ("0::/", {}, None),
        ("0::/", {"cpu.max": "max 100000"}, None),
        ("0::/", {"cpu.max": "150000 100000"}, 1.5),
        ("0::/a.slice/b", {"a.slice/b/cpu.max": "300000 100000", "a.slice/cpu.max": "200000 100000"}, 2.0),
        ("0::/a.slice/b", {"other.slice/cpu.max": "100000 100000"}, None),
        ("0::/gone/b", {"cpu.max": "100000 100000"}, 1.0),
        ("4:cpu,cpuacct:/x", {"cpu,cpuacct/x/cpu.cfs_quota_us": "50000",
                              "cpu,cpuacct/x/cpu.cfs_period_us": "100000"}, 0.5),
        ("1:cpu:/\n0::/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ("3:cpuset:/\n2:cpuacct:/", {"cpu.max": "100000 100000"}, None),
    ],
)  # fmt: skip
def test_the_quota_is_the_smallest_of_our_cgroup_and_those_around_it(
    tmp_path: Path, membership: str, files: dict[str, str], quota: float | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert cpu_quota(tmp_path, membership) == quota


# -- what the kernel is really asked


def in_a_thread(tuning: Tuning) -> tuple[tuple[Problem, ...], set[int]]:
    """``apply_here`` in a thread of its own, and the CPUs that it then had."""
    found: list[tuple[tuple[Problem, ...], set[int]]] = []
    thread = threading.Thread(target=lambda: found.append((apply_here(tuning, 0), os.sched_getaffinity(0))))
    thread.start()
    thread.join()
    return found[0]


def placed(cpu: int | None, scheduler: str = "other") -> Tuning:
    return Tuning(
        profile="x",
        wait="backoff",
        placements=(Placement("w0", cpu, scheduler, 1),),
        lock="none",
        prefault=False,
        lines=(),
    )


def test_a_worker_is_pinned_alone_and_the_process_is_not() -> None:
    before = os.sched_getaffinity(0)
    last = max(before)
    assert in_a_thread(placed(last)) == ((), {last})
    assert os.sched_getaffinity(0) == before


def test_a_cpu_that_is_not_there_is_a_problem_and_no_exception() -> None:
    (problem,), _ = in_a_thread(placed(1023))
    assert (problem.request, problem.worker) == ("pinning", "w0")
    assert problem.why.startswith("CPU 1023: ")


def test_regions_are_touched_and_locked_without_changing_a_byte() -> None:
    with mmap.mmap(-1, 64 * mmap.PAGESIZE) as memory:
        memory[5] = 7
        tuning = msgspec.structs.replace(placed(None), lock="regions", prefault=True)
        before = locked_kib()
        assert apply_process(tuning, [memory], "run") == ()
        assert locked_kib() - before == 64 * mmap.PAGESIZE // 1024
        assert memory[5] == 7
    assert locked_kib() == before


def locked_kib() -> int:
    with open("/proc/self/status") as status:  # noqa: PTH123
        return next(int(text.split()[1]) for text in status if text.startswith("VmLck:"))
