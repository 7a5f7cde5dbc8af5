"""Changing what a stage could look at, inside a process of its own that exists for nothing else."""

from __future__ import annotations

import datetime
import gc
import os
import random
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

SHIFT_S = 40_000_000  # more than a year, no whole number of days, weeks or hours


def perturb(names: Sequence[str]) -> None:
    """Apply ``names``, the words of the table of conditions; before any stage's module is loaded."""
    for name in names:
        _WAYS[name]()


def _time() -> None:
    for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"):
        setattr(time, name, _later(getattr(time, name), SHIFT_S * (10**9 if name.endswith("_ns") else 1)))
    localtime, gmtime = time.localtime, time.gmtime
    # These read the clock themselves when they are given none.
    time.localtime = lambda seconds=None: localtime(time.time() if seconds is None else seconds)
    time.gmtime = lambda seconds=None: gmtime(time.time() if seconds is None else seconds)
    strftime = time.strftime
    time.strftime = lambda form, moment=None: strftime(form, moment or time.localtime())
    datetime.datetime = _Moment  # type: ignore[misc]
    datetime.date = _Day  # type: ignore[misc]


def _later(clock: Callable[[], Any], by: int) -> Callable[[], Any]:
    return lambda: clock() + by


class _Moment(datetime.datetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> _Moment:
        return cls.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls) -> _Moment:
        return cls.now(datetime.UTC).replace(tzinfo=None)

    @classmethod
    def today(cls) -> _Moment:
        return cls.now()


class _Day(datetime.date):
    @classmethod
    def today(cls) -> _Day:
        return cls.fromtimestamp(time.time())


def _environment() -> None:
    """Every variable that nobody needs here has another value."""
    needed = ("PATH", "PYTHON", "LD_", "BYTEOR_", "TZ", "LC_", "LANG", "HOME", "VIRTUAL_ENV")
    for name in os.environ:
        if not name.startswith(needed):
            os.environ[name] = f"changed-{os.environ[name][::-1]}"


def _folder() -> None:
    os.chdir(tempfile.mkdtemp(prefix="byteor-elsewhere-"))


def _host() -> None:
    socket.gethostname = lambda: "elsewhere"
    import platform

    platform.node = lambda: "elsewhere"
    real = os.uname()
    os.uname = lambda: os.uname_result((real.sysname, "elsewhere", *real[2:]))


def _files() -> None:
    listdir, scandir = os.listdir, os.scandir

    def shuffled_listdir(path: Any = ".") -> list[Any]:
        return sorted(listdir(path), reverse=True, key=_mixed)

    class Shuffled:
        def __init__(self, path: Any = ".") -> None:
            with scandir(path) as entries:
                self._entries = iter(sorted(entries, reverse=True, key=lambda entry: _mixed(entry.name)))

        def __iter__(self) -> Any:
            return self._entries

        def __next__(self) -> Any:
            return next(self._entries)

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None:
            self.close()

        def close(self) -> None:
            self._entries = iter(())

    os.listdir = shuffled_listdir
    os.scandir = Shuffled  # type: ignore[assignment]


def _mixed(name: Any) -> Any:
    """A key that sorts names otherwise than a file system or the alphabet does."""
    return (name[::-1], name) if isinstance(name, str | bytes) else name


def _network() -> None:
    def refused(*_: object, **__: object) -> Any:
        raise OSError(101, "Network is unreachable")

    socket.socket.connect = refused  # type: ignore[method-assign]
    socket.create_connection = refused
    socket.getaddrinfo = refused
    socket.gethostbyname = refused


def _threads() -> None:
    sys.setswitchinterval(1e-6)


def _garbage() -> None:
    gc.set_threshold(1, 1, 1)
    random.seed(12345)  # somebody else has drawn from the shared generator before
    _KEPT.extend(bytearray(size) for size in range(1, 4_000, 7))


_KEPT: list[bytearray] = []
_WAYS: dict[str, Callable[[], None]] = {
    "time": _time,
    "environment": _environment,
    "folder": _folder,
    "host": _host,
    "files": _files,
    "network": _network,
    "threads": _threads,
    "garbage": _garbage,
}
