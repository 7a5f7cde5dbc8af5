"""Ask the kernel for what a plan says: here, in this thread or process. What it refuses comes back as text.

``apply_process`` once a process, with its regions mapped; ``apply_here`` at a worker's start, in its thread.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Callable, Sequence

from byteor.runtime.tuning import Problem, Tuning

_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
_MADV_POPULATE_WRITE = 23  # Linux 5.14: maps every page writable and changes no byte
_Call = Callable[[ctypes.CDLL, int, int], int]  # (libc, address, length) -> 0, or errno is set
_POLICIES = {"other": os.SCHED_OTHER, "fifo": os.SCHED_FIFO, "rr": os.SCHED_RR}


def apply_here(tuning: Tuning, index: int) -> tuple[Problem, ...]:
    """Pin the calling thread and set its scheduler, as worker ``index`` of the plan."""
    place = tuning.placements[index]
    problems = []
    if place.cpu is not None:
        try:
            os.sched_setaffinity(0, {place.cpu})
        except OSError as error:
            problems.append(Problem("pinning", place.worker, f"CPU {place.cpu}: {error.strerror}"))
    if place.scheduler != "other":
        try:
            os.sched_setscheduler(0, _POLICIES[place.scheduler], os.sched_param(place.priority))
        except OSError as error:
            problems.append(Problem("scheduler", place.worker, str(error.strerror)))
    return tuple(problems)


def apply_process(tuning: Tuning, mappings: Sequence[mmap.mmap], worker: str) -> tuple[Problem, ...]:
    """Lock this process's memory and touch every page of ``mappings``; ``worker`` is who says so."""
    libc = ctypes.CDLL(None, use_errno=True)
    problems = []
    if tuning.prefault:
        problems += _each(libc, "prefault", worker, mappings, _populate)
    if tuning.lock == "regions":
        problems += _each(libc, "lock", worker, mappings, _lock)
    elif tuning.lock == "all" and libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) != 0:
        # ONFAULT: pages are locked as they come, so that what is never touched costs nothing.
        problems.append(Problem("lock", worker, os.strerror(ctypes.get_errno())))
    return tuple(problems)


def _each(
    libc: ctypes.CDLL,
    request: str,
    worker: str,
    mappings: Sequence[mmap.mmap],
    call: _Call,
) -> list[Problem]:
    for mapping in mappings:
        held = ctypes.c_char.from_buffer(mapping)
        try:
            answer = call(libc, ctypes.addressof(held), len(mapping))
        finally:
            del held
        if answer != 0:
            return [Problem(request, worker, os.strerror(ctypes.get_errno()))]
    return []


def _populate(libc: ctypes.CDLL, address: int, length: int) -> int:
    return int(libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(length), _MADV_POPULATE_WRITE))


def _lock(libc: ctypes.CDLL, address: int, length: int) -> int:
    return int(libc.mlock(ctypes.c_void_p(address), ctypes.c_size_t(length)))
