"""What ``byteor doctor`` judges: one function a check, each a function of facts and the profile asked for."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from byteor.runtime.host import ClockFacts, HostFacts, LoadFacts
from byteor.runtime.tuning import Profile

MIB = 1 << 20
SHM_NEEDED_BYTES = 64 * MIB
STATE_WANTED_BYTES, STATE_NEEDED_BYTES = 1024 * MIB, 64 * MIB
FILES_NEEDED = 1024
PRECISE_CLOCKS = ("tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page")


class SoftwareFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is installed and what this process sits in."""

    kernel_release: str
    futex: bool
    membarrier: bool
    indexbus_kernel: str  # native | pure
    indexbus_why: str  # why not native
    sqlite: str
    sqlite_oldest: str
    open_files: int
    open_files_most: int
    runtime_dir: str
    runtime_dir_problem: str  # empty: ours and private, or not there yet
    state_dir: str
    state_free_bytes: int  # for this user, on the file system of the state folder
    terminal: TerminalFacts
    key: KeyVariables


class KeyVariables(msgspec.Struct, frozen=True, kw_only=True):
    """The variables that name a key to the console: which are set, and whether its file is there."""

    kid: bool
    key_file: bool
    file_found: bool


class TerminalFacts(msgspec.Struct, frozen=True, kw_only=True):
    """``columns`` 0: standard output is no terminal."""

    name: str
    columns: int
    lines: int
    utf8: bool
    colours: str  # none | 16 | 256 | true


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    host: HostFacts
    load: LoadFacts
    clock: ClockFacts
    governor: str  # empty where frequency is not ours to scale (most virtual machines)
    software: SoftwareFacts


class Check(msgspec.Struct, frozen=True):
    """One finding. ``status`` is pass, warn or fail; ``fix`` is what to type or change, empty on a pass."""

    id: str
    status: str
    detail: str
    fix: str = ""


def diagnose(facts: Facts, profile: Profile) -> tuple[Check, ...]:
    """Every check in the order in which a person should mend things."""
    return tuple(check(facts, profile) for check in CHECKS)


def _indexbus_kernel(facts: Facts, profile: Profile) -> Check:
    if facts.software.indexbus_kernel == "native":
        return Check("native_kernel", "pass", "the native kernel loads")
    why = f": {facts.software.indexbus_why}" if facts.software.indexbus_why else ""
    fix = "install a C compiler (apt install gcc python3-dev) and install byteor again; unset BYTEOR_KERNEL"
    status = "warn" if profile.name == "default" else "fail"
    return Check("native_kernel", status, f"the pure-Python twin runs, 10 to 100 times slower{why}", fix)


def _futex(facts: Facts, profile: Profile) -> Check:
    if facts.software.futex:
        return Check("futex", "pass", "futex(2) answers")
    return Check("futex", "fail", "futex(2) is refused", "let the container's seccomp profile allow futex")


def _membarrier(facts: Facts, profile: Profile) -> Check:
    if facts.software.membarrier:
        return Check("membarrier", "pass", "membarrier(2) offers the expedited global barrier")
    detail = "no expedited membarrier: every message that is published pays for a full fence"
    return Check(
        "membarrier", "warn", detail, "let the seccomp profile allow membarrier; Linux 4.16 or newer"
    )


def _shm_permissions(facts: Facts, profile: Profile) -> Check:
    shm = facts.host.shm
    if not shm.writable:
        return Check(
            "shm_permissions", "fail", f"{shm.path} cannot be written", f"chmod 1777 {shm.path} (as root)"
        )
    if not shm.sticky_or_private:
        detail = f"everybody may rename others' files in {shm.path}"
        return Check("shm_permissions", "fail", detail, f"chmod +t {shm.path} (as root)")
    return Check("shm_permissions", "pass", f"{shm.path} can be written, and others cannot touch our files")


def _shm_size(facts: Facts, profile: Profile) -> Check:
    shm = facts.host.shm
    detail = f"{shm.free_bytes // MIB:,} MiB of {shm.total_bytes // MIB:,} free in {shm.path}"
    if shm.free_bytes >= SHM_NEEDED_BYTES:
        return Check("shm_size", "pass", detail)
    fix = f"byteor gc; mount -o remount,size=1G {shm.path} (in a container: --shm-size=1g)"
    return Check("shm_size", "fail" if shm.free_bytes < MIB else "warn", detail, fix)


def _shm_placement(facts: Facts, profile: Profile) -> Check:
    shm = facts.host.shm
    if shm.filesystem in ("tmpfs", "ramfs", "hugetlbfs"):
        return Check("shm_placement", "pass", f"{shm.path} is {shm.filesystem}")
    detail = f"{shm.path} is {shm.filesystem or 'of an unknown kind'}: the kernel writes regions to the disk"
    status = "warn" if profile.name == "default" else "fail"
    return Check("shm_placement", status, detail, "export BYTEOR_SHM_DIR=/dev/shm")


