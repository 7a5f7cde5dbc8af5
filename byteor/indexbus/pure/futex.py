"""Shared futex and membarrier by ``ctypes``; only on the slow path, where a call of 400 ns does not count."""

from __future__ import annotations

import ctypes
from functools import cache

_FUTEX, _MEMBARRIER = 202, 324  # x86-64, the only machine the twin runs on
_WAIT, _WAKE = 0, 1
_GLOBAL_EXPEDITED, _REGISTER_GLOBAL_EXPEDITED = 2, 4


class _Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("ns", ctypes.c_long)]


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def register_fence() -> bool:
    """Whether this process now takes part in other processes' memory barriers."""
    return bool(_libc().syscall(_MEMBARRIER, _REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0)


def barrier() -> bool:
    """Whether every registered process has now passed a full fence."""
    return bool(_libc().syscall(_MEMBARRIER, _GLOBAL_EXPEDITED, 0, 0) == 0)


def wait(address: int, seen: int, timeout_s: float) -> None:
    """Sleep while the word at ``address`` is ``seen``, at most ``timeout_s``."""
    limit = _Timespec(int(timeout_s), int(timeout_s % 1 * 1e9))
    word = ctypes.c_void_p(address)
    _libc().syscall(_FUTEX, word, _WAIT, ctypes.c_uint32(seen), ctypes.byref(limit), None, 0)


def wake(address: int) -> None:
    _libc().syscall(_FUTEX, ctypes.c_void_p(address), _WAKE, 0x7FFFFFFF, None, None, 0)


def address_of(buffer: memoryview) -> int:
    """Where a writable buffer lies; valid while the buffer is held."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))
