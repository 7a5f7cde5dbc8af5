"""Facts about this host that tuning and ``byteor doctor`` decide over; read here, judged elsewhere.

Reading never fails: what a kernel or container does not tell is None or empty, and whoever judges says so.
The paths are those of proc(5), sysfs and cgroups(7); ``membarrier`` and ``adjtimex`` are asked directly.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import re
import resource
import stat
import threading
import time
from pathlib import Path

import msgspec

_SYS_CPU = Path("/sys/devices/system/cpu")
_CLOCK = Path("/sys/devices/system/clocksource/clocksource0")
_MEMBARRIER, _FUTEX = 324, 202  # x86-64, the only machine that the kernels are built for
_MEMBARRIER_GLOBAL_EXPEDITED = 2
_FUTEX_WAKE = 1
_CAP_IPC_LOCK = 14
_OCTAL = re.compile(r"\\([0-7]{3})")  # how proc(5) writes blanks in the names of mount points
_TIMEX_BYTES, _TIMEX_MAXERROR, _TIMEX_STATUS, _STA_UNSYNC = 208, 24, 40, 0x40


class CpuFacts(msgspec.Struct, frozen=True, kw_only=True):
    """CPUs by number. ``cores`` groups the threads of each physical core; ``quota`` is in CPUs."""

    online: tuple[int, ...]
    allowed: tuple[int, ...]
    isolated: tuple[int, ...] = ()
    cores: tuple[tuple[int, ...], ...] = ()
    quota: float | None = None


class MemoryFacts(msgspec.Struct, frozen=True, kw_only=True):
    """``lock_limit_bytes`` None: no limit. ``lock_works``: one page could be locked just now."""

    lock_limit_bytes: int | None
    may_lock_all: bool
    lock_works: bool


class ShmFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The folder that regions go to (``path`` its nearest parent that exists). Sizes in bytes."""

    path: str
    filesystem: str
    total_bytes: int
    free_bytes: int
    writable: bool
    sticky_or_private: bool


class HostFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that tuning needs; cheap enough to read at every start."""

    cpu: CpuFacts
    memory: MemoryFacts
    shm: ShmFacts
    realtime_works: bool  # a thread became SCHED_FIFO just now
    realtime_budget_us: int | None  # of a second; -1: no limit


class LoadFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the CPUs did over a short look; fractions of all CPUs' time."""

    busy: float
    steal: float
    load1: float


class ClockFacts(msgspec.Struct, frozen=True, kw_only=True):
    """``synchronised`` None: the kernel would not say. ``max_error_us`` is the kernel's own bound."""

    source: str
    synchronised: bool | None
    max_error_us: int


def read_host(shm_dir: Path) -> HostFacts:
    """Look at this host and this process; takes about a millisecond."""
    return HostFacts(
        cpu=_cpu(),
        memory=_memory(),
        shm=_shm(shm_dir),
        realtime_works=_realtime_works(),
        realtime_budget_us=_number(Path("/proc/sys/kernel/sched_rt_runtime_us")),
    )


def cpu_list(text: str) -> tuple[int, ...]:
    """The kernel's spelling of a set of CPUs, ``0-3,8``, as numbers in order."""
    found: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(found))


def read_load(seconds: float) -> LoadFacts:
    """Watch /proc/stat for ``seconds``."""
    before = _cpu_times()
    time.sleep(seconds)
    passed = [after - b for after, b in zip(_cpu_times(), before, strict=False)]
    total = max(1, sum(passed))
    idle = sum(passed[3:5])  # idle and waiting for I/O
    return LoadFacts(
        busy=1 - idle / total, steal=passed[7] / total if len(passed) > 7 else 0.0, load1=os.getloadavg()[0]
    )


def read_clock() -> ClockFacts:
    """The clock source, and what adjtimex(2) says of the wall clock (it only reads: ``modes`` is 0)."""
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)
    answer = ctypes.CDLL(None).adjtimex(timex)
    status = int.from_bytes(timex.raw[_TIMEX_STATUS : _TIMEX_STATUS + 4], "little")
    error_us = int.from_bytes(timex.raw[_TIMEX_MAXERROR : _TIMEX_MAXERROR + 8], "little")
    return ClockFacts(
        source=_text(_CLOCK / "current_clocksource"),
        synchronised=None if answer < 0 else not status & _STA_UNSYNC,
        max_error_us=error_us,
    )