def _runtime_dir(facts: Facts, profile: Profile) -> Check:
    software = facts.software
    if not software.runtime_dir_problem:
        return Check("runtime_dir", "pass", f"{software.runtime_dir} is private or not made yet")
    fix = f"chmod 700 {software.runtime_dir} if it is yours, or set BYTEOR_RUNTIME_DIR"
    return Check("runtime_dir", "fail", software.runtime_dir_problem, fix)


def _state_space(facts: Facts, profile: Profile) -> Check:
    folder, free = facts.software.state_dir, facts.software.state_free_bytes
    detail = f"{free // MIB:,} MiB free for {folder}"
    if free >= STATE_WANTED_BYTES:
        return Check("state_space", "pass", detail)
    status = "fail" if free < STATE_NEEDED_BYTES else "warn"
    detail += ": what the audit log cannot take is not done, and bundles are not written"
    return Check("state_space", status, detail, "free some, or set BYTEOR_STATE_DIR to where there is more")


def _sqlite(facts: Facts, profile: Profile) -> Check:
    found, oldest = facts.software.sqlite, facts.software.sqlite_oldest
    if _version(found) >= _version(oldest):
        return Check("sqlite", "pass", f"SQLite {found}")
    detail = f"SQLite {found}, older than {oldest}: several writers can corrupt the audit log"
    return Check("sqlite", "fail", detail, f"pip install 'apsw>={oldest}'")


def _file_limits(facts: Facts, profile: Profile) -> Check:
    limit, most = facts.software.open_files, facts.software.open_files_most
    if limit >= FILES_NEEDED:
        return Check("file_limits", "pass", f"{limit:,} open files")
    fix = f"ulimit -n {FILES_NEEDED}" if most >= FILES_NEEDED else "LimitNOFILE= or /etc/security/limits.conf"
    return Check("file_limits", "warn" if limit >= 256 else "fail", f"only {limit:,} open files", fix)


def _cpu_headroom(facts: Facts, profile: Profile) -> Check:
    load, count = facts.load, len(facts.host.cpu.allowed)
    quota = facts.host.cpu.quota
    limit = f", the cgroup allows {quota:g}" if quota is not None else ""
    detail = f"{count} CPUs{limit}; {load.busy:.0%} busy just now, load {load.load1:.2f}"
    if load.busy <= 0.8 and load.load1 <= count:
        return Check("cpu_headroom", "pass", detail)
    fix = "see who: ps -eo pcpu,pid,comm --sort=-pcpu | head"
    status = "fail" if profile.name == "isolated-core" and load.busy > 0.95 else "warn"
    return Check("cpu_headroom", status, detail, fix)


def _cpu_steal(facts: Facts, profile: Profile) -> Check:
    detail = f"{facts.load.steal:.1%} of the time went to other machines of this host"
    if facts.load.steal <= 0.02:
        return Check("cpu_steal", "pass", detail)
    status = "warn" if profile.name == "default" else "fail"
    return Check("cpu_steal", status, detail, "ask for dedicated CPUs, or move to another host")


def _cpu_pinning(facts: Facts, profile: Profile) -> Check:
    cpu = facts.host.cpu
    detail = f"{len(cpu.allowed)} of {len(cpu.online)} CPUs may be used, {len(cpu.cores)} cores"
    if profile.pinning == "none":
        return Check("cpu_pinning", "pass", f"{detail}; nothing is pinned")
    if len(cpu.allowed) < 3:
        fix = "use a host with at least a CPU for each worker and one to spare, or --profile default"
        return Check("cpu_pinning", "warn", f"{detail}: too few to give each worker one", fix)
    if cpu.quota is not None:
        fix = "pin with cpuset (AllowedCPUs=, --cpuset-cpus) instead of limiting CPU time"
        return Check("cpu_pinning", "warn", f"{detail}; a quota of {cpu.quota:g} throttles pinned ones", fix)
    return Check("cpu_pinning", "pass", detail)


def _cpu_isolation(facts: Facts, profile: Profile) -> Check:
    isolated = facts.host.cpu.isolated
    if isolated:
        return Check("cpu_isolation", "pass", f"CPUs {','.join(map(str, isolated))} are isolated")
    if profile.pinning != "physical":
        return Check("cpu_isolation", "pass", "no CPU is isolated; this profile needs none")
    fix = "boot with isolcpus=managed_irq,domain,2-N nohz_full=2-N rcu_nocbs=2-N (2-N: CPUs for workers)"
    return Check("cpu_isolation", "fail", "no CPU is isolated: the scheduler puts others beside workers", fix)


def _governor(facts: Facts, profile: Profile) -> Check:
    if facts.governor in ("", "performance"):
        return Check("cpu_governor", "pass", facts.governor or "the frequency is not scaled here")
    status = "pass" if profile.name == "default" else "warn"
    fix = "" if status == "pass" else "cpupower frequency-set -g performance (as root)"
    return Check("cpu_governor", status, f"governor {facts.governor}", fix)


