"""Who a process is: pid plus start time, so that a reused pid is never taken for the old process."""

from __future__ import annotations

import os
from pathlib import Path

_STARTTIME_FIELD = 19  # after the command's closing bracket; field 22 of proc_pid_stat(5)
_STATE_FIELD = 0
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # mallopt(3)


def start_time_of(pid: int) -> int:
    """Clock ticks after boot at which ``pid`` started; 0 when there is no such process."""
    fields = _stat_fields(pid)
    return int(fields[_STARTTIME_FIELD]) if fields else 0


def is_alive(pid: int, start_time: int) -> bool:
    """True while the very process that was recorded as (pid, start time) runs. A zombie does not."""
    fields = _stat_fields(pid)
    return bool(fields) and int(fields[_STARTTIME_FIELD]) == start_time and fields[_STATE_FIELD] not in "ZX"


def is_stopped(pid: int) -> bool:
    """Whether a signal (SIGSTOP, a debugger) holds ``pid``."""
    fields = _stat_fields(pid)
    return bool(fields) and fields[_STATE_FIELD] in "Tt"


def own_bytes(pid: int) -> int:
    """Memory of ``pid`` that it shares with nobody, as a leak would be; 0 when there is no such process."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


def boot_id() -> str:
    """The kernel's id of this boot: pids and start times mean nothing across boots."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def myself() -> tuple[int, int]:
    """(pid, start time) of this process."""
    return os.getpid(), start_time_of(os.getpid())


def keep_freed_memory() -> None:
    """Let the allocator keep what a batch of large messages frees: the next one needs it again.

    glibc gives freed memory back from 128 KiB on, and gets it back page by page: batches of 4 KiB messages
    took five times as long. Other C libraries are left as they are.
    """
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return
    mallopt(_M_MMAP_THRESHOLD, 2 << 20)  # above the largest slot
    mallopt(_M_TRIM_THRESHOLD, 16 << 20)


def _stat_fields(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text[text.rindex(")") + 2 :].split()


def free_cores() -> int:
    """How many CPUs this process may use."""
    return len(os.sched_getaffinity(0))
