"""Interpreters that have the peers: ``python -m bench.interpreters`` makes them, under the user's cache.

Peers want other Pythons than ours and must never get into the normal install. Each interpreter here is a
virtual environment of its own; what cannot be installed is said and left out. Peers that are installed beside
byteor (the extra ``bench``) are found too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "byteor-bench")
# Python -> what to install there, each with what pip is to be told.
WANTED: dict[str, dict[str, list[str]]] = {
    "3.11": {
        "bytewax": ["bytewax==0.21.1"],
        "dora-rs": ["dora-rs==1.1.0", "dora-rs-cli==1.1.0"],
        "eclipse-zenoh": ["eclipse-zenoh==1.10.2"],
        "faster-fifo": ["faster-fifo==1.5.2"],
        "iceoryx2": ["iceoryx2==0.10.0"],
        "nats-py": ["nats-py==2.16.0"],
        "pyzmq": ["pyzmq==27.3.0"],
        "redis": ["redis==8.1.0"],
    },
    "3.13": {
        "pyaeron": ["pyaeron==0.1.0"],
        # It declares 3.14, and builds and runs on this one.
        "spsc-ring-threadsafe": [
            "--ignore-requires-python", "--no-binary", ":all:", "spsc-ring-threadsafe==0.1.1",
        ],
    },
}  # fmt: skip


def pythons(version: str) -> str | None:
    """An interpreter of this version, on the path or of pyenv."""
    there = [shutil.which(f"python{version}")]
    there += map(str, sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"), reverse=True))
    return next((python for python in there if python and _starts(python)), None)


def _starts(python: str) -> bool:
    """A shim of pyenv may lead nowhere."""
    return not subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode


@cache
def having(module: str) -> str | None:
    """The first interpreter that can import ``module``: ours, then those in the cache."""
    for python in (sys.executable, *map(str, sorted(CACHE.glob("py*/bin/python")))):
        code = f"import {module}" if module else ""
        if not subprocess.run([python, "-c", code], capture_output=True, timeout=30, check=False).returncode:
            return python
    return None


def main() -> None:
    for version, wanted in WANTED.items():
        python, folder = pythons(version), CACHE / f"py{version}"
        if python is None:
            print(f"no Python {version}: {', '.join(wanted)} left out")
            continue
        subprocess.run([python, "-m", "venv", folder], check=True)
        for name, words in wanted.items():
            command = [folder / "bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
            done = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
            last = done.stderr.strip().rpartition("\n")[2]
            print(f"Python {version}: {name}", "installed" if not done.returncode else f"left out: {last}")
    for program in ("redis-server", "nats-server"):
        print(program, shutil.which(program) or "is not on the path: its rows are left out")


if __name__ == "__main__":
    main()
