"""Collect the facts for ``byteor doctor``; ``byteor.acts.doctor_checks`` judges them."""

from __future__ import annotations

import os
import resource
import shutil
import sys
import time
from pathlib import Path

import apsw

from byteor._version import __version__
from byteor.acts.doctor_checks import Facts, KeyVariables, SoftwareFacts, TerminalFacts, diagnose
from byteor.acts.doctor_kept import Result, host_name
from byteor.atomic import check_private_folder
from byteor.errors import ByteorError
from byteor.indexbus import IndexBusError, kernel_name
from byteor.runtime.folders import region_root, runtime_dir
from byteor.runtime.host import (
    futex_works,
    membarrier_works,
    read_clock,
    read_host,
    read_load,
)
from byteor.runtime.tuning import profile_of
from byteor.state import state_dir
from byteor_store.database import OLDEST_SQLITE

LOOK_S = 0.25
_CPUINFO = Path("/proc/cpuinfo")
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def doctor(profile: str) -> Result:
    """All checks for ``profile``; takes about ``LOOK_S``. Raises ``E_PROFILE``."""
    wanted = profile_of(profile)
    facts = read_facts()
    checks = diagnose(facts, wanted)
    return Result(
        host=host_name(),
        at_unix_ns=time.time_ns(),
        profile=profile,
        ok=all(check.status != "fail" for check in checks),
        facts=in_words(facts),
        checks=checks,
    )


def in_words(facts: Facts) -> dict[str, str]:
    """What two hosts are compared by: what they are, not how busy they were."""
    cpu, shm, clock, software = facts.host.cpu, facts.host.shm, facts.clock, facts.software
    lock = facts.host.memory.lock_limit_bytes
    limit = f", {cpu.quota:g} allowed" if cpu.quota is not None else ""
    return {
        "byteor": f"{__version__}, {software.indexbus_kernel} kernel",
        "linux": software.kernel_release,
        "cpu": _cpu_model(),
        "cpus": f"{len(cpu.allowed)} of {len(cpu.online)}, {len(cpu.cores)} cores{limit}",
        "isolated": ",".join(map(str, cpu.isolated)) or "none",
        "governor": facts.governor or "not scaled",
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') >> 20:,} MiB",
        "shm": f"{shm.total_bytes >> 20:,} MiB {shm.filesystem}",
        "real time": "permitted" if facts.host.realtime_works else "refused",
        "lock": "no limit" if lock is None else f"{lock >> 10:,} KiB",
        "clock": f"{clock.source or 'unknown'}, {'' if clock.synchronised else 'not '}synchronised",
        "sqlite": software.sqlite,
    }


def _cpu_model() -> str:
    try:
        lines = _CPUINFO.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, os.uname().machine)


def read_facts() -> Facts:
    return Facts(
        host=read_host(region_root().parent),
        load=read_load(LOOK_S),
        clock=read_clock(),
        governor=_GOVERNOR.read_text().strip() if _GOVERNOR.exists() else "",
        software=_software(),
    )


def _software() -> SoftwareFacts:
    name, why = _indexbus_kernel()
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    return SoftwareFacts(
        kernel_release=os.uname().release,
        futex=futex_works(),
        membarrier=membarrier_works(),
        indexbus_kernel=name,
        indexbus_why=why,
        sqlite=apsw.sqlite_lib_version(),
        sqlite_oldest=".".join(map(str, OLDEST_SQLITE)),
        open_files=files,
        open_files_most=most,
        runtime_dir=str(runtime_dir()),
        runtime_dir_problem=_problem_of(runtime_dir()),
        state_dir=str(state_dir()),
        state_free_bytes=_free_bytes(state_dir()),
        terminal=_terminal(),
        key=_key_variables(),
    )


def _indexbus_kernel() -> tuple[str, str]:
    try:
        name = kernel_name()
    except IndexBusError as error:  # BYTEOR_KERNEL asks for one that is not there
        return "pure", error.message
    return name, "BYTEOR_KERNEL asks for it" if os.environ.get("BYTEOR_KERNEL") == "pure" else ""


def _problem_of(folder: Path) -> str:
    try:
        if folder.exists():
            check_private_folder(folder)
    except (ByteorError, OSError) as error:
        return str(error)
    return ""


def _free_bytes(folder: Path) -> int:
    """Where ``folder`` is or will be made; 0 when nobody can tell."""
    try:
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        return shutil.disk_usage(folder).free
    except OSError:
        return 0


def _key_variables() -> KeyVariables:
    kid, key_file = (os.environ.get(name, "") for name in ("BYTEOR_KID", "BYTEOR_KEY_FILE"))
    found = os.path.isfile(os.path.expanduser(key_file))  # noqa: PTH111, PTH113  (no error)
    return KeyVariables(kid=bool(kid), key_file=bool(key_file), file_found=found)


def _terminal() -> TerminalFacts:
    size = shutil.get_terminal_size((0, 0)) if sys.stdout.isatty() else os.terminal_size((0, 0))
    name, depth = os.environ.get("TERM", ""), os.environ.get("COLORTERM", "")
    if os.environ.get("NO_COLOR") or name in ("", "dumb"):
        colours = "none"
    elif depth in ("truecolor", "24bit"):
        colours = "true"
    else:
        colours = "256" if "256" in name else "16"
    # As the console decides which glyphs it may draw.
    locale = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_CTYPE", "LANG"))), "C.UTF-8")
    utf8 = "utf" in locale.lower()
    return TerminalFacts(name=name, columns=size.columns, lines=size.lines, utf8=utf8, colours=colours)