def _realtime(facts: Facts, profile: Profile) -> Check:
    if facts.host.realtime_works:
        return Check("realtime", "pass", "real-time priority is permitted")
    if profile.scheduler == "other":
        return Check("realtime", "pass", "not permitted; this profile needs none")
    fix = "LimitRTPRIO=10 in the unit, or '@byteor - rtprio 10' in /etc/security/limits.d/byteor.conf"
    return Check("realtime", "fail", "SCHED_FIFO is refused to this user", fix)


def _realtime_budget(facts: Facts, profile: Profile) -> Check:
    budget = facts.host.realtime_budget_us
    if profile.scheduler == "other":
        return Check("realtime_budget", "pass", "this profile uses no real-time priority")
    if budget is None or budget < 0:
        return Check("realtime_budget", "pass", "real-time threads are not throttled")
    detail = f"the kernel takes a spinning real-time worker off for {1_000_000 - budget:,} µs each second"
    return Check("realtime_budget", "warn", detail, "sysctl kernel.sched_rt_runtime_us=-1 (as root)")


def _memory_lock(facts: Facts, profile: Profile) -> Check:
    memory = facts.host.memory
    limit = memory.lock_limit_bytes
    if not profile.lock:
        told = "no limit" if limit is None else f"{limit // 1024:,} KiB"
        return Check("memory_lock", "pass", f"{told}; this profile locks nothing")
    fix = "LimitMEMLOCK=infinity in the unit, or '@byteor - memlock unlimited' in /etc/security/limits.d"
    if not memory.lock_works:
        return Check("memory_lock", "fail", "this user may lock no memory", fix)
    if limit is None:
        return Check("memory_lock", "pass", "all memory may be locked")
    return Check("memory_lock", "warn", f"{limit // 1024:,} KiB may be locked: regions at most", fix)


def _clock_source(facts: Facts, profile: Profile) -> Check:
    source = facts.clock.source
    if source in PRECISE_CLOCKS:
        return Check("clock_source", "pass", f"clock source {source}")
    status = "warn" if profile.name == "default" else "fail"
    detail = f"clock source {source or 'unknown'}: each time stamp may be a system call"
    fix = "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource (as root)"
    return Check("clock_source", status, detail, fix)


def _time_sync(facts: Facts, profile: Profile) -> Check:
    """Approvals expire by the wall clock; durations and latencies never use it."""
    clock = facts.clock
    if clock.synchronised:
        return Check("time_sync", "pass", f"synchronised, error at most {clock.max_error_us / 1000:g} ms")
    told = "does not say" if clock.synchronised is None else "is not"
    detail = f"the clock {told} synchronised: approvals may count as expired, or as not yet valid"
    return Check("time_sync", "warn", detail, "timedatectl set-ntp true, or start chronyd")


def _terminal(facts: Facts, profile: Profile) -> Check:
    terminal = facts.software.terminal
    if not terminal.columns:
        return Check("terminal", "pass", "standard output is no terminal: the console will not be opened")
    detail = (
        f"{terminal.name or 'unknown'}, {terminal.columns}x{terminal.lines},"
        f" {'UTF-8' if terminal.utf8 else 'not UTF-8'}, colours: {terminal.colours}"
    )
    if not terminal.utf8:
        return Check(
            "terminal", "warn", detail, "export LANG=C.UTF-8; until then the console draws with ASCII"
        )
    if terminal.columns < 80 or terminal.lines < 24:
        return Check("terminal", "warn", detail, "make the window at least 80x24")
    return Check("terminal", "pass", detail)


def _signing_key(facts: Facts, profile: Profile) -> Check:
    """A key that is named by half signs nothing, and nobody notices before the signature is wanted."""
    key = facts.software.key
    if not key.kid and not key.key_file:
        told = "BYTEOR_KID and BYTEOR_KEY_FILE are not set: --kid and --key-file name the console's key"
        return Check("signing_key", "pass", told)
    if key.kid != key.key_file:
        one, other = ("BYTEOR_KID", "BYTEOR_KEY_FILE") if key.kid else ("BYTEOR_KEY_FILE", "BYTEOR_KID")
        detail = f"{one} is set and {other} is not: the console can sign nothing"
        return Check("signing_key", "warn", detail, f"export {other} too, or unset {one}")
    if not key.file_found:
        detail = "BYTEOR_KEY_FILE names no file that is here: the console can sign nothing"
        return Check("signing_key", "warn", detail, "export BYTEOR_KEY_FILE=PEM, the file of your key")
    return Check("signing_key", "pass", "BYTEOR_KID and BYTEOR_KEY_FILE name the console's key")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


CHECKS: tuple[Callable[[Facts, Profile], Check], ...] = (
    _indexbus_kernel,
    _futex,
    _membarrier,
    _shm_permissions,
    _shm_size,
    _shm_placement,
    _runtime_dir,
    _state_space,
    _sqlite,
    _file_limits,
    _cpu_headroom,
    _cpu_steal,
    _cpu_pinning,
    _cpu_isolation,
    _governor,
    _realtime,
    _realtime_budget,
    _memory_lock,
    _clock_source,
    _time_sync,
    _terminal,
    _signing_key,
)