def futex_works() -> bool:
    """Whether futex(2) is answered; a seccomp filter may refuse it."""
    word = ctypes.c_uint32(0)
    return int(ctypes.CDLL(None).syscall(_FUTEX, ctypes.byref(word), _FUTEX_WAKE, 1, None, None, 0)) >= 0


def membarrier_works() -> bool:
    """Whether membarrier(2) offers the expedited global barrier that sleeping workers count on."""
    offered = int(ctypes.CDLL(None).syscall(_MEMBARRIER, 0, 0, 0))
    return offered >= 0 and bool(offered & _MEMBARRIER_GLOBAL_EXPEDITED)


def _cpu() -> CpuFacts:
    allowed = tuple(sorted(os.sched_getaffinity(0)))
    online = cpu_list(_text(_SYS_CPU / "online")) or allowed
    groups = {
        cpu_list(_text(_SYS_CPU / f"cpu{cpu}/topology/thread_siblings_list")) or (cpu,) for cpu in online
    }
    return CpuFacts(
        online=online,
        allowed=allowed,
        isolated=cpu_list(_text(_SYS_CPU / "isolated")),
        cores=tuple(sorted(groups)),
        quota=cpu_quota(Path("/sys/fs/cgroup"), _text(Path("/proc/self/cgroup"))),
    )


def cpu_quota(root: Path, membership: str) -> float | None:
    """The smallest limit in CPUs of our cgroup and those around it; ``membership`` is /proc/self/cgroup.

    Version 2 (``cpu.max``) and version 1 (``cpu.cfs_quota_us``). A unit's limit stands in its own folder, a
    container's at the root that it sees.
    """
    limits = []
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        named = [root / controllers, root / "cpu", root] if controllers else [root]
        top = next((folder for folder in named if folder.is_dir()), root)
        own = top / path.lstrip("/")
        for folder in (own, *(parent for parent in own.parents if parent.is_relative_to(top))):
            limits += _limit_in(folder)
    return min(limits, default=None)


def _limit_in(folder: Path) -> list[float]:
    words = _text(folder / "cpu.max").split()
    if len(words) == 2 and words[0].isdigit():
        return [int(words[0]) / int(words[1])]
    quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    return [quota / period] if quota and period and quota > 0 else []


def _memory() -> MemoryFacts:
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    unlimited = limit == resource.RLIM_INFINITY or _has_capability(_CAP_IPC_LOCK)
    return MemoryFacts(
        lock_limit_bytes=None if unlimited else limit, may_lock_all=unlimited, lock_works=_lock_works()
    )


def _lock_works() -> bool:
    libc = ctypes.CDLL(None)
    with mmap.mmap(-1, mmap.PAGESIZE) as page:
        held = ctypes.c_char.from_buffer(page)
        address = ctypes.c_void_p(ctypes.addressof(held))
        locked = bool(libc.mlock(address, ctypes.c_size_t(mmap.PAGESIZE)) == 0)
        del held, address
    return locked


def _has_capability(number: int) -> bool:
    for line in _text(Path("/proc/self/status")).splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return False


def _realtime_works() -> bool:
    """Try it in a thread that ends at once: limits, capabilities and cgroups all have a say."""
    worked = False

    def attempt() -> None:
        nonlocal worked
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
            worked = True

    thread = threading.Thread(target=attempt, name="realtime-probe")
    thread.start()
    thread.join()
    return worked


def _shm(wanted: Path) -> ShmFacts:
    path = next(folder for folder in (wanted, *wanted.absolute().parents) if folder.exists())
    space, mode = os.statvfs(path), path.stat().st_mode
    return ShmFacts(
        path=str(path),
        filesystem=_filesystem(path),
        total_bytes=space.f_blocks * space.f_frsize,
        free_bytes=space.f_bavail * space.f_frsize,
        writable=os.access(path, os.W_OK | os.X_OK),
        sticky_or_private=bool(mode & stat.S_ISVTX) or not mode & 0o022,
    )


def _filesystem(path: Path) -> str:
    """The type of the mount that ``path`` lies on; of several on one point the last counts."""
    real, best, found = str(path.resolve()), "", ""
    for line in _text(Path("/proc/self/mounts")).splitlines():
        point, kind = line.split()[1:3]
        point = _OCTAL.sub(lambda found: chr(int(found[1], 8)), point)
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, found = point, kind
    return found


def _cpu_times() -> list[int]:
    words = _text(Path("/proc/stat")).partition("\n")[0].split()[1:]
    return [int(word) for word in words[:8]] or [0] * 8


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.lstrip("-").isdigit() else None
