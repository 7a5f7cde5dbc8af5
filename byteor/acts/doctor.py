"""Collect the facts for ``byteor doctor``; ``byteor.acts.doctor_checks`` judges them."""

from __future__ import annotations

import os
import resource
import shutil
import sys
from pathlib import Path

import apsw

from byteor.acts.doctor_checks import Check, Facts, SoftwareFacts, TerminalFacts, diagnose
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
from byteor_store.database import OLDEST_SQLITE

LOOK_S = 0.25
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def doctor(profile: str) -> tuple[Check, ...]:
    """All checks for ``profile``; takes about ``LOOK_S``. Raises ``E_PROFILE``."""
    wanted = profile_of(profile)
    return diagnose(read_facts(), wanted)


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
        terminal=_terminal(),
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
