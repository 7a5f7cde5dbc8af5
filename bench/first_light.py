"""How long a newcomer waits: ``python -m bench.first_light`` times the README's commands in a fresh clone.

What is cloned is this checkout's last commit; pip's package cache is as warm as it is. The suite has grown
far beyond what a first look needs, so its time is told twice: for the tests of the first pipeline alone
(a spec, a ring, a run, its log and its screen; ``FIRST``), and, with ``--whole``, for all of it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BAR_S = 60.0
FIRST = (
    *("tests/test_atomic.py", "tests/test_layers.py", "tests/test_readme.py"),
    *(f"tests/spec/test_{name}.py" for name in ("codes", "examples", "lines", "ring", "vectors")),
    *("tests/indexbus/test_region.py", "tests/indexbus/test_sequenced.py"),
    *(f"tests/runtime/test_{name}.py" for name in ("control", "folders", "run")),
    *("tests/edge/test_host.py", "tests/edge/test_lines.py", "tests/store/test_audit.py"),
    *("tests/cli/test_hostile.py", "tests/cli/test_streams.py"),
    *("tests/tui/test_demo.py", "tests/tui/test_live.py"),
)
PYTEST = (".venv/bin/pytest", "-q", "-n", "auto", "--dist", "loadfile")


def timed(what: str, command: tuple[str, ...], folder: Path) -> float:
    """Seconds that ``command`` took in ``folder``, told with its last line; the bench ends when it fails."""
    began = time.monotonic()
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    took = time.monotonic() - began
    last = (done.stdout.strip().splitlines() or [""])[-1]
    print(f"{what:34} {took:6.1f} s  {last}", flush=True)
    if done.returncode:
        sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--whole", action="store_true", help="also time the whole suite")
    whole = parser.parse_args().whole
    with tempfile.TemporaryDirectory(prefix="byteor-first-") as folder:
        clone = Path(folder, "byteor")
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        total = timed("make demo (installs, runs 5 s)", ("make", "demo"), clone)
        total += timed("what make test installs besides", ("make", ".venv/dev"), clone)
        total += timed("tests of the first pipeline", (*PYTEST, *FIRST), clone)
        verdict = "reached" if total < BAR_S else "not reached"
        print(f"{'together':34} {total:6.1f} s  bar {BAR_S:.0f} s: {verdict}")
        if whole:
            timed("the whole suite", PYTEST, clone)


if __name__ == "__main__":
    main()
