"""The plain-C loop over the same layout, compiled here: what the hardware gives without a transport."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from bench.transport.shapes import BATCH, CHAIN, DIAMOND, PAIR, SPREAD, capacity_for

# Bit 0: behind the producer; bit k: behind stage k - 1.
MASKS = {PAIR: (1,), CHAIN: (1, 2, 4), DIAMOND: (1, 2, 2, 12), SPREAD: (1, 1, 1, 1)}
SECONDS = 20.0


def build(folder: Path) -> Path:
    program = folder / "limit"
    source = Path(__file__).with_name("limit.c")
    subprocess.run(["cc", "-O3", "-o", program, source], check=True)
    return program


def stream(program: Path, shape: str, size: int) -> Callable[[int], float]:
    """Seconds for so many messages."""

    def run(messages: int) -> float:
        sizes = (capacity_for(size), size, min(BATCH, capacity_for(size) // 4), messages)
        return int(_run(program, "stream", *sizes, *MASKS[shape])) / 1e9

    return run


def round_trip(program: Path) -> dict[str, int]:
    numbers = _run(program, "pingpong", 200000).split()
    return dict(zip(("p50", "p99", "p99.9"), map(int, numbers), strict=True))


def _run(program: Path, *arguments: object) -> str:
    command = [str(program), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS).stdout
