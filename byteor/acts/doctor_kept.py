"""What ``byteor doctor`` found before, here and on other hosts: a file a result, the newest of each host."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Literal

import msgspec

from byteor.acts.doctor_checks import Check
from byteor.atomic import private_folder, write_file
from byteor.errors import ByteorError
from byteor.state import state_dir

MOST = 50  # of a host; a result has about 4 KB
MOST_BYTES = 1 << 16
NAME = re.compile(r"(\d{20})\.([A-Za-z0-9_-]{1,64})\.json")


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the checks. ``facts`` are what the host is, in words, for comparing hosts."""

    schema: Literal["byteor.doctor/v1"] = "byteor.doctor/v1"
    host: str
    at_unix_ns: int
    profile: str
    ok: bool
    facts: dict[str, str]
    checks: tuple[Check, ...]


def results_dir() -> Path:
    """Results of other hosts may be copied into it: a file tells whose it is."""
    return state_dir() / "doctor"


def host_name() -> str:
    """The first part of this host's name, of the letters that a file may have in its name."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", os.uname().nodename.partition(".")[0])[:64] or "localhost"


def keep(result: Result) -> None:
    """Write ``result`` and remove the oldest of its host. Raises ``OSError``, ``E_UNSAFE_FOLDER``."""
    folder = private_folder(results_dir())
    path = folder / f"{result.at_unix_ns:020d}.{result.host}.json"
    write_file(path, msgspec.json.encode(result) + b"\n")
    ours = sorted(
        one for one in folder.iterdir() if (named := NAME.fullmatch(one.name)) and named[2] == result.host
    )
    for old in ours[:-MOST]:
        old.unlink(missing_ok=True)  # another doctor may be at it, too


def kept() -> tuple[Result, ...]:
    """Every result that can be read, the oldest first; what is none of them is passed over."""
    try:
        files = sorted(one for one in results_dir().iterdir() if NAME.fullmatch(one.name))
    except OSError:
        return ()
    found: list[Result] = []
    for path in files:
        with contextlib.suppress(OSError, msgspec.MsgspecError, ByteorError):
            if path.is_file() and path.stat().st_size <= MOST_BYTES:
                found.append(msgspec.json.decode(path.read_bytes(), type=Result))
    return tuple(sorted(found, key=lambda one: one.at_unix_ns))
