"""The C kernel under ThreadSanitizer, and under AddressSanitizer with UndefinedBehaviorSanitizer.

Long: ``BYTEOR_MESSAGES=1000000 pytest -m campaign tests/indexbus/sanitizers``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import byteor.indexbus

HERE = Path(__file__).parent
KERNEL = Path(byteor.indexbus.__file__).with_name("kernel")
CORE = (
    "core.c",
    "rows.c",
    "stages.c",
    "crc32c.c",
    "state.c",
    "journal.c",
    "work.c",
    "ends.c",
    "worker.c",
    "turns.c",
)
SANITIZERS = {"thread": "thread", "address": "address,undefined"}


@pytest.mark.campaign
@pytest.mark.parametrize("name", SANITIZERS)
@pytest.mark.parametrize("stress", ["stress.c", "stress_work.c"])
def test_the_kernel_is_clean_under_the_sanitizer(stress: str, name: str, tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    program = tmp_path / "stress"
    sources = [HERE / stress, *(KERNEL / part for part in CORE)]
    flags = ["-std=gnu11", "-g", "-O1", "-Wno-tsan", f"-fsanitize={SANITIZERS[name]}", f"-I{KERNEL}"]
    command = [compiler, *flags, "-fno-sanitize-recover=all", "-o", program, *sources, "-lpthread"]
    built = subprocess.run(command, capture_output=True, text=True)
    if built.returncode != 0 and "cannot find" in built.stderr:
        pytest.skip(f"the compiler has no {name} sanitizer")
    assert built.returncode == 0, built.stderr
    messages = os.environ.get("BYTEOR_MESSAGES", "20000")
    run = subprocess.run([program, messages], capture_output=True, text=True, timeout=1200)
    assert (run.returncode, run.stdout) == (0, f"ok {messages}\n"), run.stderr[-4000:]
